"""The body producer that reads from the cache."""

from __future__ import annotations

import sys
from typing import cast

import pytest
from attrs import Factory, define
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IConsumer
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer
from zope.interface.verify import verifyObject

from proxycache.errors import CacheReadFailed, DamagedChunk, ObjectChanged, OriginTimeout
from proxycache.fill.reader import Reader
from proxycache.stream.chunkproducer import PIECE, ChunkProducer

from .consumer import Consumer


@define
class Length:
    """A generation, of which only the length is looked at."""

    length: int | None


@define(eq=False)
class ScriptedReader:
    """A reader that gives what it was told to.

    @ivar content: what is readable now.
    @ivar piece: the most it gives at once.
    @ivar slow: gives its next bytes by this Deferred.
    @ivar failure: raised by C{take}.
    """

    content: bytes
    stop: int | None
    piece: int = PIECE
    position: int = 0
    slow: Deferred[bytes] | None = None
    failure: Exception | None = None
    waiting: Deferred[None] | None = None
    waits: int = 0
    generation: Length = Factory(lambda: Length(None))

    @property
    def at_end(self) -> bool:
        return self.stop is not None and self.position >= self.stop

    def take(self, most: int) -> bytes | Deferred[bytes] | None:
        assert not self.at_end
        if self.failure is not None:
            raise self.failure
        if self.slow is not None:
            slow, self.slow = self.slow, None
            return slow
        data = self.content[self.position : self.position + min(most, self.piece)]
        return data or None

    def wait(self) -> Deferred[None]:
        self.waits += 1
        self.waiting = Deferred()
        return self.waiting

    def moved(self, count: int) -> None:
        self.position += count

    def arrive(self, data: bytes) -> None:
        """More bytes, which wake whoever waits."""
        self.content += data
        waiting, self.waiting = self.waiting, None
        assert waiting is not None
        waiting.callback(None)


class Served:
    """A producer at work."""

    def __init__(self, reader: ScriptedReader) -> None:
        self.reader = reader
        self.consumer = Consumer()
        self.producer = ChunkProducer(cast(Reader, reader))
        self.results: list[object] = []

    def start(self) -> Deferred[None]:
        done = self.producer.startProducing(self.consumer)
        done.addCallbacks(self.results.append, lambda failure: self.results.append(failure.value))
        return done


def test_the_interfaces() -> None:
    served = Served(ScriptedReader(b"", 0))
    assert verifyObject(IBodyProducer, served.producer)
    assert verifyObject(IConsumer, served.consumer)


def test_what_is_here_is_written_at_once() -> None:
    served = Served(ScriptedReader(b"abcdef", 6, piece=4))
    served.start()
    assert served.consumer.pieces == [b"abcd", b"ef"]
    assert served.results == [None]
    assert served.reader.position == 6


def test_an_empty_range_is_complete() -> None:
    served = Served(ScriptedReader(b"", 0))
    served.start()
    assert (served.consumer.pieces, served.results) == ([], [None])


def test_what_is_to_come_is_written_as_it_arrives() -> None:
    served = Served(ScriptedReader(b"ab", 6))
    served.start()
    assert served.consumer.pieces == [b"ab"]
    served.reader.arrive(b"c")
    served.reader.arrive(b"de")
    assert (served.consumer.data, served.results) == (b"abcde", [])
    served.reader.arrive(b"f")
    assert (served.consumer.data, served.results) == (b"abcdef", [None])


def test_the_end_may_become_known_while_it_waits() -> None:
    served = Served(ScriptedReader(b"ab", None))
    served.start()
    served.reader.stop = 2
    served.reader.arrive(b"")
    assert (served.consumer.data, served.results) == (b"ab", [None])


def test_bytes_may_come_from_a_thread() -> None:
    slow: Deferred[bytes] = Deferred()
    served = Served(ScriptedReader(b"abcdef", 6, slow=slow))
    served.start()
    assert served.consumer.pieces == []
    slow.callback(b"abc")
    assert (served.consumer.pieces, served.results) == ([b"abc", b"def"], [None])


def test_nothing_is_written_while_paused() -> None:
    served = Served(ScriptedReader(b"abcdef", 8, piece=2))
    served.consumer.on_write = served.producer.pauseProducing
    served.start()
    assert served.consumer.pieces == [b"ab"]
    served.producer.resumeProducing()
    assert served.consumer.pieces == [b"ab", b"cd"]
    served.producer.resumeProducing()
    assert served.reader.waiting is None
    served.producer.resumeProducing()
    assert served.reader.waiting is not None
    served.producer.pauseProducing()
    served.reader.arrive(b"gh")
    assert served.consumer.data == b"abcdef"
    served.producer.resumeProducing()
    assert served.consumer.data == b"abcdefgh"
    assert served.results == ([] if not served.reader.at_end else served.results)
    served.producer.resumeProducing()
    assert served.results == [None]


def test_bytes_from_a_thread_are_kept_while_paused() -> None:
    slow: Deferred[bytes] = Deferred()
    served = Served(ScriptedReader(b"abcdef", 6, slow=slow))
    served.start()
    served.producer.pauseProducing()
    slow.callback(b"abc")
    assert served.consumer.pieces == []
    served.producer.resumeProducing()
    assert (served.consumer.pieces, served.results) == ([b"abc", b"def"], [None])


