"""What became of a request to an origin, in words of HTTP: for clients, C{/readyz} and the log."""

from __future__ import annotations

import os
from collections.abc import Iterator

from OpenSSL.SSL import Error as TlsError
from service_identity import VerificationError
from twisted.internet.error import (
    ConnectError,
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
    DNSLookupError,
    TimeoutError,
)
from twisted.web._newclient import BadHeaders, BadResponseVersion, ParseError
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss, _DataLoss, _MalformedChunkedDataError

from .protocol import Unacceptable

UNFORESEEN = "the request failed"
"""What nobody has a better word for."""


def reason(error: BaseException | None) -> str:
    """A few words for what Twisted's client raises, which wraps its causes in lists of failures, one in the other.

    The first cause brought the others about.
    """
    return next((words for words in map(_words, _causes(error)) if words is not None), UNFORESEEN)


def _causes(error: BaseException | None) -> Iterator[BaseException | None]:
    wrapped = getattr(error, "reasons", None)
    if not wrapped:
        yield error
    for failure in wrapped or ():
        yield from _causes(failure.value)


def _words(error: BaseException | None) -> str | None:
    match error:
        case ConnectionRefusedError():
            return "the connection was refused"
        case DNSLookupError():
            return "its name has no address"
        case TimeoutError():
            return "no connection in time"
        case ConnectError(osError=int(number)):
            return f"no connection: {os.strerror(number).lower()}"
        case ConnectError():
            return "no connection"
        case VerificationError():
            return "its certificate is another host's"
        case TlsError():
            return f"TLS failed: {_tls(error)}"
        case ConnectionDone() | _DataLoss() | PotentialDataLoss() | ResponseDone():
            return "the connection was closed"
        case ConnectionLost() | ConnectionAborted():
            return "the connection was lost"
        case Unacceptable():
            return str(error.args[0])
        case ParseError() | BadHeaders() | BadResponseVersion() | _MalformedChunkedDataError():
            return "not HTTP"
    return None


def _tls(error: TlsError) -> str:
    """OpenSSL's own words: its errors hold a list of (library, function, reason)."""
    listed = error.args[0] if error.args and isinstance(error.args[0], (list, tuple)) else ()
    told = [str(entry[-1]) for entry in listed if isinstance(entry, tuple) and entry]
    return ", ".join(told) or "the connection ended"
