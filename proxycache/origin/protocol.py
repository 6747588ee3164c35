"""The connection to an origin: Twisted's, with what it hides, drops or cannot tell.

Header lines are kept as they came, in their order, those about the connection too. Interim responses are passed on. A
transfer coding that is not known is read to the end. A response may come before its request was sent whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web._newclient import HEADER, STATUS, HTTP11ClientProtocol, HTTPClientParser, ParseError, Request
from twisted.web.client import HTTPConnectionPool, _HTTP11ClientFactory
from twisted.web.http import _ChunkedTransferDecoder
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer, IResponse

from proxycache.policy.fields import Fields, Line

MAX_HEADER_BYTES = 256 * 1024
"""What may arrive before a body: status lines, header lines, folded ones too, and all of that of interim responses."""

LINE_OVERHEAD = 32
"""What a line counts beside its own bytes, as a field does in HTTP/2 (RFC 9113, section 6.5.2)."""

MAX_FRAMING_BYTES = 256 * 1024
"""What may arrive in a body that is none of it, in sizes and extensions of chunks and in trailers, ..."""

MAX_FRAMING_RATIO = 16
"""... and beyond that, for each byte of the body: a chunk of one byte takes six."""

COMPRESSED = frozenset({b"chunked", b"compress", b"deflate", b"gzip", b"x-compress", b"x-gzip"})
"""Transfer codings whose bytes are not the content; C{chunked} where it is one of several (RFC 9112, section 7)."""

MAX_INTERIM = 64
"""Interim responses before the final one; more are a flood."""

InterimReceiver = Callable[[int, Fields], None]


class Unacceptable(ParseError):
    """What arrives is refused for a reason of ours, its first argument."""


class OriginHeaders(Headers):
    """The fields of a request, with what its response is to be told to.

    @ivar interim: called with status and fields of every interim response.
    """

    interim: InterimReceiver | None = None


class ExactChunks(_ChunkedTransferDecoder):
    """The chunked transfer coding (RFC 9112, section 7.1), with a limit on what arrives and is no byte of the body."""

    def __init__(self, dataCallback: Callable[[bytes], None], finishCallback: Callable[[bytes], None]) -> None:
        def deliver(data: bytes) -> None:
            self._body_bytes += len(data)
            dataCallback(data)

        super().__init__(deliver, finishCallback)
        self._arrived = 0
        self._body_bytes = 0

    def dataReceived(self, data: bytes) -> None:
        """The next bytes of the connection."""
        self._arrived += len(data)
        super().dataReceived(data)
        framing = self._arrived - self._body_bytes
        if framing > MAX_FRAMING_BYTES + MAX_FRAMING_RATIO * self._body_bytes:
            raise Unacceptable("the origin's chunks are hardly anything but framing", b"%d" % framing)


class ExactParser(HTTPClientParser):
    """Keeps the lines of a response's header section as they came.

    @param torn: whether the connection was lost, and not closed in good order.
    """

    _transferDecoders = {b"chunked": ExactChunks}  # noqa: RUF012 - as the base class has it

    def __init__(self, request: Request, finisher: Callable[[bytes], None], torn: Callable[[], bool]) -> None:
        HTTPClientParser.__init__(self, request, finisher)
        self.torn = torn
        self._interim = 0
        self._head_bytes = 0

    def connectionMade(self) -> None:
        """A header section begins: of the response, or of what follows an interim one."""
        HTTPClientParser.connectionMade(self)
        self._lines: list[Line] = []

    def dataReceived(self, data: bytes) -> None:
        """What does not begin as HTTP does is known for that before its first line ends, where it ever does."""
        HTTPClientParser.dataReceived(self, data)
        if self.state == STATUS and not b"HTTP/".startswith(self._buffer[:5]):
            raise ParseError("not HTTP", self._buffer[:80])

    def lineReceived(self, line: bytes) -> None:
        """Every line before the body counts as it arrives: a folded field is told of only at its end."""
        self._head_bytes += len(line) + LINE_OVERHEAD
        if self._head_bytes > MAX_HEADER_BYTES:
            raise Unacceptable("the origin's header section is too large", line[:80])
        HTTPClientParser.lineReceived(self, line)

    def headerReceived(self, name: bytes, value: bytes) -> None:
        """Bytes that could end a line elsewhere become spaces (RFC 9110, section 5.5)."""
        name, value = name.strip(b" \t"), value.replace(b"\r", b" ").replace(b"\0", b" ")
        self._lines.append((name, value))
        HTTPClientParser.headerReceived(self, name, value)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Refused, in place of hanging up without a word."""
        raise Unacceptable("a header line of the origin is too long", line[:80])

    def allHeadersReceived(self) -> None:
        """The head is complete."""
        fields = Fields(self._lines)
        status = self.response.code
        if status == 101:
            raise Unacceptable("the origin changed the protocol, which nobody asked for", b"101")
        if 100 <= status < 200:
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise Unacceptable("too many interim responses", b"%d" % status)
            receiver = getattr(self.request.headers, "interim", None)
            if receiver is not None:
                receiver(status, fields)
            # As Twisted's does, which writes a line about each.
            self.connectionMade()
            del self.response
            return
        self.response.exact_fields = fields
        self.response.torn = self.torn
        self.response.abort_upload = None
        self.response.ends_with_connection = False
        if b"close" in {member.lower() for member in fields.members(b"connection")}:
            self.request.persistent = False
        self._understand(fields)
        HTTPClientParser.allHeadersReceived(self)

    def _understand(self, fields: Fields) -> None:
        """The transfer codings (RFC 9112, section 6.3): one that is not known ends with the connection."""
        named = [coding.lower() for coding in fields.members(b"transfer-encoding")]
        codings = [coding for coding in named if coding != b"identity"]
        self.connHeaders.removeHeader(b"transfer-encoding")
        if codings == [b"chunked"]:
            self.connHeaders.setRawHeaders(b"transfer-encoding", [b"chunked"])
        elif not COMPRESSED.isdisjoint(codings):
            raise Unacceptable("a transfer coding that nobody asked for", b", ".join(codings))
        elif codings:
            self.connHeaders.removeHeader(b"content-length")
            self.response.ends_with_connection = True
            self.request.persistent = False

    def statusReceived(self, status: bytes) -> None:
        """Three digits, as RFC 9112, section 4, has it."""
        HTTPClientParser.statusReceived(self, status)
        if not re.match(rb"HTTP/\d\.\d [1-9]\d\d(?: |$)", status):
            raise ParseError("not a status line", status[:80])


