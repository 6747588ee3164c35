"""What of a generation is here: chunks on disk, and chunks in memory on their way there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from proxycache.errors import CacheWriteFailed
from proxycache.interfaces import ChunkSpan, ICacheFile
from proxycache.log import make_logger
from proxycache.policy.chunking import Chunking
from proxycache.policy.intervals import Intervals
from proxycache.policy.readahead import MAX_WINDOW

from .buffers import Buffers
from .chunkbuffer import BufferState, ChunkBuffer
from .pace import MAX_WRITING, Pace
from .presence import Presence
from .readers import Readers
from .surroundings import Surroundings

MAX_KEPT = 8
"""Chunks kept in memory for readers while there is nowhere to store them."""

MAX_PARTIAL = 16
"""Incomplete chunks that nobody is fetching, kept for their rest to be filled in."""

DOUBT_SECONDS = 30.0
"""After a failed read, until what was written is taken to be readable again."""

STORAGE_PAUSE_SECONDS = 1.0
"""After a failed write, before the disk is tried again."""


class Contents:
    """Bytes of one generation. A disk that fails takes storage away, never the stream.

    @ivar present: the chunks that are on disk.
    @ivar length: complete length, None while it is not known.
    @ivar stored: whether chunks may go to disk.
    @ivar recorded: whether they are recorded as well, for later requests.
    @param settled: called whenever a chunk has left the memory, or will not.
    @param entered: whether the entry is recorded, now at the latest: where there is no room for that, there is none for
        its chunks either.
    """

    def __init__(
        self,
        id: str,
        chunking: Chunking,
        length: int | None,
        file: ICacheFile,
        present: Mapping[int, int],
        around: Surroundings,
        settled: Callable[[], None],
        entered: Callable[[], bool],
    ) -> None:
        self.chunking = chunking
        self.length = length
        self.present = Presence(present)
        self.stored = True
        self.recorded = True
        self._id = id
        self._file = file
        self._around = around
        self._settled = settled
        self._entered = entered
        self._buffers = Buffers()
        self._partial_before = 0
        self._came_and_went = 0
        self._pace = Pace(around.clock, self._too_slow)
        self._storage_off_until = float("-inf")
        self._doubted_until = float("-inf")
        self._log = make_logger()

    @property
    def complete(self) -> bool:
        """Whether all of it is on disk, and nothing in memory."""
        return self.length is not None and not self._buffers and len(self.present) == self.chunking.count(self.length)

    @property
    def in_memory(self) -> bool:
        """Whether chunks are in memory."""
        return bool(self._buffers)

    def reach(self, position: int) -> int:
        """One past the last byte that is here from C{position} on; C{position} where it is not.

        As far as chunks on disk go, or within its chunk in memory: there may be more in the other place.
        """
        index = self.chunking.index(position)
        buffer = self._buffers.get(index)
        reached = position if buffer is None else buffer.reach(position)
        if reached <= position and index in self.present:
            reached = self.chunking.stop(self.present.reach(index) - 1, self.length)
        return max(position, reached)

    def next_here(self, position: int, limit: int) -> int:
        """The first byte from C{position} on that is here, or C{limit}."""
        index = self.chunking.index(position)
        following = self.present.following(index)
        if following is not None:
            limit = min(limit, max(position, self.chunking.start(following)))
        for buffer in self._buffers.between(index, self.chunking.index(max(position, limit - 1)) + 1):
            filled = buffer.filled.next_start(max(0, position - buffer.start))
            if filled is not None:
                return min(limit, buffer.start + filled)
        return limit

    def holds(self, index: int) -> bool:
        """Whether a chunk is in memory."""
        return index in self._buffers

    def add_to(self, spans: Intervals) -> None:
        """Add where chunks lie that are on disk, or may be on their way there."""
        for first, stop in (*self.present.pieces, *((index, index + 1) for index in self._buffers)):
            spans.add(self.chunking.start(first), self.chunking.stop(stop - 1, self.length))

    # Reading

    def from_memory(self, position: int, limit: int) -> bytes | None:
        """Bytes C{[position, limit)} as far as they are in memory; None where the first is not."""
        buffer = self._buffers.get(self.chunking.index(position))
        if buffer is None:
            return None
        stop = min(buffer.reach(position), limit)
        return buffer.read(position, stop) if stop > position else None

    def from_disk(self, position: int, limit: int, by: Hashable) -> bytes | Deferred[bytes] | None:
        """Bytes C{[position, limit)}, as far as the chunk goes; None where it is not on disk.

        @param by: who reads; see L{ICacheFile.read}.
        @raise CacheReadFailed: at once or by the Deferred.
        """
        index = self.chunking.index(position)
        checksum = self.present.get(index)
        if checksum is None:
            return None
        span = ChunkSpan(index, self.chunking.start(index), self.chunking.stop(index, self.length), checksum)
        return self._file.read(span, position, min(span.stop, limit), by)

    # Arriving

    def put(self, start: int, data: bytes) -> int:
        """Bytes C{[start, start + len(data))} arrived; tells how many of them were not here before."""
        new = 0
        view = memoryview(data)
        position, end = start, start + len(data)
        while position < end:
            index = self.chunking.index(position)
            stop = min(end, self.chunking.stop(index, self.length))
            if stop <= position:
                break
            if index not in self.present:
                new += self._put(index, position, view[position - start : stop - start])
            position = stop
        return new

    def _put(self, index: int, position: int, data: memoryview) -> int:
        buffer = self._buffers.get(index)
        if buffer is None:
            first = self.chunking.start(index)
            buffer = ChunkBuffer(first, self.chunking.stop(index, self.length) - first)
            self._buffers.add(index, buffer)
            self._came_and_went += 1
        if buffer.state is not BufferState.ARRIVING:
            return 0
        before = buffer.filled.total
        buffer.put(position, data)
        new = buffer.filled.total - before
        if buffer.complete:
            self._store(index, buffer)
        return new

    def end_at(self, length: int) -> None:
        """The complete length is known only now; bytes up to it may still be to come."""
        self.length = length
        index = self.chunking.index(length)
        buffer = self._buffers.get(index)
        if buffer is not None and buffer.state is BufferState.ARRIVING:
            if buffer.start == length:
                self._buffers.drop(index)
                return
            buffer.shorten(length)
            if buffer.complete:
                self._store(index, buffer)

    def _store(self, index: int, buffer: ChunkBuffer, tries: int = MAX_WRITING) -> None:
        resting = self._around.clock.seconds() < self._storage_off_until
        late = self._pace.slow and self.count(BufferState.WRITING) >= MAX_WRITING
        if late:
            self._around.accounts.unstored_chunks += 1
        if late or not self.stored or resting or (self.recorded and not self._entered()):
            self._buffers.turn(index, buffer, BufferState.KEPT)
            return
        self._buffers.turn(index, buffer, BufferState.WRITING)
        self._pace.writing(self.count(BufferState.WRITING))
        self._around.space.reserve(len(buffer.data)).addCallback(self._write, index, buffer, tries)

    def _write(self, room: bool, index: int, buffer: ChunkBuffer, tries: int) -> None:
        if not room or not self.stored:
            if room:
                self._around.space.release(len(buffer.data))
            self._buffers.turn(index, buffer, BufferState.KEPT)
            self._put_away()
            return
        writing = self._file.write(buffer.start, buffer.data, self.length)
        writing.addCallbacks(
            self._written,
            self._not_written,
            callbackArgs=(index, buffer),
            errbackArgs=(index, buffer, tries),
        )

    def _written(self, checksum: int, index: int, buffer: ChunkBuffer) -> None:
        if self.stored:
            if self._buffers.get(index) is not buffer:
                pass
            elif self._around.clock.seconds() < self._doubted_until:
                # It may not be had from there: those who are near read it from memory.
                self._buffers.turn(index, buffer, BufferState.KEPT)
            else:
                self._buffers.drop(index)
            self.present.add(index, checksum)
            self._around.space.admit((self._id, index), len(buffer.data))
            if self.recorded:
                self._around.metadata.record_chunk(self._id, index, checksum, len(buffer.data))
        else:
            # Meanwhile it was decided to keep none of it: for readers it is in memory, and its room on the disk is free
            # once it is off there.
            self._buffers.turn(index, buffer, BufferState.KEPT)
            removing = self._file.punch(buffer.start, buffer.stop)
            removing.addCallback(lambda _: self._around.space.release(len(buffer.data)))
        self._put_away()

    def _not_written(self, failure: Failure, index: int, buffer: ChunkBuffer, tries: int) -> None:
        self._around.space.release(len(buffer.data))
        error = failure.value
        if not isinstance(error, CacheWriteFailed):
            self._log.failure("writing a chunk failed unexpectedly", failure=failure)
        elif error.full and tries and self.stored:
            # Others that are under way may take the room that is made.
            self._around.space.look()
            given_way = self._around.space.give_way(len(buffer.data), error.files)
            given_way.addCallback(lambda _: self._store_again(index, buffer, tries - 1))
            return
        self._around.accounts.write_failures += 1
        if self._storage_off_until < self._around.clock.seconds():
            self._log.warn("{id}: {why}; going on without storage", id=self._id, why=failure.getErrorMessage())
        self._storage_off_until = self._around.clock.seconds() + STORAGE_PAUSE_SECONDS
        self._buffers.turn(index, buffer, BufferState.KEPT)
        self._put_away()

    def _store_again(self, index: int, buffer: ChunkBuffer, tries: int) -> None:
        self._store(index, buffer, tries)
        if buffer.state is BufferState.KEPT:
            self._put_away()

    def _put_away(self) -> None:
        """A chunk is not on its way to the disk any more."""
        self._pace.writing(self.count(BufferState.WRITING))
        self._settled()

    def _too_slow(self) -> None:
        self._log.warn("{id}: the disk is slow; what it has no time for is not stored", id=self._id)
        self._settled()

    # Memory

    @property
    def holds_up(self) -> bool:
        """Whether the origin is to wait for the disk."""
        return self._pace.holds

    def count(self, state: BufferState) -> int:
        """How many chunks in memory are in C{state}."""
        return self._buffers.count(state)

    def partial_chunks(self) -> list[ChunkBuffer]:
        """Chunks in memory that have gaps, in order."""
        return [buffer for _, buffer in self._buffers.those(BufferState.ARRIVING)]

    def drop_oldest_kept(self) -> None:
        """Let go of the first chunk that is only in memory: whoever still needs it fetches it for himself."""
        for index, _ in self._buffers.those(BufferState.KEPT)[:1]:
            self._buffers.drop(index)

    def trim(self, readers: Readers, coming: Callable[[int, int], bool]) -> None:
        """Let go of chunks in memory that nobody near needs.

        @param coming: whether somebody is about to bring bytes of C{[start, stop)}.
        """
        reach = MAX_WINDOW + MAX_KEPT * self.chunking.size
        for index, buffer in self._buffers.those(BufferState.KEPT):
            if not readers.any_in(buffer.start - reach, buffer.stop):
                self._buffers.drop(index)
        if self._came_and_went < max(MAX_PARTIAL, self._partial_before) // 4:
            # Too little has changed to look at them all again.
            return
        idle = [each for each in self._buffers.those(BufferState.ARRIVING) if not coming(each[1].start, each[1].stop)]
        for index, buffer in idle[MAX_PARTIAL:]:
            if not readers.any_in(buffer.start, buffer.stop):
                self._buffers.drop(index)
        self._partial_before = self._buffers.count(BufferState.ARRIVING)
        self._came_and_went = 0

    def passed(self) -> None:
        """A reader left a chunk behind, or left: what is in memory of it may be needed by nobody."""
        self._came_and_went += 1

    def drop_memory(self) -> None:
        """Let go of all but what is on its way to the disk."""
        for state in (BufferState.ARRIVING, BufferState.KEPT):
            for index, _ in self._buffers.those(state):
                self._buffers.drop(index)

    # Losing

    def at_or_beyond(self, position: int) -> list[int]:
        """Chunks on disk that end after C{position}."""
        if self.length is not None and position >= self.length:
            return []
        return self.present.at_or_after(self.chunking.index(position))

    def doubt(self) -> None:
        """A read failed: for a while what is written stays in memory as well for the readers near it."""
        self._doubted_until = self._around.clock.seconds() + DOUBT_SECONDS

    def forget(self, chunks: Collection[int]) -> None:
        """Chunks on disk are gone."""
        gone = [index for index in chunks if self.present.discard(index)]
        for index in gone:
            self._around.space.remove((self._id, index))
        if gone and self.recorded:
            self._around.metadata.forget_chunks(self._id, gone)

    def evict(self, chunk: int) -> Deferred[None]:
        """Give a chunk's space back; the order of eviction has dropped it already."""
        if not self.present.discard(chunk):
            return succeed(None)
        if self.recorded:
            self._around.metadata.forget_chunks(self._id, [chunk])
        return self._file.punch(self.chunking.start(chunk), self.chunking.stop(chunk, self.length))

    def discard(self) -> None:
        """Nobody will need the bytes any more."""
        self.stored = self.recorded = False
        self.drop_memory()
        self.forget(list(self.present))
        self._file.unlink()

    def close_file(self) -> None:
        """Give the descriptor back until the next read."""
        self._file.close()
