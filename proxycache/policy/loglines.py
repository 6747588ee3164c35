"""Lines of a log. What others send neither ends a line nor a quoted value in it, and ends itself.

A line of the access log is that of Apache's and nginx's combined format, which every program reads that reads such
logs, and what we have to tell behind it.
"""

from __future__ import annotations

import datetime
import enum
import functools
import re
from collections.abc import Collection, Mapping
from urllib.parse import unquote_to_bytes

from attrs import frozen

MAX_SHOWN = 1024
"""Characters of one value."""

_UNSAFE = re.compile(rb'[\x00-\x1f"\\\x7f-\xff]')

_USER_INFO = re.compile(rb"\A([A-Za-z][A-Za-z0-9+.-]*://|(?!/))[^/?#]*@")

_HIDDEN = b"***"


def escaped(value: bytes, most: int = MAX_SHOWN) -> str:
    """C{value} in printable ASCII, other octets, quotes and backslashes as C{\\xHH}; cut with dots at C{most}."""
    shown = _UNSAFE.sub(lambda match: b"\\x%02X" % ord(match[0]), value[: most + 1]).decode("ascii")
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."


def redacted(target: bytes, names: Collection[bytes]) -> bytes:
    """A request target or URL without its user, and without the values of the query parameters that C{names} hold.

    It is read as any origin might read it: parameters also end at semicolons, and hiding goes on to the next C{&}.
    """
    if b"@" in target:
        target = _USER_INFO.sub(rb"\1", target)
    path, mark, query = target.partition(b"?")
    if not query or not names:
        return target
    return path + mark + b"&".join(_without_value(parameter, names) for parameter in query.split(b"&"))


def _without_value(parameter: bytes, names: Collection[bytes]) -> bytes:
    pieces = parameter.split(b";")
    for number, piece in enumerate(pieces):
        name, equals, _ = piece.partition(b"=")
        if equals and unquote_to_bytes(name.replace(b"+", b" ")) in names:
            return b";".join([*pieces[:number], name + equals + _HIDDEN])
    return parameter


def loggable(target: bytes, names: Collection[bytes]) -> str:
    """A target or URL as it is logged: L{redacted}, then L{escaped}."""
    return escaped(redacted(target, names))


CLIENT_LEFT = 499
"""nginx's status for a request whose client left before an answer began. Never sent."""

MAX_METHOD = 64
"""Characters of a method: the longest that is registered has 17."""


class End(enum.Enum):
    """How an answer ended."""

    COMPLETE = "complete"
    LEFT = "left"
    """The client closed the connection before the end."""
    ABORTED = "aborted"
    """We did, since the rest could not be had, or was not taken."""
    REFUSED = "refused"
    """It was no request that can be understood."""


@frozen
class AccessLine:
    """A request, and what became of it.

    @ivar client: its address.
    @ivar time: of the end, seconds since the epoch.
    @ivar target: empty where not even that was understood.
    @ivar sent: bytes of the body that the socket took.
    @ivar by_source: of these, bytes of the object: from cache, fill and passthrough.
    @ivar seconds: from the request to the end.
    @ivar cache_status: as rendered.
    """

    client: str
    time: float
    method: bytes
    target: bytes
    protocol: bytes
    status: int
    sent: int
    by_source: Mapping[str, int]
    seconds: float
    end: End
    cache_status: bytes
    referer: bytes | None = None
    user_agent: bytes | None = None

    def render(self, hidden: Collection[bytes]) -> str:
        """The line, without the values of query parameters that are C{hidden}."""
        request = "-"
        if self.target:
            method, protocol = escaped(self.method, MAX_METHOD), escaped(self.protocol, MAX_METHOD)
            request = f"{method} {loggable(self.target, hidden)} {protocol}"
        referer = "-" if self.referer is None else loggable(self.referer, hidden)
        agent = "-" if self.user_agent is None else escaped(self.user_agent)
        sources = " ".join(f"{source}={self.by_source.get(source, 0)}" for source in ("cache", "fill", "passthrough"))
        return (
            f'{self.client} - - [{_moment(int(self.time))}] "{request}" {self.status} {self.sent}'
            f' "{referer}" "{agent}" {sources} seconds={self.seconds:.3f} end={self.end.value}'
            f' "{escaped(self.cache_status)}"'
        )


@functools.lru_cache(maxsize=4)
def _moment(second: int) -> str:
    return f"{datetime.datetime.fromtimestamp(second, datetime.UTC):%d/%b/%Y:%H:%M:%S} +0000"


def taken(by_source: Mapping[str, int], last: str, unsent: int) -> dict[str, int]:
    """What of the bytes that were written the socket took, where it did not take the last C{unsent} of them.

    @param last: the source of the very last ones.
    """
    left = dict(by_source)
    for source in (last, *left):
        missing = min(unsent, left.get(source, 0))
        left[source] = left.get(source, 0) - missing
        unsent -= missing
    return left
