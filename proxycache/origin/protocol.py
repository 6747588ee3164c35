"""The connection to an origin: Twisted's, with what it hides, drops or cannot tell.

Header lines are kept as they came, in their order, those about the connection too. Interim responses are passed on. A
transfer coding that is not known is read to the end. A response may come before its request was sent whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web._newclient import HTTP11ClientProtocol, HTTPClientParser, ParseError, Request
from twisted.web.client import HTTPConnectionPool, _HTTP11ClientFactory
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from proxycache.policy.fields import Fields, Line

MAX_HEADER_BYTES = 256 * 1024
"""A larger header section is refused."""

MAX_INTERIM = 64
"""Interim responses before the final one; more are a flood."""

InterimReceiver = Callable[[int, Fields], None]


class OriginHeaders(Headers):
    """The fields of a request, with what its response is to be told to.

    @ivar interim: called with status and fields of every interim response.
    """

    interim: InterimReceiver | None = None


class ExactParser(HTTPClientParser):
    """Keeps the lines of a response's header section as they came.

    @param torn: whether the connection that is being lost just now was not closed in good order.
    """

    def __init__(self, request: Request, finisher: Callable[[bytes], None], torn: Callable[[], bool]) -> None:
        super().__init__(request, finisher)
        self.torn = torn
        self._interim = 0

    def connectionMade(self) -> None:
        """A header section begins: of the response, or of what follows an interim one."""
        super().connectionMade()
        self._lines: list[Line] = []
        self._size = 0

    def headerReceived(self, name: bytes, value: bytes) -> None:
        """Bytes that could end a line elsewhere become spaces (RFC 9110, section 5.5)."""
        name, value = name.strip(b" \t"), value.replace(b"\r", b" ").replace(b"\0", b" ")
        self._size += len(name) + len(value)
        if self._size > MAX_HEADER_BYTES:
            raise ParseError("the origin's header section is too large", name)
        self._lines.append((name, value))
        super().headerReceived(name, value)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Refused, in place of hanging up without a word."""
        raise ParseError("a header line of the origin is too long", line[:80])

    def allHeadersReceived(self) -> None:
        """The head is complete."""
        fields = Fields(self._lines)
        status = self.response.code
        if status == 101:
            raise ParseError("the origin changed the protocol, which nobody asked for", b"101")
        if 100 <= status < 200:
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise ParseError("too many interim responses", b"%d" % status)
            receiver = getattr(self.request.headers, "interim", None)
            if receiver is not None:
                receiver(status, fields)
        else:
            self.response.exact_fields = fields
            self.response.torn = self.torn
            self.response.abort_upload = None
            self.response.ends_with_connection = False
            if b"close" in {member.lower() for member in fields.members(b"connection")}:
                self.request.persistent = False
            codings = self.connHeaders.getRawHeaders(b"transfer-encoding", [])
            if codings and [coding.lower() for coding in codings] != [b"chunked"]:
                # RFC 9112, section 6.3: the body then ends with the connection.
                self.connHeaders.removeHeader(b"transfer-encoding")
                self.connHeaders.removeHeader(b"content-length")
                self.response.ends_with_connection = True
                self.request.persistent = False
        super().allHeadersReceived()


class ExactProtocol(HTTP11ClientProtocol):
    """One connection.

    @ivar losing: why it is being lost, while it is: Twisted ends a body that only the connection delimits in the same
        way, closed or torn.
    """

    losing: Failure | None = None
    _state: str
    _parser: HTTPClientParser | None
    _currentRequest: Any
    _finishedRequest: Deferred[IResponse] | None
    _responseDeferred: Deferred[IResponse] | None
    _transportProxy: Any

    def request(self, request: Request) -> Deferred[IResponse]:
        """Send C{request}; its response is parsed by an L{ExactParser}."""
        finished: Deferred[IResponse] = super().request(request)
        if self._parser is not None:
            parser = ExactParser(request, self._finishResponse, self.torn)
            # That one may be chained to the result already.
            parser._responseDeferred = self._parser._responseDeferred
            parser.makeConnection(self._transportProxy)
            self._parser = parser
            self._hand_on_early(parser, finished)
        return finished

    def _hand_on_early(self, parser: HTTPClientParser, finished: Deferred[IResponse]) -> None:
        """A response that does not wait for the end of its request is not held back; its connection is not kept."""

        def early(response: Any) -> Any:
            if self._state == "TRANSMITTING":
                self._state = "TRANSMITTING_AFTER_RECEIVING_RESPONSE"
                response.abort_upload = cast(Any, self.transport).abortConnection
                finished.callback(response)
            return response

        def failed(failure: Failure) -> Failure | None:
            if self._state == "TRANSMITTING":
                self._state = "GENERATION_FAILED"
                self._stop_writing()
                finished.errback(failure)
                return None
            return failure

        parser._responseDeferred.addCallbacks(early, failed)

    def _finishResponse_TRANSMITTING_AFTER_RECEIVING_RESPONSE(self, rest: bytes) -> None:
        self._stop_writing()
        self._giveUp(Failure(ConnectionDone("the response was complete before the request")))

    def _connectionLost_TRANSMITTING_AFTER_RECEIVING_RESPONSE(self, reason: Failure) -> None:
        self._stop_writing()
        self._connectionLost_WAITING(reason)

    def _stop_writing(self) -> None:
        if self._currentRequest is not None and self._currentRequest.bodyProducer is not None:
            self._currentRequest.stopWriting()

    def dataReceived(self, data: bytes) -> None:
        """What comes while nothing was asked would be taken for the next answer."""
        if self._state == "QUIESCENT":
            assert self.transport is not None
            self.transport.loseConnection()
        else:
            super().dataReceived(data)

    def _finishResponse_WAITING(self, rest: bytes) -> None:
        # Never keep a connection on which more came than was asked for, nor one that was given up meanwhile, by whoever
        # took the last bytes.
        if (rest or cast(Any, self.transport).disconnecting) and self._currentRequest is not None:
            self._currentRequest.persistent = False
        super()._finishResponse_WAITING(rest)

    def torn(self) -> bool:
        """Whether it is being lost just now, and was not closed in good order."""
        return self.losing is not None and not self.losing.check(ConnectionDone)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Remember why for as long as the call lasts."""
        self.losing = reason
        try:
            super().connectionLost(reason)
        finally:
            self.losing = None


class _Factory(_HTTP11ClientFactory):
    def buildProtocol(self, addr: object) -> ExactProtocol:
        """A new connection."""
        return ExactProtocol(self._quiescentCallback)


class ExactPool(HTTPConnectionPool):
    """Connections that are kept, limited by slots and not by themselves.

    @param persistent: whether any are kept.
    """

    _factory = _Factory
    retryAutomatically = False  # the attempts are counted elsewhere
