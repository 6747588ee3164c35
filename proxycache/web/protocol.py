"""The client's connection: what Twisted lets pass and we must not, with deadlines it does not have."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.interfaces import IDelayedCall, IPushProducer, ISSLTransport, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import RESPONSES, HTTPChannel, _ChunkedTransferDecoder, _MalformedChunkedDataError
from twisted.web.http import Request as HTTPRequest
from twisted.web.http_headers import Headers
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from proxycache.log import make_logger
from proxycache.policy.answers import MAX_LENGTH
from proxycache.policy.cachestatus import VIA, CacheStatus
from proxycache.policy.fields import Fields, parse_content_length

from .closing import Connections
from .requestbody import RequestBody

HEADER_TIMEOUT_SECONDS = 30.0
"""For a whole header section, from its first byte: a byte now and then does not prolong it."""

MAX_BODY = 64 * 1024
"""Bytes of the body of a GET, HEAD or OPTIONS that are read before it is handled; a longer one is refused."""

BODY_TIMEOUT_SECONDS = 30.0
"""For all of such a body."""

LINGER_SECONDS = 30.0
"""How long a connection that is closed with a request half read goes on reading, so that its answer arrives."""

CONNECTION = (b"Transfer-Encoding", b"Connection")

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

_HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*\Z")

_log = make_logger()

_REASONS = {
    400: b"Bad Request",
    408: b"Request Timeout",
    413: b"Content Too Large",
    421: b"Misdirected Request",
    431: b"Request Header Fields Too Large",
}


class StrictChunks(_ChunkedTransferDecoder):
    """A chunked body whose chunks are no larger than anything is."""

    length: int

    def _dataReceived_CHUNK_LENGTH(self) -> bool:
        known: bool = super()._dataReceived_CHUNK_LENGTH()
        if known and self.length > MAX_LENGTH:
            raise _MalformedChunkedDataError("an absurd chunk size")
        return known


class StrictChannel(HTTPChannel):
    """Refuses what smuggles or starves: folded lines, control characters, Host missing or twice, chunked on HTTP/1.0,
    slow headers.

    A request with a body, other than GET and HEAD, is handled as soon as its head is here.

    @ivar refusal: the status of what L{refuse} answered.
    """

    site: StrictSite
    requests: list[StrictRequest]
    _command: bytes
    _path: bytes
    _networkProducer: IPushProducer
    _deadline: IDelayedCall | None = None
    _refused = False
    refusal: int | None = None
    _patience: float | None = None

    def connectionMade(self) -> None:
        """Where descriptors run out, those who are here keep theirs: nothing is promised to a newcomer yet."""
        HTTPChannel.connectionMade(self)
        site: StrictSite = cast(Any, self).site
        site.connections.opened(self)
        if not site.admits(cast(Any, self.transport).fileno()):
            self.abort()

    def dataReceived(self, data: bytes) -> None:
        """The deadline of a header section begins with its first byte."""
        if self._refused:
            return
        if self._deadline is None and self.line_mode and not self._handlingRequest:
            self._deadline = self.callLater(HEADER_TIMEOUT_SECONDS, self._too_slow)
        HTTPChannel.dataReceived(self, data)

    def _too_slow(self) -> None:
        self._deadline = None
        self.refuse(408, b"the request took too long")

    def _cancel_deadline(self) -> None:
        deadline, self._deadline = self._deadline, None
        if deadline is not None and deadline.active():
            deadline.cancel()

    def lineReceived(self, line: bytes) -> None:
        """A folded line (RFC 9112, section 5.2) is refused, and one with control characters (RFC 9110, section 5.5).

        Others read them otherwise.
        """
        if self._refused:
            return
        if line[:1] in (b" ", b"\t"):
            self.refuse(400, b"a folded or indented header line")
            return
        if _CONTROL.search(line):
            self.refuse(400, b"a control character in the header section")
            return
        HTTPChannel.lineReceived(self, line)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Say so, in place of hanging up."""
        self.refuse(431, b"a header line is too long")

    def rawDataReceived(self, data: bytes) -> None:
        """Nothing that follows a refusal is looked at."""
        if not self._refused:
            super().rawDataReceived(data)

    def _maybeChooseTransferDecoder(self, header: bytes, data: bytes) -> bool:
        """Twisted's C{int} raises on what is too long for it, and its decoder waits for chunks that cannot come."""
        if header == b"Content-Length" and parse_content_length(data) is None:
            self.refuse(400, b"a Content-Length that is none")
            return False
        chosen: bool = HTTPChannel._maybeChooseTransferDecoder(self, header, data)
        if header == b"Transfer-Encoding" and isinstance(self._transferDecoder, _ChunkedTransferDecoder):
            self._transferDecoder = StrictChunks(self.requests[-1].handleContentChunk, self._finishRequestBody)
        return chosen

    def allHeadersReceived(self) -> None:
        """The head is complete: the last chance before somebody acts on it."""
        self._cancel_deadline()
        problem = self._problem()
        if problem is not None:
            self.refuse(400, problem)
        else:
            self.requests[-1].examine()
        if self._refused:
            # Not 0, so that the caller waits for a body that is never looked at.
            self.length = None
            return
        HTTPChannel.allHeadersReceived(self)
        if self._refused:
            return
        if self.requests[-1].body is not None:
            self.requests[-1].begin(self._command, self._path, self._version)
        elif self.length != 0:
            self._deadline = self.callLater(BODY_TIMEOUT_SECONDS, self._too_slow)

    def allContentReceived(self) -> None:
        """The idle deadline is what it was, also where the body was held up."""
        if self._refused:
            return
        self._cancel_deadline()
        self._expect_more()
        HTTPChannel.allContentReceived(self)

    # The body of a request that is being handled

    def hold(self) -> None:
        """Read nothing for now; the client is not to blame."""
        self._networkProducer.pauseProducing()
        if self.timeOut:
            self._patience = self.setTimeout(None)

    def release(self) -> None:
        """Read on."""
        self._expect_more()
        self._networkProducer.resumeProducing()

    def _expect_more(self) -> None:
        patience, self._patience = self._patience, None
        if patience:
            self.setTimeout(patience)

    def resumeProducing(self) -> None:
        """The client takes more of its answer; that is no leave to read more of its request."""
        HTTPChannel.resumeProducing(self)
        if self.requests and self.requests[0].holds:
            self._networkProducer.pauseProducing()

    def requestDone(self, request: StrictRequest) -> None:
        """Answered. What is still to come of its body cannot be told from the next request."""
        if request.body is not None and not request.body.complete:
            self.persistent = False
            self._refused = True
            request.body.stopProducing()
        HTTPChannel.requestDone(self, request)

    def loseConnection(self) -> None:
        """Closed with unread bytes, the client's kernel may drop our answer: read on for a while.

        Not while a request is handled: that its client is lost is what ends it.
        """
        transport: Any = self.transport
        handled = any(request.begun for request in self.requests)
        if (
            not self._refused
            or handled
            or not ITCPTransport.providedBy(transport)
            or ISSLTransport.providedBy(transport)
        ):
            HTTPChannel.loseConnection(self)
            return
        cast(Any, self._networkProducer).unregisterProducer()
        self._networkProducer.resumeProducing()
        cast(Any, transport).loseWriteConnection()
        self._cancel_deadline()
        self._deadline = self.callLater(LINGER_SECONDS, self.abort)

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        """The lines of an answer as they are, in their order; of Twisted's own only those about the framing."""
        request = self.requests[0]
        unread = request.body is not None and not request.body.complete
        if unread or self.site.connections.finishing:
            headers.setRawHeaders(b"connection", [b"close"])
        if request.lines is None:
            HTTPChannel.writeHeaders(self, version, code, reason, headers)
            return
        framing = [
            (name, value) for name in (b"Content-Length", *CONNECTION) for value in headers.getRawHeaders(name, [])
        ]
        lines = [b"%s: %s\r\n" % line for line in (*request.lines, *framing)]
        assert self.transport is not None
        self.transport.writeSequence([b"%s %s %s\r\n" % (version, code, reason), *lines, b"\r\n"])

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
        """Not to a request whose body was refused already, nor to one that the origin has to give leave to."""
        if not self._refused and self.requests[-1].body is None:
            HTTPChannel._send100Continue(self)

    def _respondToBadRequestAndDisconnect(self) -> None:
        too_large = self._receivedHeaderSize > self.totalHeadersSize or self._receivedHeaderCount > self.maxHeaders
        if too_large:
            self.refuse(431, b"the header section is too large")
        else:
            self.refuse(400, b"not an HTTP request that can be understood")

    def refuse(self, status: int, reason: bytes) -> None:
        """Answer with one line and close; nothing more is read.

        In the middle of an answer only an aborted connection says that something is wrong.
        """
        if self._refused or self.transport is None:
            return
        self._refused = True
        if self.requests and self.requests[0].startedWriting:
            self.abort()
            return
        self._cancel_deadline()
        self.refusal = status
        _log.info("{client} {status} refused: {reason}", client=self.peer, status=status, reason=reason.decode())
        body = reason + b"\n"
        self.transport.write(
            b"HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n"
            b"Cache-Status: %s\r\nVia: %s\r\n\r\n%s"
            % (status, _REASONS[status], len(body), CacheStatus().render(), VIA, body)
        )
        if not any(request.begun for request in self.requests):
            self.site.refused(self, status, len(body))
        self.loseConnection()

    @property
    def peer(self) -> str:
        """The address of the other end; C{-} where it has none."""
        peer = None if self.transport is None else self.transport.getPeer()
        return str(getattr(peer, "host", "-"))

    @property
    def unsent(self) -> int:
        """Bytes that were written, and that the socket has not taken: what Twisted's transports still hold."""
        count = 0
        transport: Any = self.transport
        while transport is not None:
            # TLS keeps its own; beneath it is TCP.
            count += sum(map(len, getattr(transport, "_appSendBuffer", ())))
            count += len(getattr(transport, "dataBuffer", b"")) - getattr(transport, "offset", 0)
            count += getattr(transport, "_tempDataLen", 0)
            transport = getattr(transport, "transport", None)
        return count

    def abort(self) -> None:
        """End the connection so that the client sees that its response is incomplete."""
        if self.transport is not None:
            cast(Any, self.transport).abortConnection()

    def finish(self) -> None:
        """Take no further request: close once the present one is answered; at once where none is handled."""
        self.persistent = False
        if not self._handlingRequest and not any(request.begun for request in self.requests):
            self._refused = True
            HTTPChannel.loseConnection(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Nothing is left running."""
        self._cancel_deadline()
        self.site.connections.closed(self)
        HTTPChannel.connectionLost(self, reason)


class _Content:
    """A request's body that is read before the request is handled.

    @param kept: whether anybody wants it.
    """

    def __init__(self, kept: bool) -> None:
        self.size = 0
        self.data = bytearray()
        self._kept = kept

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if self._kept:
            self.data += data

    def seek(self, offset: int, whence: int = 0) -> None:
        """Twisted rewinds the body before it hands it over."""

    def tell(self) -> int:
        return self.size

    def read(self, count: int = -1) -> bytes:
        return b""

    def close(self) -> None:
        """Nothing is held."""


class StrictRequest(Request):
    """A request whose body is streamed, or dropped as it comes.

    @ivar body: where it is streamed.
    @ivar begun: whether it is handled while its body is still to come.
    @ivar lines: the header section of the answer, less what is about the framing.
    """

    channel: StrictChannel
    content: _Content
    sitepath: list[bytes]
    body: RequestBody | None = None
    begun = False
    lines: Fields | None = None

    def fields(self) -> Fields:
        """Its header lines, as far as they have come."""
        raw = self.requestHeaders.getAllRawHeaders()
        return Fields((name, value) for name, values in raw for value in values)

    def examine(self) -> None:
        """Its head is complete and well-formed. Who does not want it calls C{channel.refuse}; no body is read then."""

    def gotLength(self, length: int | None) -> None:
        """That of a GET or HEAD is read away up to L{MAX_BODY}: Twisted would keep it. That of OPTIONS is kept."""
        self.content = _Content(kept=self.channel._command == b"OPTIONS")
        if length == 0:
            return
        if self.channel._command not in (b"GET", b"HEAD", b"OPTIONS"):
            self.body = RequestBody(length, self.channel.hold, self.channel.release)
        elif length is not None and length > MAX_BODY:
            self.channel.refuse(413, b"a body is not accepted here")

    @property
    def holds(self) -> bool:
        """Whether nothing of its body is to be read for now."""
        return self.body is not None and self.body.held

    def begin(self, method: bytes, target: bytes, version: bytes) -> None:
        """Handle it while its body is still to come."""
        self.method, self.uri, self.clientproto = method, target, version
        self.path = target.partition(b"?")[0]
        self.args = {}
        self.begun = True
        self.process()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """All of it is here."""
        if self.body is not None:
            self.body.ended()
            return
        if self.content.data:
            self.body = RequestBody.of(bytes(self.content.data))
        Request.requestReceived(self, command, path, version)

    def connectionLost(self, reason: Failure) -> None:
        """The client is gone."""
        Request.connectionLost(self, reason)
        if self.body is not None:
            self.body.lost(reason)

    def write_interim(self, status: int, fields: Fields) -> None:
        """Pass an interim response on (RFC 9110, section 15.2); 100 only to a client that waits for it."""
        expects = b"100-continue" in {value.lower() for value in self.requestHeaders.getRawHeaders(b"expect", [])}
        late = self.startedWriting or self._disconnected or self.finished or self.clientproto != b"HTTP/1.1"
        if late or (status == 100 and not expects):
            return
        transport = self.channel.transport
        if transport is None:
            return
        reason = RESPONSES.get(status, b"Interim")
        lines = [b"%s: %s\r\n" % line for line in fields.end_to_end()]
        transport.writeSequence([b"HTTP/1.1 %d %s\r\n" % (status, reason), *lines, b"\r\n"])

    def handleContentChunk(self, data: bytes) -> None:
        """The same for a body without a declared length."""
        if self.body is not None:
            self.body.arrived(data)
            return
        Request.handleContentChunk(self, data)
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


class StrictSite(Site):
    """A site of such connections."""

    protocol: Any = StrictChannel

    def __init__(
        self,
        resource: IResource,
        requestFactory: Any = StrictRequest,
        has_room: Callable[[int], bool] = lambda number: True,
        **arguments: object,
    ) -> None:
        Site.__init__(self, resource, requestFactory=requestFactory, parsePOSTFormSubmission=False, **arguments)
        self._has_room = has_room
        self._crowded = False
        self.connections = Connections()

    def admits(self, number: int) -> bool:
        """Whether there are descriptors for a client who was given this one."""
        crowded = not self._has_room(number)
        if crowded and not self._crowded:
            _log.warn("no descriptors left for clients: new ones are turned away for now; raise the limit (ulimit -n)")
        self._crowded = crowded
        return not crowded

    def log(self, request: HTTPRequest) -> None:
        """Who answers writes a line of his own, or none."""

    def refused(self, channel: StrictChannel, status: int, sent: int) -> None:
        """A connection was refused with so many bytes of body: whoever keeps accounts is told here."""


class ObjectSite(StrictSite):
    """A site in which the path is no matter of routing: it names an object of an origin, byte for byte."""

    def getResourceFor(self, request: Request) -> IResource:
        """The one resource, whatever the path."""
        request.site = self
        cast(StrictRequest, request).sitepath = []
        request.prepath = []
        request.postpath = [b""]
        resource: IResource = self.resource
        return resource
