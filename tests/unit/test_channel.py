"""The client's connection: deadlines, refusals in mid-request, and bodies that are streamed, on a clock of the test's."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from proxycache.web.channel import BODY_TIMEOUT_SECONDS, HEADER_TIMEOUT_SECONDS, StrictChannel
from proxycache.web.request import MAX_BODY, StrictRequest
from proxycache.web.requestbody import MAX_WAITING
from proxycache.web.site import ObjectSite

PUT = b"PUT /a HTTP/1.1\r\nHost: a\r\n"


class Handler(Resource):
    """Keeps the requests it was given, and answers none."""

    isLeaf = True

    def __init__(self) -> None:
        Resource.__init__(self)
        self.requests: list[StrictRequest] = []

    def render(self, request: Any) -> int:
        self.requests.append(request)
        return NOT_DONE_YET


class Sink:
    """Takes a body."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.taken.append(data)


class Socket(StringTransport):
    """Has a descriptor."""

    def fileno(self) -> int:
        return 9


class Connection:
    """A client's connection, its bytes in the test's hand.

    @param room: whether the process has descriptors for it.
    """

    def __init__(self, room: bool = True) -> None:
        self.clock = Clock()
        self.handler = Handler()
        site = ObjectSite(self.handler, has_room=lambda number: room and number == 9, reactor=self.clock)
        site.startFactory()
        channel: Any = site.buildProtocol(None)
        self.transport = Socket()
        channel.makeConnection(self.transport)
        self.channel: StrictChannel = channel

    def send(self, data: bytes) -> None:
        self.channel.dataReceived(data)

    @property
    def answered(self) -> bytes:
        return bytes(self.transport.value())

    @property
    def aborted(self) -> bool:
        return bool(self.transport.disconnected)

    def finish(self, request: StrictRequest, body: bytes = b"done") -> None:
        request.setHeader(b"content-length", b"%d" % len(body))
        request.write(body)
        request.finish()


@pytest.fixture
def connection() -> Connection:
    return Connection()


def take(connection: Connection) -> tuple[StrictRequest, Sink, Deferred[None]]:
    """Begin to read the body of the only request."""
    (request,) = connection.handler.requests
    assert request.body is not None
    sink: Any = Sink()
    return request, sink, request.body.startProducing(sink)


def test_a_client_that_there_is_no_descriptor_for(connection: Connection) -> None:
    assert not connection.aborted
    assert Connection(room=False).aborted


def test_half_a_head_is_not_waited_for_for_ever(connection: Connection) -> None:
    connection.send(PUT)
    for _ in range(int(HEADER_TIMEOUT_SECONDS) - 1):
        connection.clock.advance(1)
        connection.send(b"X: y\r\n")
    assert connection.answered == b""
    connection.clock.advance(1)
    assert connection.answered.startswith(b"HTTP/1.1 408 ")


def test_a_body_may_take_longer_than_a_head(connection: Connection) -> None:
    connection.send(PUT + b"Content-Length: 100\r\n\r\n")
    request, sink, done = take(connection)
    for _ in range(100):
        connection.clock.advance(HEADER_TIMEOUT_SECONDS / 2)
        connection.send(b"x")
    assert b"".join(sink.taken) == b"x" * 100
    assert done.called
    connection.finish(request)
    assert connection.answered.endswith(b"\r\n\r\ndone")
    connection.clock.advance(HEADER_TIMEOUT_SECONDS + 1)
    assert connection.answered.count(b"HTTP/1.1 ") == 1


def test_an_idle_connection_is_closed_without_a_word(connection: Connection) -> None:
    connection.send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
    connection.finish(connection.handler.requests[0])
    connection.clock.advance(HEADER_TIMEOUT_SECONDS + 1)
    assert not connection.transport.disconnecting
    connection.clock.advance(60)
    assert connection.transport.disconnecting
    assert connection.answered.count(b"HTTP/1.1 ") == 1


def test_a_refusal_is_not_put_into_an_answer(connection: Connection) -> None:
    connection.send(PUT + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    request, _, _ = take(connection)
    request.setHeader(b"content-length", b"10")
    request.write(b"first")
    connection.send(b"zz\r\n")
    assert connection.answered.endswith(b"first")
    assert connection.aborted


def test_a_body_that_turns_out_too_large_is_refused_once(connection: Connection) -> None:
    chunk = b"%x\r\n%s\r\n" % (MAX_BODY + 1, b"x" * (MAX_BODY + 1))
    connection.send(b"GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n")
    assert connection.answered.startswith(b"HTTP/1.1 413 ")
    assert connection.answered.count(b"HTTP/1.1 ") == 1
    assert connection.handler.requests == []


@pytest.mark.parametrize("method", [b"GET", b"OPTIONS"])
def test_a_body_that_is_read_first_has_a_deadline(connection: Connection, method: bytes) -> None:
    """A byte now and then does not prolong it."""
    connection.send(method + b" /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
    for _ in range(int(BODY_TIMEOUT_SECONDS)):
        connection.send(b"x")
        assert not connection.answered
        connection.clock.advance(1)
    assert connection.answered.startswith(b"HTTP/1.1 408 ")
    assert connection.handler.requests == []


@pytest.mark.parametrize("method", [b"GET", b"OPTIONS"])
def test_which_ends_with_the_body(connection: Connection, method: bytes) -> None:
    connection.send(method + b" /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
    (request,) = connection.handler.requests
    assert (request.body is not None and request.body.complete) is (method == b"OPTIONS")
    connection.clock.advance(1000)
    assert not connection.answered
    assert not connection.transport.disconnecting


def test_what_follows_an_answer_given_early_is_no_request(connection: Connection) -> None:
    connection.send(PUT + b"Content-Length: 100\r\n\r\n")
    request, _, _ = take(connection)
    connection.finish(request)
    assert b"Connection: close\r\n" in connection.answered
    connection.send(b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n" * 10)
    assert len(connection.handler.requests) == 1
    assert connection.answered.count(b"HTTP/1.1 ") == 1


def test_what_follows_a_body_is_the_next_request(connection: Connection) -> None:
    connection.send(PUT + b"Content-Length: 5\r\n\r\nhelloGET /next HTTP/1.1\r\nHost: a\r\n\r\n")
    request, sink, _ = take(connection)
    assert sink.taken == [b"hello"]
    connection.finish(request)
    assert [each.uri for each in connection.handler.requests] == [b"/a", b"/next"]


def test_nothing_is_read_while_the_origin_has_enough(connection: Connection) -> None:
    connection.send(PUT + b"Content-Length: %d\r\n\r\n" % (MAX_WAITING + 5))
    request, sink, done = take(connection)
    assert request.body is not None
    request.body.pauseProducing()
    connection.send(bytes(MAX_WAITING))
    assert connection.transport.producerState == "paused"
    connection.clock.advance(1000)
    assert not connection.transport.disconnecting
    request.body.resumeProducing()
    assert connection.transport.producerState == "producing"
    connection.send(b"world")
    assert (b"".join(sink.taken), done.called) == (bytes(MAX_WAITING) + b"world", True)
    connection.clock.advance(1000)
    assert not connection.transport.disconnecting


def test_a_client_that_stops_in_its_body_is_given_up(connection: Connection) -> None:
    connection.send(PUT + b"Content-Length: 10\r\n\r\nhello")
    take(connection)
    connection.clock.advance(61)
    assert connection.transport.disconnecting
