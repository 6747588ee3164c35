"""The body producer that passes the origin's bytes on."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer
from zope.interface.verify import verifyObject

from proxycache.accounts import Accounts
from proxycache.errors import (
    BodyBroken,
    FillPreempted,
    InvalidAnswer,
    ObjectChanged,
    OriginStatus,
    OriginUnreachable,
    UnframedEnd,
)
from proxycache.interfaces import IBodyReceiver, IOrigin, IOriginResponse, Priority
from proxycache.policy.answers import BodyExtent, Version
from proxycache.policy.byterange import RangeSpec
from proxycache.policy.fields import Fields, Line
from proxycache.policy.retrying import MAX_ATTEMPTS, MIN_PROGRESS
from proxycache.policy.validators import Validator
from proxycache.stream.passthrough import YIELD_SECONDS, PassthroughProducer

from .consumer import Consumer
from .scriptedorigin import REQUEST, ScriptedOrigin, ScriptedResponse

CONTENT = bytes(range(100))
TAG: Line = (b"ETag", b'"a"')
NOW = 1_700_000_000
BEGUN = Fields([TAG, (b"Last-Modified", b"Tue, 14 Nov 2023 00:00:00 GMT"), (b"Date", b"Tue, 14 Nov 2023 22:13:20 GMT")])
SINCE: Line = (b"Last-Modified", b"Tue, 14 Nov 2023 22:14:00 GMT")
"""A change after what was begun was sent."""


class Passed:
    """A producer of C{[cursor, stop)} at work."""

    def __init__(
        self,
        cursor: int = 0,
        stop: int | None = 100,
        validator: Validator | None = Validator(b'"a"'),  # noqa: B008
        length: int | None = 100,
    ) -> None:
        self.origin = ScriptedOrigin()
        self.accounts = Accounts()
        self.consumer = Consumer()
        self.clock = Clock()
        self.producer = PassthroughProducer(
            self.origin, REQUEST, cursor, stop, Version(BEGUN, length, validator, NOW), self.accounts, self.clock
        )
        self.results: list[object] = []

    def start(self) -> Deferred[None]:
        done = self.producer.startProducing(self.consumer)
        done.addCallbacks(self.results.append, lambda failure: self.results.append(failure.value))
        return done

    def adopt(self, start: int = 0, stop: int | None = 100, length: int | None = 100) -> ScriptedResponse:
        """Begin with a response that is here already."""
        response = ScriptedResponse(200, Fields([TAG]), None if stop is None else stop - start)
        self.producer.adopt(response, BodyExtent(start, stop, length))
        return response

    def part(self, start: int, stop: int = 100, length: bytes = b"100", tag: Line = TAG) -> ScriptedResponse:
        """Answer the latest request with a part."""
        content_range = b"bytes %d-%d/%s" % (start, stop - 1, length)
        return self.origin.last.respond(206, tag, (b"Content-Range", content_range), body_length=stop - start)


def test_the_interfaces() -> None:
    passed = Passed()
    assert verifyObject(IBodyProducer, passed.producer)
    assert verifyObject(IBodyReceiver, passed.producer)
    assert verifyObject(IOrigin, passed.origin)
    assert verifyObject(IOriginResponse, ScriptedResponse(200, Fields(), None))


def test_bytes_pass_as_they_come() -> None:
    passed = Passed()
    response = passed.adopt()
    passed.start()
    response.send(CONTENT[:10])
    assert passed.consumer.pieces == [CONTENT[:10]]
    response.send(CONTENT[10:])
    assert (passed.consumer.data, passed.results) == (CONTENT, [None])
    assert passed.origin.fetches == []


@pytest.mark.parametrize(
    ("cursor", "stop", "range_value", "asked"),
    [
        (0, None, None, None),
        (0, 100, b"bytes=0-99", RangeSpec(0, 99)),
        (10, 20, b"bytes=10-19", RangeSpec(10, 19)),
        (10, None, b"bytes=10-", RangeSpec(10, None)),
    ],
)
def test_what_is_asked(cursor: int, stop: int | None, range_value: bytes | None, asked: RangeSpec | None) -> None:
    passed = Passed(cursor, stop)
    passed.start()
    fetch = passed.origin.last
    assert fetch.priority is Priority.CRITICAL
    assert fetch.field(b"range") == range_value
    assert fetch.field(b"if-range") == (None if range_value is None else b'"a"')
    assert fetch.field(b"x-client") == b"1"
    assert fetch.request.asked == asked


def test_an_end_that_only_the_body_tells() -> None:
    passed = Passed(stop=None, length=None)
    response = passed.adopt(stop=None, length=None)
    passed.start()
    response.send(CONTENT[:30])
    response.end()
    assert (passed.consumer.data, passed.results) == (CONTENT[:30], [None])


def test_a_body_that_the_connection_delimits() -> None:
    passed = Passed(stop=None, length=None)
    response = passed.adopt(stop=None, length=None)
    passed.start()
    response.send(CONTENT[:30])
    response.end(UnframedEnd("x"))
    assert (passed.consumer.data, passed.results) == (CONTENT[:30], [None])


def test_a_body_that_breaks_is_resumed_where_it_broke() -> None:
    passed = Passed()
    response = passed.adopt()
    passed.start()
    response.send(CONTENT[:30])
    response.end(BodyBroken("x"))
    assert passed.results == []
    assert passed.origin.last.field(b"range") == b"bytes=30-99"
    assert passed.origin.last.field(b"if-range") == b'"a"'
    response = passed.part(30)
    response.send(CONTENT[30:])
    assert (passed.consumer.data, passed.results) == (CONTENT, [None])
    assert passed.accounts.retries == 1


@pytest.mark.parametrize("end", [None, UnframedEnd("x"), BodyBroken("x"), FillPreempted("x")])
def test_a_body_that_ends_early_is_resumed(end: Exception | None) -> None:
    passed = Passed()
    response = passed.adopt()
    passed.start()
    response.send(CONTENT[:30])
    response.end(end)
    passed.part(30).send(CONTENT[30:])
    assert (passed.consumer.data, passed.results) == (CONTENT, [None])


def test_narrower_answers_are_put_together() -> None:
    length, piece = 10 * MIN_PROGRESS, MIN_PROGRESS
    passed = Passed(stop=length, length=length)
    passed.start()
    for start in range(0, length, piece):
        response = passed.part(start, start + piece, b"%d" % length)
        response.send(bytes(piece))
        if start + piece < length:
            response.end()
    assert (passed.consumer.data, passed.results) == (bytes(length), [None])


def test_of_a_wider_answer_only_what_is_wanted_passes() -> None:
    passed = Passed(stop=50)
    passed.start()
    response = passed.part(0, 100)
    response.send(CONTENT[:30])
    response.send(CONTENT[30:90])
    assert (passed.consumer.data, passed.results) == (CONTENT[:50], [None])
    assert response.over


def test_an_origin_without_ranges_sends_what_the_client_has_once_more() -> None:
    passed = Passed(cursor=40)
    passed.start()
    response = passed.origin.last.respond(200, TAG, body_length=100)
    response.send(CONTENT[:30])
    assert passed.consumer.pieces == []
    response.send(CONTENT[30:60])
    assert passed.consumer.pieces == [CONTENT[40:60]]
    response.send(CONTENT[60:])
    assert (passed.consumer.data, passed.results) == (CONTENT[40:], [None])


def test_it_gives_up_after_some_failures_in_a_row_without_a_byte() -> None:
    passed = Passed()
    response = passed.adopt()
    passed.start()
    response.send(CONTENT[:10])
    error = BodyBroken("x")
    response.end(error)
    for _ in range(MAX_ATTEMPTS - 1):
        assert passed.results == []
        passed.part(10).end(error)
    assert passed.results == [error]
    assert passed.consumer.data == CONTENT[:10]


@pytest.mark.parametrize("count", [1, MIN_PROGRESS - 1])
def test_next_to_nothing_each_time_is_no_progress(count: int) -> None:
    length = 100 * MIN_PROGRESS
    passed = Passed(stop=length, length=length)
    response = passed.adopt(stop=length, length=length)
    passed.start()
    error = BodyBroken("x")
    for attempt in range(1, MAX_ATTEMPTS):
        response.send(bytes(count))
        response.end(error)
        response = passed.part(attempt * count, length, b"%d" % length)
    response.send(bytes(count))
    response.end(error)
    assert passed.results == [error]
    assert len(passed.consumer.data) == MAX_ATTEMPTS * count


def test_a_little_more_is() -> None:
    """It may break as often as it likes."""
    length = 20 * MIN_PROGRESS
    passed = Passed(stop=length, length=length)
    response = passed.adopt(stop=length, length=length)
    passed.start()
    for at in range(MIN_PROGRESS, length, MIN_PROGRESS):
        response.send(bytes(MIN_PROGRESS))
        response.end(BodyBroken("x"))
        response = passed.part(at, length, b"%d" % length)
    response.send(bytes(MIN_PROGRESS))
    assert (len(passed.consumer.data), passed.results) == (length, [None])


def test_without_a_validator_nothing_is_resumed() -> None:
    passed = Passed(validator=None)
    response = passed.adopt()
    passed.start()
    response.send(CONTENT[:10])
    error = BodyBroken("x")
    response.end(error)
    assert passed.results == [error]
    assert passed.origin.fetches == []


@pytest.mark.parametrize(
    ("status", "lines", "body_length", "error"),
    [
        (206, [(b"ETag", b'"b"'), (b"Content-Range", b"bytes 30-99/100")], 70, ObjectChanged),
        (206, [(b"ETag", b'W/"a"'), (b"Content-Range", b"bytes 30-99/100")], 70, ObjectChanged),
        (206, [(b"Content-Range", b"bytes 30-99/100")], 70, ObjectChanged),
        (200, [(b"ETag", b'"b"')], 100, ObjectChanged),
        (200, [], 100, ObjectChanged),
        (206, [TAG, SINCE, (b"Content-Range", b"bytes 30-99/100")], 70, ObjectChanged),
        (200, [TAG, SINCE], 100, ObjectChanged),
        (206, [TAG, (b"Content-Range", b"bytes 29-99/100")], 71, InvalidAnswer),
        (206, [TAG, (b"Content-Range", b"bytes 31-99/100")], 69, InvalidAnswer),
        (206, [TAG, (b"Content-Range", b"bytes 30-99/100")], 71, InvalidAnswer),
        (206, [TAG, (b"Content-Range", b"bytes 30-100/101")], 71, InvalidAnswer),
        (206, [TAG], 70, InvalidAnswer),
        (206, [TAG, (b"Content-Range", b"bytes */100")], 70, InvalidAnswer),
        (206, [TAG, (b"Content-Encoding", b"gzip"), (b"Content-Range", b"bytes 30-99/100")], 70, InvalidAnswer),
        (200, [TAG], 101, InvalidAnswer),
        (416, [(b"Content-Range", b"bytes */20")], 0, ObjectChanged),
        (404, [], 0, OriginStatus),
        (503, [], 0, OriginStatus),
        (204, [], 0, OriginStatus),
        (304, [], 0, OriginStatus),
    ],
)
def test_nothing_else_is_ever_spliced_in(
    status: int, lines: list[Line], body_length: int, error: type[Exception]
) -> None:
    passed = Passed()
    response = passed.adopt()
    passed.start()
    response.send(CONTENT[:30])
    response.end(BodyBroken("x"))
    other = passed.origin.last.respond(status, *lines, body_length=body_length)
    assert [type(result) for result in passed.results] == [error]
    assert other.aborted
    assert other.receiver is None
    assert passed.consumer.data == CONTENT[:30]


def test_a_request_that_fails_is_told() -> None:
    passed = Passed(cursor=30)
    passed.start()
    error = OriginUnreachable("x")
    passed.origin.last.fail(error)
    assert passed.results == [error]


def test_a_preempted_request_is_sent_again() -> None:
    passed = Passed(cursor=30)
    passed.start()
    passed.origin.last.fail(FillPreempted("x"))
    assert len(passed.origin.fetches) == 2
    passed.part(30).send(CONTENT[30:])
    assert (passed.consumer.data, passed.results) == (CONTENT[30:], [None])


def test_the_origin_is_held_up_while_the_client_is_full() -> None:
    passed = Passed()
    response = passed.adopt()
    passed.consumer.on_write = passed.producer.pauseProducing
    passed.start()
    assert not response.paused
    response.send(CONTENT[:30])
    assert response.paused
    passed.producer.resumeProducing()
    assert not response.paused


def test_paused_before_the_start() -> None:
    passed = Passed()
    response = passed.adopt()
    passed.producer.pauseProducing()
    passed.start()
    assert response.receiver is not None
    assert response.paused


def test_what_is_resumed_while_the_client_is_full_is_held_up_as_well() -> None:
    passed = Passed()
    response = passed.adopt()
    passed.start()
    response.send(CONTENT[:30])
    passed.producer.pauseProducing()
    response.end(BodyBroken("x"))
    again = passed.part(30)
    assert again.receiver is not None
    assert again.paused
    passed.producer.resumeProducing()
    assert not again.paused


def test_being_preempted_is_no_failure() -> None:
    passed = Passed()
    response = passed.adopt()
    passed.start()
    for _ in range(2 * MAX_ATTEMPTS):
        response.end(FillPreempted("x"))
        assert passed.results == []
        response = passed.part(0)
    response.send(CONTENT)
    assert (passed.consumer.data, passed.results) == (CONTENT, [None])


def test_stopping_drops_the_body() -> None:
    passed = Passed()
    response = passed.adopt()
    passed.start()
    response.send(CONTENT[:30])
    passed.producer.stopProducing()
    assert response.aborted
    assert (passed.consumer.data, passed.results) == (CONTENT[:30], [])
    passed.producer.stopProducing()
    assert response.aborted == 1


def test_stopping_gives_up_the_request() -> None:
    passed = Passed(cursor=30)
    passed.start()
    passed.producer.stopProducing()
    assert passed.origin.last.cancelled
    assert passed.results == []


def test_cancelling_stops() -> None:
    passed = Passed()
    response = passed.adopt()
    passed.start().cancel()
    assert response.aborted
    assert [type(result) for result in passed.results] == [CancelledError]


def test_stopping_within_a_write() -> None:
    passed = Passed()
    response = passed.adopt()
    passed.consumer.on_write = passed.producer.stopProducing
    passed.start()
    response.send(CONTENT[:30])
    assert response.aborted
    assert passed.results == []


@pytest.mark.parametrize(("stop", "length"), [(100, 60), (None, UNKNOWN_LENGTH)])
def test_the_length_is_what_is_still_to_come(stop: int | None, length: int | str) -> None:
    assert Passed(40, stop).producer.length == length


def test_the_head_can_be_had_before_ours_is_written() -> None:
    passed = Passed(cursor=30)
    prepared = Deferred.fromCoroutine(passed.producer.prepare())
    assert not prepared.called
    response = passed.part(30)
    assert prepared.called
    assert response.receiver is None
    passed.start()
    response.send(CONTENT[30:])
    assert (passed.consumer.data, passed.results) == (CONTENT[30:], [None])


def test_what_keeps_the_head_away_is_told() -> None:
    passed = Passed(cursor=30)
    results: list[object] = []
    Deferred.fromCoroutine(passed.producer.prepare()).addErrback(lambda failure: results.append(failure.type))
    passed.origin.last.respond(404)
    assert results == [OriginStatus]


def test_a_client_that_takes_nothing_lets_others_have_its_connection() -> None:
    passed = Passed()
    first = passed.adopt()
    passed.start()
    first.send(CONTENT[:30])
    passed.producer.pauseProducing()
    assert first.priority is None
    passed.clock.advance(YIELD_SECONDS)
    assert first.priority is Priority.HIGH
    first.end(FillPreempted("somebody waits"))
    assert len(passed.origin.fetches) == 0
    passed.producer.resumeProducing()
    passed.part(30).send(CONTENT[30:])
    assert (passed.consumer.data, passed.results) == (CONTENT, [None])
    assert passed.clock.getDelayedCalls() == []


def test_a_short_pause_does_not() -> None:
    passed = Passed()
    response = passed.adopt()
    passed.start()
    for _ in range(3):
        passed.producer.pauseProducing()
        passed.clock.advance(YIELD_SECONDS / 2)
        passed.producer.resumeProducing()
    assert response.priority in (None, Priority.CRITICAL)


def test_what_cannot_be_resumed_keeps_its_connection() -> None:
    passed = Passed(validator=None)
    response = passed.adopt()
    passed.start()
    passed.producer.pauseProducing()
    passed.clock.advance(10 * YIELD_SECONDS)
    assert response.priority is None
    passed.producer.stopProducing()
