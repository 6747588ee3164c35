"""A cache file in memory, whose every step is somebody else's choice."""

from __future__ import annotations

from random import Random

from attrs import Factory, define
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from proxycache.errors import CacheWriteFailed, DamagedChunk
from proxycache.interfaces import ChunkSpan, ICacheFile
from proxycache.store.cachefile import checksum


@define(eq=False)
class Work:
    """A read or a write that takes its time."""

    data: bytes
    done: Deferred[bytes] | Deferred[int]
    start: int | None = None


@implementer(ICacheFile)
@define(eq=False)
class SimulatedFile:
    """Keeps chunks.

    @ivar slow: how often a read goes to the disk.
    @ivar fails: how often a write fails.
    @ivar rots: how often a chunk is found damaged; in the end all are sound.
    """

    chance: Random
    slow: float = 0.0
    fails: float = 0.0
    rots: float = 0.0
    rots_left: int = 20
    chunks: dict[int, bytes] = Factory(dict)
    under_way: list[Work] = Factory(list)
    unlinked: bool = False

    def read(self, span: ChunkSpan, start: int, stop: int, by: object = None) -> bytes | Deferred[bytes]:
        assert span.start <= start < stop <= span.stop
        whole = self.chunks.get(span.start)
        if self.rots_left and self.chance.random() < self.rots:
            self.rots_left -= 1
            whole = None
        if whole is None:
            raise DamagedChunk(span.chunk, "simulated")
        assert len(whole) == span.stop - span.start
        assert checksum(whole) == span.checksum
        data = whole[start - span.start : stop - span.start]
        if self.chance.random() >= self.slow:
            return data
        done: Deferred[bytes] = Deferred(lambda _: None)
        self.under_way.append(Work(data, done))
        return done

    def write(self, start: int, data: bytes | bytearray, length: int | None) -> Deferred[int]:
        done: Deferred[int] = Deferred()
        self.under_way.append(Work(bytes(data), done, start))
        return done

    def fail(self, work: Work, full: bool) -> None:
        """A write fails, for want of space or for another reason."""
        self.under_way.remove(work)
        work.done.errback(CacheWriteFailed("simulated", full=full))

    def step(self, work: Work) -> None:
        """Finish something."""
        if work.start is not None and self.chance.random() < self.fails:
            self.fail(work, full=self.chance.random() < 0.5)
            return
        self.under_way.remove(work)
        if work.done.called:
            return
        if work.start is None:
            work.done.callback(work.data)  # type: ignore[arg-type]
        else:
            self.chunks[work.start] = work.data
            work.done.callback(checksum(work.data))  # type: ignore[arg-type]

    def punch(self, start: int, stop: int) -> Deferred[None]:
        self.chunks.pop(start, None)
        return succeed(None)

    def close(self) -> None: ...

    def unlink(self) -> Deferred[None]:
        self.unlinked = True
        self.chunks.clear()
        return succeed(None)
