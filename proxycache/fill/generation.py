"""A generation at work: what of it is here, what is on its way, who reads it, and what to fetch next."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from attrs import evolve, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from proxycache.accounts import Accounts
from proxycache.errors import (
    CacheReadFailed,
    CacheWriteFailed,
    FillPreempted,
    InvalidAnswer,
    ObjectChanged,
    OriginStatus,
)
from proxycache.interfaces import (
    ChunkSpan,
    ICacheFile,
    IMetadataStore,
    IOrigin,
    IOriginResponse,
    OriginRequest,
    Priority,
)
from proxycache.log import make_logger
from proxycache.policy.answers import BodyExtent, body_extent
from proxycache.policy.byterange import RangeSpec, format_range
from proxycache.policy.chunking import Chunking
from proxycache.policy.entry import Representation
from proxycache.policy.readahead import MAX_WINDOW, NEAR
from proxycache.policy.retrying import retry_delay
from proxycache.policy.validators import parse_etag, strong_validator
from proxycache.store.space import Space

from .chunkbuffer import BufferState, ChunkBuffer
from .reader import Reader
from .run import Run
from .waiters import Waiters

MAX_WRITING = 4
"""Chunks on their way to the disk before the origin is held up."""

MAX_UNSTORED = 8
"""Chunks kept in memory for readers while there is nowhere to store them."""

MAX_PARTIAL = 16
"""Incomplete chunks that nobody is fetching, kept for their rest to be filled in."""

STORAGE_PAUSE_SECONDS = 1.0
"""After a failed write, before the disk is tried again."""

REMEMBERED_ENDS = 32
"""Ends of requests kept to recognise a client that reads on with the next one."""


@frozen
class Surroundings:
    """What every generation works with.

    @ivar linger: seconds that a fill outlives its last reader.
    @ivar unusable: called with a generation that is not to be reused: the object changed, or it can never be complete.
    @ivar idle: called with a generation that nobody has read for C{linger} seconds.
    """

    clock: IReactorTime
    origin: IOrigin
    metadata: IMetadataStore
    space: Space
    accounts: Accounts
    linger: float
    unusable: Callable[[Generation], None]
    idle: Callable[[Generation], None]


class Generation:
    """One generation of an entry, in memory.

    @ivar present: checksum by index of the chunks that are on disk and recorded.
    @ivar stored: whether its chunks may go to disk and be recorded.
    """

    def __init__(
        self,
        representation: Representation,
        file: ICacheFile,
        present: dict[int, int],
        around: Surroundings,
        trust_length: bool,
    ) -> None:
        self.representation = representation
        self.chunking = Chunking(representation.chunk_size)
        self.present = present
        self.stored = True
        self.readers: set[Reader] = set()
        self.runs: list[Run] = []
        self._file = file
        self._around = around
        self._trust_length = trust_length
        self._buffers: dict[int, ChunkBuffer] = {}
        self._waiters = Waiters(around.accounts)
        self._failures = 0
        self._again: IDelayedCall | None = None
        self._linger: IDelayedCall | None = None
        self._storage_off_until = float("-inf")
        self._ends: OrderedDict[int, int] = OrderedDict()
        self._filled_in: set[int] = set()
        self._last_request: OriginRequest | None = None
        self._log = make_logger()

    def __repr__(self) -> str:
        return f"<Generation {self.representation.id} of {self.representation.key!r}>"

    # What is here

    @property
    def id(self) -> str:
        """Names the file and the rows."""
        return self.representation.id

    @property
    def length(self) -> int | None:
        """Complete length, None while it is not known."""
        return self.representation.length

    @property
    def joinable(self) -> bool:
        """Whether bytes of another response may be put beside those that are here (RFC 9110, section 15.3.7.3)."""
        joinable_length = self._trust_length and self.length is not None
        return self.representation.status == 200 and (self.representation.validator is not None or joinable_length)

    @property
    def complete(self) -> bool:
        """Whether all of it is on disk."""
        return self.length is not None and len(self.present) == self.chunking.count(self.length)

    def reach(self, position: int, limit: int, coming: bool = False) -> int:
        """One past the last byte from C{position} on that is here without a gap, looking no farther than C{limit}.

        @param coming: count what runs are about to bring as well.
        """
        while position < limit:
            index = self.chunking.index(position)
            buffer = self._buffers.get(index)
            reached = position if buffer is None else buffer.reach(position)
            if reached == position and index in self.present:
                reached = self.chunking.stop(index, self.length)
            if reached == position and coming:
                for run in self.runs:
                    if run.covers(position):
                        reached = max(reached, limit if run.stop is None else run.stop)
            if reached == position:
                break
            position = reached
        return min(position, limit)

    def can_serve(self, start: int, stop: int | None) -> bool:
        """Whether C{[start, stop)} can be had without a response of another version."""
        if self.joinable:
            return True
        if stop is None or self.length is None:
            return any(run.stop is None for run in self.runs) and self.reach(start, start + 1, coming=True) > start
        return self.reach(start, stop, coming=True) >= stop

    def uses(self, chunk: int) -> bool:
        """Whether a chunk has a reader, so that it must stay."""
        if chunk in self._buffers:
            return True
        return any(0 <= chunk - self.chunking.index(reader.position) <= 1 for reader in self.readers)

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        return bool(self.readers or self.runs or self._buffers or self._linger)

    def renew(self, representation: Representation) -> None:
        """A revalidation changed the record; the bytes are those we have."""
        self.representation = representation
        if self.stored:
            self._around.metadata.save(representation)

    # Readers

    def open_reader(
        self, start: int, stop: int | None, request: OriginRequest, priority: Priority = Priority.CRITICAL
    ) -> Reader:
        """A reader of C{[start, stop)}; C{stop} None: to the end, which is not known yet."""
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        self._last_request = request
        streak = self._ends.pop(start, -1) + 1 if start else 0
        reader = Reader(self, start, stop, request, priority, streak)
        self.readers.add(reader)
        return reader

    def closed(self, reader: Reader) -> None:
        """A reader left. What it had begun goes on for a while, in case it comes back."""
        self.readers.discard(reader)
        if reader.stop is not None and reader.position >= reader.stop:
            self._ends[reader.position] = reader.streak
            while len(self._ends) > REMEMBERED_ENDS:
                self._ends.popitem(last=False)
        self._trim()
        if not self.readers:
            for run in self.runs:
                run.urge(Priority.LOW)
            if self._linger is None:
                self._linger = self._around.clock.callLater(self._around.linger, self._left_alone)
        self._resume_runs()

    def _left_alone(self) -> None:
        self._linger = None
        if not self.readers:
            self.quiet()
            self._around.idle(self)

    def quiet(self) -> None:
        """Stop all that is under way; what is on its way to the disk gets there."""
        for timer in (self._linger, self._again):
            if timer is not None:
                timer.cancel()
        self._linger = self._again = None
        self._filled_in.clear()
        for run in list(self.runs):
            run.abort()
            self._around.accounts.running_fills -= 1
        self.runs.clear()
        for index, buffer in list(self._buffers.items()):
            if buffer.state is not BufferState.WRITING:
                del self._buffers[index]

    def close_file(self) -> None:
        """Give the descriptor back until the next read."""
        self._file.close()

    def discard(self) -> None:
        """Nobody will need the bytes any more."""
        self.stored = False
        self.quiet()
        self.forget(list(self.present), record=False)
        self._file.unlink()

    def take(self, reader: Reader, most: int) -> bytes | Deferred[bytes] | None:
        """At most C{most} bytes at a reader's cursor; None where it has to wait. Does not move the cursor.

        @raise CacheReadFailed: at once or by the Deferred.
        """
        position = reader.position
        index = self.chunking.index(position)
        buffer = self._buffers.get(index)
        if buffer is not None:
            stop = min(buffer.reach(position), reader.limit(position + most))
            if stop > position:
                reader.source = "fill"
                return buffer.read(position, stop)
        checksum = self.present.get(index)
        if checksum is None:
            return None
        span = ChunkSpan(index, self.chunking.start(index), self.chunking.stop(index, self.length), checksum)
        reader.source = "cache"
        if index != reader.last_chunk:
            reader.last_chunk = index
            self._around.space.use((self.id, index))
        return self._file.read(span, position, min(span.stop, reader.limit(position + most)))

    def wait(self, reader: Reader) -> Deferred[None]:
        """Wait until the byte at the reader's cursor can be read, or its end is known."""
        waiter = self._waiters.wait(reader.position)
        self.plan(reader)
        if not waiter.called and (self._is_here(reader.position) or reader.at_end):
            self._waiters.wake(reader.position, reader.position + 1)
        return waiter

    def _is_here(self, position: int) -> bool:
        return self.reach(position, position + 1) > position

    def advanced(self, reader: Reader) -> None:
        """A reader's cursor moved."""
        if self.complete and not self.runs and not self._buffers:
            return
        self.plan(reader)
        self._trim()
        self._resume_runs()

    def invalidate(self, error: CacheReadFailed) -> None:
        """Recorded bytes turned out bad: forget just those, so that they are fetched again."""
        lost = [error.chunk]
        if error.lost_from is not None:
            lost = [
                index
                for index in self.present
                if index == error.chunk or self.chunking.stop(index, self.length) > error.lost_from
            ]
        self._around.accounts.damaged_chunks += 1
        self._log.warn("{generation}: {error}; {count} chunks to fetch again", generation=self, error=error, count=len(lost))
        self.forget(lost)

    def forget(self, chunks: list[int], record: bool = True) -> None:
        """Chunks are gone."""
        gone = [index for index in chunks if self.present.pop(index, None) is not None]
        for index in gone:
            self._around.space.remove((self.id, index))
        if gone and record:
            self._around.metadata.forget_chunks(self.id, gone)

    def evict(self, chunk: int) -> None:
        """Give a chunk's space back."""
        self.present.pop(chunk, None)
        self._around.metadata.forget_chunks(self.id, [chunk])
        start = self.chunking.start(chunk)
        self._file.punch(start, self.chunking.stop(chunk, self.length))

    # What to fetch

    def plan(self, reader: Reader) -> None:
        """Make sure that somebody brings the byte at the cursor, and what follows it as the reader goes on."""
        position = reader.position
        if reader.at_end:
            return
        for run in self.runs:
            if run.stop is None or run.stop > position:
                run.allow(position + reader.window.size)
        if not self._is_here(position):
            coming = self._soon(position)
            if coming is not None:
                coming.urge(min(coming.priority, reader.priority))
                coming.check_resume()
            elif self._again is None:
                stop = self._run_stop(position, reader.ahead())
                self._start_run(position, stop, reader.priority, reader.request)
        if not self.joinable or self._again is not None:
            return
        limit = reader.ahead()
        covered = self.reach(position, limit, coming=True)
        if position < covered < limit and reader.window.due(position, covered):
            stop = self._run_stop(covered, limit)
            self._start_run(covered, stop, max(Priority.HIGH, reader.priority), reader.request)

    def _soon(self, position: int) -> Run | None:
        """The run that brings C{position} before a new one could."""
        for run in self.runs:
            near = position - run.position <= NEAR or self.representation.rangeless or not self.joinable
            if run.covers(position) and near:
                return run
        return None

    def _run_stop(self, position: int, limit: int) -> int:
        """Where a run from C{position} has to end: at C{limit}, or where others have begun."""
        limit = self.chunking.ceil(limit, self.length)
        for run in self.runs:
            if position < run.position < limit:
                limit = run.position
        index = self.chunking.index(position)
        while self.chunking.start(index) < limit:
            buffer = self._buffers.get(index)
            if buffer is not None:
                filled = buffer.filled.next_start(max(0, position - buffer.start))
                if filled is not None:
                    return min(limit, buffer.start + filled)
            elif index in self.present:
                return max(position, self.chunking.start(index))
            index += 1
        return limit

    def _start_run(self, start: int, stop: int, priority: Priority, request: OriginRequest) -> None:
        if not self.joinable:
            if not self.runs:
                self._waiters.fail(InvalidAnswer("without a strong validator parts cannot be joined"), start, None)
            return
        if stop <= start:
            return
        if self.representation.rangeless:
            run = Run(self, 0, self.length, priority, allowance=stop)
            asked = None
            fields = request.fields
        else:
            for other in self.runs:
                if other.covers(start):
                    other.cut(start)
            run = Run(self, start, stop, priority)
            asked = RangeSpec(start, stop - 1)
            fields = request.fields.adding((b"Range", format_range(start, stop)))
            validator = self.representation.validator
            if validator is not None:
                fields = fields.adding((b"If-Range", validator.value))
        self.runs.append(run)
        self._around.accounts.running_fills += 1
        run.send(self._around.origin, evolve(request, fields=fields, asked=asked))

    def adopt(self, response: IOriginResponse, extent: BodyExtent, stop: int | None, allowance: int | None) -> None:
        """Let the body of a response that founded or renewed this generation land here.

        @param stop: one past the last byte worth having, None for all of it.
        """
        run = Run(self, extent.start, stop, Priority.HIGH, allowance)
        self.runs.append(run)
        self._around.accounts.running_fills += 1
        run.adopt(response, extent)

    def judge(self, run: Run, response: IOriginResponse) -> BodyExtent:
        """Whether a response carries bytes of this very version, and which.

        @raise ObjectChanged: another version.
        @raise OriginStatus: no version at all.
        @raise InvalidAnswer: neither is certain.
        """
        if response.status == 416:
            raise ObjectChanged("the object is shorter than it was")
        if response.status not in (200, 206):
            raise OriginStatus(response.status)
        asked = None if self.representation.rangeless else RangeSpec(run.start, (run.stop or 0) - 1)
        extent = body_extent(response.status, response.fields, asked, response.body_length)
        self._check_version(response, extent)
        if response.status == 200 and asked is not None:
            self.renew(evolve(self.representation, rangeless=True))
            run.stop = self.length
            run.allowance = run.start + MAX_WINDOW
        return extent

    def _check_version(self, response: IOriginResponse, extent: BodyExtent) -> None:
        """Parts are joined under one strong validator; by length alone only where the origin's policy trusts it."""
        mine = self.representation
        if response.fields.first(b"content-encoding") not in (None, b"identity"):
            raise InvalidAnswer("an encoding nobody asked for")
        if mine.validator is not None:
            theirs = strong_validator(response.fields, response.response_time)
            dated = response.fields.first(b"last-modified") if mine.validator.is_date else None
            same = theirs == mine.validator or (dated is not None and dated.strip() == mine.validator.value)
            if not same and (theirs is not None or dated is not None or response.status == 200):
                raise ObjectChanged("the object changed at the origin")
            if not same:
                raise InvalidAnswer("a part without the validator of the rest")
        else:
            tags = (parse_etag(mine.fields.first(b"etag")), parse_etag(response.fields.first(b"etag")))
            if None not in tags and tags[0] != tags[1]:
                raise ObjectChanged("the object changed at the origin")
        if extent.length != self.length:
            if mine.validator is None or extent.length is not None:
                raise ObjectChanged(f"{extent.length} bytes instead of {self.length}")
            raise InvalidAnswer("a part that does not tell the complete length")

    # What arrives

    def landed(self, run: Run, start: int, data: bytes) -> None:
        """Bytes C{[start, start + len(data))} arrived."""
        self._failures = 0
        view = memoryview(data)
        position, end = start, start + len(data)
        while position < end:
            index = self.chunking.index(position)
            stop = min(end, self.chunking.stop(index, self.length))
            if stop <= position:
                break
            if index not in self.present:
                self._put(index, position, view[position - start : stop - start])
            position = stop
        self._waiters.wake(start, end)

    def _put(self, index: int, position: int, data: memoryview) -> None:
        buffer = self._buffers.get(index)
        if buffer is None:
            first = self.chunking.start(index)
            buffer = self._buffers[index] = ChunkBuffer(first, self.chunking.stop(index, self.length) - first)
        if buffer.state is BufferState.ARRIVING:
            buffer.put(position, data)
            if buffer.complete:
                self._store(index, buffer)

    def _store(self, index: int, buffer: ChunkBuffer, again: bool = True) -> None:
        room = (
            self.stored
            and self._around.clock.seconds() >= self._storage_off_until
            and self._around.space.reserve(len(buffer.data))
        )
        if not room:
            buffer.state = BufferState.UNSTORED
            self._trim()
            return
        buffer.state = BufferState.WRITING
        writing = self._file.write(buffer.start, buffer.data, self.length)
        writing.addCallbacks(self._written, self._not_written, (index, buffer), None, (index, buffer, again))

    def _written(self, checksum: int, index: int, buffer: ChunkBuffer) -> None:
        if self._buffers.get(index) is buffer:
            del self._buffers[index]
        if self.stored:
            self.present[index] = checksum
            self._around.space.admit((self.id, index), len(buffer.data))
            self._around.metadata.record_chunk(self.id, index, checksum, len(buffer.data))
        self._resume_runs()

    def _not_written(self, failure: Failure, index: int, buffer: ChunkBuffer, again: bool) -> None:
        """The disk failed: that takes storage away, never the stream."""
        if not failure.check(CacheWriteFailed):
            self._log.failure("{generation}: writing failed", failure=failure, generation=self)
        elif again and self.stored:
            # Perhaps it was the space.
            self._around.space.look()
            self._around.space.make_room(MAX_WRITING * self.chunking.size)
            self._store(index, buffer, again=False)
            return
        self._around.accounts.write_failures += 1
        if self._storage_off_until < self._around.clock.seconds():
            self._log.warn("{generation}: {why}; going on without storage", generation=self, why=failure.getErrorMessage())
        self._storage_off_until = self._around.clock.seconds() + STORAGE_PAUSE_SECONDS
        buffer.state = BufferState.UNSTORED
        self._trim()
        self._resume_runs()

    def congested(self) -> bool:
        """Whether the origin has to be held up: by the disk, or by readers where there is no disk."""
        states = [buffer.state for buffer in self._buffers.values()]
        if states.count(BufferState.WRITING) >= MAX_WRITING:
            return True
        if states.count(BufferState.UNSTORED) < MAX_UNSTORED:
            return False
        for run in self.runs:
            if any(run.covers(position) for position in self._waiters.positions):
                # Somebody waits for what comes next: whoever is far behind will fetch for himself.
                self._drop_oldest_unstored()
                return False
        return True

    def _drop_oldest_unstored(self) -> None:
        unstored = [index for index, buffer in self._buffers.items() if buffer.state is BufferState.UNSTORED]
        del self._buffers[min(unstored)]

    def _trim(self) -> None:
        """Let go of chunks in memory that nobody near needs."""
        reach = MAX_UNSTORED * self.chunking.size
        partial = 0
        for index, buffer in sorted(self._buffers.items()):
            if buffer.state is BufferState.UNSTORED:
                if not any(buffer.start - reach <= reader.position < buffer.stop for reader in self.readers):
                    del self._buffers[index]
            elif buffer.state is BufferState.ARRIVING and not self._has_run(buffer):
                partial += 1
                if partial > MAX_PARTIAL and not any(
                    buffer.start <= reader.position < buffer.stop for reader in self.readers
                ):
                    del self._buffers[index]

    def _has_run(self, buffer: ChunkBuffer) -> bool:
        return any(
            run.position < buffer.stop and (run.stop is None or run.stop > buffer.start) for run in self.runs
        )

    def _resume_runs(self) -> None:
        for run in list(self.runs):
            run.check_resume()

    def body_over(self, run: Run, stop: int, certain: bool) -> None:
        """A body of unknown length has ended; where its end is uncertain the next request asks the origin again."""
        if not certain:
            self.stored = False
            self._around.unusable(self)
        self.representation = evolve(self.representation, length=stop)
        index = self.chunking.index(stop)
        buffer = self._buffers.get(index)
        if buffer is not None and buffer.state is BufferState.ARRIVING:
            buffer.shorten(stop)
            if len(buffer.data):
                self._store(index, buffer)
            else:
                del self._buffers[index]
        if self.stored:
            self._around.metadata.save(self.representation)
        self._waiters.wake_all()

    def ended(self, run: Run, error: Exception | None) -> None:
        """A run is over: go on where somebody still waits, or say why not."""
        self.runs.remove(run)
        self._around.accounts.running_fills -= 1
        if error is None or isinstance(error, FillPreempted):
            self._go_on()
        elif isinstance(error, ObjectChanged):
            self._around.unusable(self)
            self._waiters.fail(error, 0, None)
        elif not self.joinable:
            # Nothing may be put beside what came, so it will never be complete.
            self._around.unusable(self)
            self._waiters.fail(error, 0, None)
        elif run.received_bytes:
            self._around.accounts.retries += 1
            self._log.info("{generation}: {error}; resuming at {at}", generation=self, error=error, at=run.position)
            self._go_on()
        else:
            # A request that failed was tried again by the origin's client; a body without a byte was not.
            self._failures += 1
            delay = retry_delay(self._failures, None) if run.answered else None
            if delay is None or isinstance(error, InvalidAnswer):
                self._failures = 0
                self._waiters.fail(error, run.start, run.stop)
            elif self._again is None:
                self._around.accounts.retries += 1
                self._again = self._around.clock.callLater(delay, self._try_again)

    def _try_again(self) -> None:
        self._again = None
        self._go_on()

    def _go_on(self) -> None:
        for reader in list(self.readers):
            if reader.waiting:
                self.plan(reader)
        self._fill_in()

    def _fill_in(self) -> None:
        """Fetch the part of a chunk that a run skipped, once; only whole chunks can be stored."""
        if not self.joinable or self.representation.rangeless or not self.stored:
            return
        for index, buffer in list(self._buffers.items()):
            if buffer.state is not BufferState.ARRIVING or index in self._filled_in or self._has_run(buffer):
                continue
            request = self._last_request
            if request is None:
                return
            self._filled_in.add(index)
            position = buffer.reach(buffer.start)
            self._start_run(position, self._run_stop(position, buffer.stop), Priority.LOW, request)
