"""What became of a request to an origin, in words: those failures that no test can bring about for real."""

from __future__ import annotations

import errno

import pytest
from OpenSSL.SSL import Error as TlsError
from twisted.internet import error
from twisted.python.failure import Failure
from twisted.web._newclient import RequestTransmissionFailed
from twisted.web.client import ResponseFailed, ResponseNeverReceived

from proxycache.origin.reasons import UNFORESEEN, reason


def failures(*errors: Exception) -> list[Failure]:
    return [Failure(each) for each in errors]


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (error.DNSLookupError("no results for hostname lookup: nowhere.example"), "its name has no address"),
        (error.TCPTimedOutError(errno.ETIMEDOUT, "x"), "no connection: connection timed out"),
        (error.NoRouteError(errno.ENETUNREACH, "x"), "no connection: network is unreachable"),
        (error.ConnectBindError(errno.EMFILE, "x"), "no connection: too many open files"),
        (error.ConnectError(string="x"), "no connection"),
        (TlsError([("SSL routines", "", "certificate verify failed")]), "TLS failed: certificate verify failed"),
        (TlsError(), "TLS failed: the connection ended"),
        (
            ResponseNeverReceived(failures(error.ConnectionLost())),
            "the connection was lost",
        ),
        (
            ResponseFailed(failures(error.ConnectionDone(), error.ConnectionDone(), error.ConnectionLost())),
            "the connection was closed",
        ),
        (
            RequestTransmissionFailed(failures(ResponseFailed(failures(error.ConnectionAborted())))),
            "the connection was lost",
        ),
        (ResponseFailed(failures(KeyError("anything"), error.ConnectionLost())), "the connection was lost"),
        (ResponseFailed([]), UNFORESEEN),
        (KeyError("anything"), UNFORESEEN),
    ],
)
def test_it_is_told_in_words(raised: Exception, words: str) -> None:
    assert reason(raised) == words