def test_paused_before_the_start() -> None:
    served = Served(ScriptedReader(b"ab", 2))
    served.producer.pauseProducing()
    served.start()
    assert served.consumer.pieces == []
    served.producer.resumeProducing()
    assert (served.consumer.data, served.results) == (b"ab", [None])


def test_many_small_pieces_need_no_stack() -> None:
    count = 10 * sys.getrecursionlimit()
    served = Served(ScriptedReader(bytes(count), count, piece=1))
    depths: set[int] = set()

    def measure() -> None:
        frame, depth = sys._getframe(), 0
        while frame.f_back is not None:
            frame, depth = frame.f_back, depth + 1
        depths.add(depth)

    served.consumer.on_write = measure
    served.start()
    assert served.results == [None]
    assert len(served.consumer.pieces) == count
    assert len(depths) == 1


def test_resuming_within_each_write_needs_no_stack() -> None:
    count = 2 * sys.getrecursionlimit()
    served = Served(ScriptedReader(bytes(count), count, piece=1))

    def pause_and_resume() -> None:
        served.producer.pauseProducing()
        served.producer.resumeProducing()

    served.consumer.on_write = pause_and_resume
    served.start()
    assert served.results == [None]
    assert len(served.consumer.pieces) == count


class EagerReader(ScriptedReader):
    """Its next byte is here as soon as somebody waits for it."""

    def wait(self) -> Deferred[None]:
        self.content += b"x"
        return succeed(None)


def test_waiters_that_fire_at_once_need_no_stack() -> None:
    count = 2 * sys.getrecursionlimit()
    served = Served(EagerReader(b"", count, piece=1))
    served.start()
    assert served.results == [None]
    assert len(served.consumer.pieces) == count


def test_stopping_cancels_what_it_waits_for_and_stays_silent() -> None:
    served = Served(ScriptedReader(b"ab", 6))
    served.start()
    waiting = served.reader.waiting
    assert waiting is not None
    served.producer.stopProducing()
    assert waiting.called
    assert served.results == []
    served.producer.resumeProducing()
    assert served.consumer.data == b"ab"
    served.producer.stopProducing()


def test_stopping_within_a_write() -> None:
    served = Served(ScriptedReader(b"abcdef", 6, piece=2))
    served.consumer.on_write = served.producer.stopProducing
    served.start()
    assert (served.consumer.pieces, served.results) == ([b"ab"], [])


def test_cancelling_stops() -> None:
    served = Served(ScriptedReader(b"ab", 6))
    done = served.start()
    waiting = served.reader.waiting
    assert waiting is not None
    done.cancel()
    assert waiting.called
    assert [type(result) for result in served.results] == [CancelledError]


@pytest.mark.parametrize("error", [CacheReadFailed(0, "x"), OriginTimeout("x"), ObjectChanged("x"), ValueError("x")])
def test_failures_are_delivered_with_the_cursor_in_place(error: Exception) -> None:
    served = Served(ScriptedReader(b"ab", 6))
    served.start()
    assert served.reader.waiting is not None
    served.reader.waiting.errback(error)
    assert served.results == [error]
    assert served.reader.position == 2


def test_a_read_that_fails_at_once() -> None:
    error = DamagedChunk(0, "x")
    served = Served(ScriptedReader(b"abcdef", 6, piece=2))

    def spoil() -> None:
        served.reader.failure = error

    served.consumer.on_write = spoil
    served.start()
    assert (served.consumer.data, served.results, served.reader.position) == (b"ab", [error], 2)


def test_a_read_that_fails_in_a_thread() -> None:
    slow: Deferred[bytes] = Deferred()
    served = Served(ScriptedReader(b"abcdef", 6, slow=slow))
    served.start()
    error = DamagedChunk(0, "x")
    slow.errback(error)
    assert (served.consumer.data, served.results, served.reader.position) == (b"", [error], 0)


def test_a_failure_while_paused_is_delivered() -> None:
    served = Served(ScriptedReader(b"ab", 6))
    served.start()
    served.producer.pauseProducing()
    assert served.reader.waiting is not None
    served.reader.waiting.errback(OriginTimeout("x"))
    assert [type(result) for result in served.results] == [OriginTimeout]


@pytest.mark.parametrize(
    ("stop", "known", "position", "length"), [(10, None, 4, 6), (None, 20, 4, 16), (None, None, 4, UNKNOWN_LENGTH)]
)
def test_the_length_is_what_is_still_to_come(
    stop: int | None, known: int | None, position: int, length: int | str
) -> None:
    reader = ScriptedReader(b"", stop, position=position, generation=Length(known))
    assert Served(reader).producer.length == length


def test_the_first_piece_can_be_had_before_the_head_is_written() -> None:
    served = Served(ScriptedReader(b"", 6))
    prepared = Deferred.fromCoroutine(served.producer.prepare())
    assert not prepared.called
    served.reader.arrive(b"abcdef")
    assert prepared.called
    assert served.consumer.pieces == []
    assert served.reader.position == 0
    served.start()
    assert (served.consumer.data, served.results) == (b"abcdef", [None])


def test_what_keeps_the_first_piece_away_is_told() -> None:
    served = Served(ScriptedReader(b"", 6, failure=CacheReadFailed(0, "x")))
    results: list[object] = []
    Deferred.fromCoroutine(served.producer.prepare()).addErrback(lambda failure: results.append(failure.type))
    assert results == [CacheReadFailed]