class ExactProtocol(HTTP11ClientProtocol):
    """One connection.

    @ivar made: when it was there, by the reactor's clock.
    @ivar losing: why it was lost: Twisted ends a body that only the connection delimits the same way, closed or torn.
    """

    made = 0.0
    losing: Failure | None = None
    _upload: IBodyProducer | None = None
    _state: str
    _parser: HTTPClientParser | None
    _currentRequest: Any
    _finishedRequest: Deferred[IResponse] | None
    _responseDeferred: Deferred[IResponse] | None
    _transportProxy: Any

    def request(self, request: Request) -> Deferred[IResponse]:
        """Send C{request}; its response is parsed by an L{ExactParser}."""
        finished: Deferred[IResponse] = super().request(request)
        self._upload = request.bodyProducer
        if self._parser is not None:
            parser = ExactParser(request, self._finishResponse, self.torn)
            # That one may be chained to the result already.
            parser._responseDeferred = self._parser._responseDeferred
            parser.makeConnection(self._transportProxy)
            self._parser = parser
            if self._state == "TRANSMITTING":
                self._hand_on_early(parser, finished)
        return finished

    def _hand_on_early(self, parser: HTTPClientParser, finished: Deferred[IResponse]) -> None:
        """A response that does not wait for the end of its request is not held back; its connection is not kept."""

        def early(response: Any) -> Any:
            if self._parser is parser and self._state == "TRANSMITTING":
                self._state = "TRANSMITTING_AFTER_RECEIVING_RESPONSE"
                response.abort_upload = self._abandon
                finished.callback(response)
            return response

        def failed(failure: Failure) -> Failure | None:
            if self._state == "TRANSMITTING":
                self._state = "GENERATION_FAILED"
                self._abandon()
                finished.errback(failure)
                return None
            return failure

        parser._responseDeferred.addCallbacks(early, failed)

    def _finishResponse_TRANSMITTING(self, rest: bytes) -> None:
        """All of the response is here, and not all of the request was sent."""
        super()._finishResponse_TRANSMITTING(rest)
        self._abandon()

    def _finishResponse_TRANSMITTING_AFTER_RECEIVING_RESPONSE(self, rest: bytes) -> None:
        self._disconnectParser(Failure(ConnectionDone("the response was complete before the request")))
        self._abandon()

    def _connectionLost_TRANSMITTING_AFTER_RECEIVING_RESPONSE(self, reason: Failure) -> None:
        self._stop_upload()
        self._connectionLost_WAITING(reason)

    def _giveUp(self, reason: Failure) -> None:
        """The response is over, or cannot be understood: then its connection ends at once, whatever comes on it.

        Whatever the parser stumbles over before a body is malformed: a field without a colon, a first line that is
        folded, a length that is no number.
        """
        if not reason.check(ConnectionDone):
            cast(Any, self.transport).abortConnection()
            if self._parser is not None and self._parser.state in (STATUS, HEADER) and not reason.check(ParseError):
                reason = Failure(ParseError(reason.getErrorMessage(), b""))
        HTTP11ClientProtocol._giveUp(self, reason)

    def _stop_upload(self) -> None:
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.stopProducing()

    def _abandon(self) -> None:
        """End the connection at once: closing it would wait for an upload that nobody reads."""
        self._stop_upload()
        cast(Any, self.transport).abortConnection()

    def dataReceived(self, data: bytes) -> None:
        """What comes while nothing was asked would be taken for the next answer."""
        if self._state == "QUIESCENT":
            assert self.transport is not None
            self.transport.loseConnection()
        else:
            HTTP11ClientProtocol.dataReceived(self, data)

    def _finishResponse_WAITING(self, rest: bytes) -> None:
        # Never keep a connection on which more came than was asked for, nor one that was given up meanwhile, by whoever
        # took the last bytes.
        if (rest or cast(Any, self.transport).disconnecting) and self._currentRequest is not None:
            self._currentRequest.persistent = False
        super()._finishResponse_WAITING(rest)

    def torn(self) -> bool:
        """Whether it was lost, and not closed in good order."""
        return self.losing is not None and not self.losing.check(ConnectionDone)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Remember why: a body may be delivered only later."""
        self.losing = reason
        HTTP11ClientProtocol.connectionLost(self, reason)


class _Factory(_HTTP11ClientFactory):
    def buildProtocol(self, addr: object) -> ExactProtocol:
        """A new connection."""
        return ExactProtocol(self._quiescentCallback)


class ExactPool(HTTPConnectionPool):
    """Connections that are kept, limited by slots and not by themselves.

    @param persistent: whether any are kept.
    @ivar keepalive_time: how long after it was made one is kept, in seconds: a name may have moved since.
    """

    _factory = _Factory
    retryAutomatically = False  # the attempts are counted elsewhere
    keepalive_time = 60.0

    def _newConnection(self, key: Hashable, endpoint: IStreamClientEndpoint) -> Deferred[HTTP11ClientProtocol]:
        def made(connection: HTTP11ClientProtocol) -> HTTP11ClientProtocol:
            cast(ExactProtocol, connection).made = self._reactor.seconds()
            return connection

        return super()._newConnection(key, endpoint).addCallback(made)

    def _putConnection(self, key: Hashable, connection: ExactProtocol) -> None:
        left = connection.made + self.keepalive_time - self._reactor.seconds()
        if left <= 0:
            cast(Any, connection.transport).loseConnection()
            return
        # Taken for the one that is put there now.
        self.cachedConnectionTimeout = left
        HTTPConnectionPool._putConnection(self, key, connection)
