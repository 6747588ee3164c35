"""The client's connection: what Twisted lets pass and we must not, with deadlines it does not have.

A client may end its half of it once it has asked: that says only that no further request comes (RFC 9112, section 9.6).
One that has left looks the same, until something is sent to it. So the answer is begun then, with what every answer
begins with, and the connection is watched for what becomes of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from twisted.internet.interfaces import (
    IDelayedCall,
    IHalfCloseableProtocol,
    IPushProducer,
    ISSLTransport,
    ITCPTransport,
)
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, _ChunkedTransferDecoder
from twisted.web.http_headers import Headers
from zope.interface import implementer

from proxycache.log import make_logger
from proxycache.policy.cachestatus import VIA, CacheStatus
from proxycache.policy.fields import Fields, parse_content_length

from .strictness import StrictChunks, problem_of_head, problem_of_line

if TYPE_CHECKING:
    from .request import StrictRequest
    from .site import StrictSite

MAX_HEAD = 64 * 1024
"""Bytes of the request line and the header section, together; also of one line of them."""

HEADER_TIMEOUT_SECONDS = 30.0
"""For a whole header section, from its first byte: a byte now and then does not prolong it."""

BODY_TIMEOUT_SECONDS = 30.0
"""For all of a body that is read before its request is handled."""

LINGER_SECONDS = 30.0
"""How long a connection that is closed with a request half read goes on reading, so that its answer arrives."""

CONNECTION = (b"Transfer-Encoding", b"Connection")

_log = make_logger()

_REASONS = {
    400: b"Bad Request",
    408: b"Request Timeout",
    413: b"Content Too Large",
    421: b"Misdirected Request",
    431: b"Request Header Fields Too Large",
}


@implementer(IHalfCloseableProtocol)
class StrictChannel(HTTPChannel):
    """Refuses what smuggles or starves: folded lines, control characters, Host missing or twice, chunked on HTTP/1.0,
    slow headers.

    A request with a body, other than GET and HEAD, is handled as soon as its head is here.

    @ivar refusal: the status of what L{refuse} answered.
    """

    MAX_LENGTH = totalHeadersSize = MAX_HEAD
    site: StrictSite
    requests: list[StrictRequest]
    _command: bytes
    _path: bytes
    _networkProducer: IPushProducer
    _deadline: IDelayedCall | None = None
    _refused = False
    refusal: int | None = None
    _patience: float | None = None
    _watched: int | None = None
    _opening = b""

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
        """One that others may read otherwise is refused."""
        if self._refused:
            return
        problem = problem_of_line(line)
        if problem is not None:
            self.refuse(400, problem)
            return
        HTTPChannel.lineReceived(self, line)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Say so, in place of hanging up."""
        self.refuse(431, b"a header line is too long")

    def rawDataReceived(self, data: bytes) -> None:
        """Nothing that follows a refusal is looked at; of what follows a request not too much is read at once."""
        if self._refused:
            return
        super().rawDataReceived(data)
        if self._handlingRequest and sum(map(len, self._dataBuffer)) > self._optimisticEagerReadSize:
            self._watch()

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
        problem = problem_of_head(self.requests[-1].requestHeaders, self._version)
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
        self._watch()
        if self.timeOut:
            self._patience = self.setTimeout(None)

    def release(self) -> None:
        """Read on."""
        self._forget()
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
        self._forget()
        if request.body is not None and not request.body.complete:
            self.persistent = False
            self._refused = True
            request.body.stopProducing()
        HTTPChannel.requestDone(self, request)

    # Who has ended his half of the connection, or has left

    def readConnectionLost(self) -> None:
        """No more comes from the client. What it has asked for in full is answered."""
        if self._refused or not self.requests:
            HTTPChannel.loseConnection(self)
        elif self._handlingRequest:
            self._watch()
            self._begin_answer()
        else:
            # Half a request, and nobody will send the rest.
            cast(Any, self.transport).connectionLost(connectionDone)

    def writeConnectionLost(self) -> None:
        """We have ended ours, and read on for a while."""

    def _watch(self) -> None:
        departures, number = self.site.departures, cast(Any, self.transport).fileno()
        if departures is not None and self._watched is None and number >= 0:
            self._watched = number
            departures.watch(number, self._begin_answer, self.abort)

    def _forget(self) -> None:
        number, self._watched = self._watched, None
        if number is not None and self.site.departures is not None:
            self.site.departures.forget(number)

    def _begin_answer(self) -> None:
        """Find out who is there: whoever has left refuses this, and who has not would get it anyway."""
        if self.requests and not self.requests[0].startedWriting and not self._opening and not self._refused:
            self._opening = self.requests[0].clientproto + b" "
            cast(Any, self.transport).write(self._opening)

    def _status_line(self, version: bytes, code: bytes, reason: bytes) -> bytes:
        """The first line of an answer, or of one that precedes it, less what of it was sent."""
        opening, self._opening = self._opening, b""
        return (b"%s %s %s\r\n" % (version, code, reason))[len(opening) :]

    def write_interim(self, status: int, reason: bytes, fields: Fields) -> None:
        """Write an interim response (RFC 9110, section 15.2)."""
        if self.transport is not None:
            lines = [b"%s: %s\r\n" % line for line in fields.end_to_end()]
            line = self._status_line(b"HTTP/1.1", b"%d" % status, reason)
            self.transport.writeSequence([line, *lines, b"\r\n"])

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
            fields = [(name, value) for name, values in headers.getAllRawHeaders() for value in values]
        else:
            names = (b"Content-Length", *CONNECTION)
            framing = [(name, value) for name in names for value in headers.getRawHeaders(name, [])]
            fields = [*request.lines, *framing]
        lines = [b"%s: %s\r\n" % line for line in fields]
        assert self.transport is not None
        self.transport.writeSequence([self._status_line(version, code, reason), *lines, b"\r\n"])

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
            self._status_line(b"HTTP/1.1", b"%d" % status, _REASONS[status])
            + b"Content-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n"
            b"Cache-Status: %s\r\nVia: %s\r\n\r\n%s" % (len(body), CacheStatus().render(), VIA, body)
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
        self._forget()
        self.site.connections.closed(self)
        HTTPChannel.connectionLost(self, reason)
