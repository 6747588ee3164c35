"""The client's connection: what Twisted lets pass and we must not, with deadlines it does not have."""

from __future__ import annotations

import re
from typing import Any, cast

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.http import Request as HTTPRequest
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from proxycache.log import make_logger
from proxycache.policy.cachestatus import VIA, CacheStatus

HEADER_TIMEOUT_SECONDS = 30.0
"""For a whole header section, from its first byte: a byte now and then does not prolong it."""

MAX_BODY = 64 * 1024
"""Bytes of a request's body that are read and dropped before the connection is."""

_HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*\Z")

_log = make_logger()

_REASONS = {
    400: b"Bad Request",
    408: b"Request Timeout",
    413: b"Content Too Large",
    431: b"Request Header Fields Too Large",
}


class StrictChannel(HTTPChannel):
    """Refuses what smuggles or starves: folded lines, Host missing or twice, chunked on HTTP/1.0, slow headers."""

    _deadline: IDelayedCall | None = None
    _refused = False

    def dataReceived(self, data: bytes) -> None:
        """The deadline of a header section begins with its first byte."""
        if self._refused:
            return
        if self._deadline is None and not self._handlingRequest:
            self._deadline = self.callLater(HEADER_TIMEOUT_SECONDS, self._too_slow)
        super().dataReceived(data)

    def _too_slow(self) -> None:
        self._deadline = None
        self.refuse(408, b"the header section took too long")

    def _cancel_deadline(self) -> None:
        deadline, self._deadline = self._deadline, None
        if deadline is not None and deadline.active():
            deadline.cancel()

    def lineReceived(self, line: bytes) -> None:
        """A folded line (RFC 9112, section 5.2) is refused: others read it otherwise."""
        if self._refused:
            return
        if line[:1] in (b" ", b"\t"):
            self.refuse(400, b"a folded or indented header line")
            return
        super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Say so, in place of hanging up."""
        self.refuse(431, b"a header line is too long")

    def rawDataReceived(self, data: bytes) -> None:
        """Nothing that follows a refusal is looked at."""
        if not self._refused:
            super().rawDataReceived(data)

    def allHeadersReceived(self) -> None:
        """The head is complete: the last chance before somebody acts on it."""
        self._cancel_deadline()
        problem = self._problem()
        if problem is not None:
            self.refuse(400, problem)
        if self._refused:
            # Not 0, so that the caller waits for a body that is never looked at.
            self.length = None
            return
        super().allHeadersReceived()

    def _problem(self) -> bytes | None:
        """What makes the head of a request unacceptable (RFC 9112, sections 3.2 and 6.1)."""
        headers = self.requests[-1].requestHeaders
        hosts = headers.getRawHeaders(b"host") or []
        if len(hosts) > 1:
            return b"more than one Host"
        if not hosts and self._version == b"HTTP/1.1":
            return b"Host is missing"
        if hosts and not _HOST.match(hosts[0]):
            return b"Host is not a host"
        codings = headers.getRawHeaders(b"transfer-encoding") or []
        if codings and [coding.lower() for coding in codings] != [b"chunked"]:
            return b"a Transfer-Encoding that is not understood"
        if self._version == b"HTTP/1.0" and codings:
            return b"Transfer-Encoding in HTTP/1.0"
        return None

    def _send100Continue(self) -> None:
        """Not to a request whose body was refused already."""
        if not self._refused:
            super()._send100Continue()

    def _respondToBadRequestAndDisconnect(self) -> None:
        too_large = self._receivedHeaderSize > self.totalHeadersSize or self._receivedHeaderCount > self.maxHeaders
        if too_large:
            self.refuse(431, b"the header section is too large")
        else:
            self.refuse(400, b"not an HTTP request that can be understood")

    def refuse(self, status: int, reason: bytes) -> None:
        """Answer with one line and close; nothing more is read."""
        if self._refused or self.transport is None:
            return
        self._refused = True
        self._cancel_deadline()
        _log.info("{client} {status} refused: {reason}", client=self._client(), status=status, reason=reason.decode())
        body = reason + b"\n"
        self.transport.write(
            b"HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n"
            b"Cache-Status: %s\r\nVia: %s\r\n\r\n%s"
            % (status, _REASONS[status], len(body), CacheStatus().render(), VIA, body)
        )
        self.loseConnection()

    def _client(self) -> str:
        peer = None if self.transport is None else self.transport.getPeer()
        return str(getattr(peer, "host", "-"))

    def abort(self) -> None:
        """End the connection so that the client sees that its response is incomplete."""
        if self.transport is not None:
            cast(Any, self.transport).abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Nothing is left running."""
        self._cancel_deadline()
        super().connectionLost(reason)


class _Discarded:
    """A request's body that nobody wants."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: bytes) -> None:
        self.size += len(data)

    def seek(self, offset: int, whence: int = 0) -> None:
        """Twisted rewinds the body before it hands it over."""

    def tell(self) -> int:
        return self.size

    def read(self, count: int = -1) -> bytes:
        return b""

    def close(self) -> None:
        """Nothing is held."""


class StrictRequest(Request):
    """A request whose body is dropped as it comes."""

    channel: StrictChannel
    content: _Discarded
    sitepath: list[bytes]

    def gotLength(self, length: int | None) -> None:
        """A body is read away up to L{MAX_BODY}: Twisted would keep it."""
        self.content = _Discarded()
        if length is not None and length > MAX_BODY:
            self.channel.refuse(413, b"a body is not accepted here")

    def handleContentChunk(self, data: bytes) -> None:
        """The same for a body without a declared length."""
        super().handleContentChunk(data)
        if self.content.size > MAX_BODY:
            self.channel.refuse(413, b"a body is not accepted here")

    def _handleStar(self) -> None:
        """C{OPTIONS *} is answered where all others are."""
        assert self.site is not None
        self.render(self.site.getResourceFor(self))

    @property
    def body_size(self) -> int:
        """Bytes of body that came and were dropped."""
        return self.content.size

    def getRequestHostname(self) -> bytes:
        """Klein builds its routing from the name and fails on odd ones; there is one route, for every name."""
        return b"proxycache"


class ObjectSite(Site):
    """A site in which the path is no matter of routing: it names an object of an origin, byte for byte."""

    protocol: Any = StrictChannel

    def __init__(self, resource: IResource, **arguments: object) -> None:
        super().__init__(resource, requestFactory=StrictRequest, parsePOSTFormSubmission=False, **arguments)

    def getResourceFor(self, request: Request) -> IResource:
        """The one resource, whatever the path."""
        request.site = self
        cast(StrictRequest, request).sitepath = []
        request.prepath = []
        request.postpath = [b""]
        resource: IResource = self.resource
        return resource

    def log(self, request: HTTPRequest) -> None:
        """The delivery writes its own line, with the sources of the bytes."""
