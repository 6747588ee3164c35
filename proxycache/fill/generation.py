"""A generation at work: who reads it, what of it is on its way, and what to fetch next."""

from __future__ import annotations

from collections import OrderedDict

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from proxycache.errors import CacheReadFailed, FillPreempted, InvalidAnswer, ObjectChanged, OriginStatus
from proxycache.interfaces import ICacheFile, IOriginResponse, OriginRequest, Priority
from proxycache.log import make_logger
from proxycache.policy.answers import BodyExtent, body_extent, check_version, end_told
from proxycache.policy.byterange import RangeSpec, format_range
from proxycache.policy.chunking import Chunking
from proxycache.policy.entry import Representation
from proxycache.policy.readahead import MAX_WINDOW, NEAR
from proxycache.policy.retrying import retry_delay

from .chunkbuffer import BufferState
from .contents import MAX_UNSTORED, MAX_WRITING, Contents
from .reader import Reader
from .run import Run
from .surroundings import Surroundings
from .waiters import Waiters

REMEMBERED_ENDS = 32
"""Ends of requests kept to recognise a client that reads on with the next one."""


class Generation:
    """One generation of an entry, in memory.

    @ivar contents: the bytes that are here.
    @ivar indexed: whether requests still find it; a replaced one serves out its readers.
    @ivar runs: the requests under way, each with the bytes it is about to bring.
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
        self.contents = Contents(
            representation.id, self.chunking, representation.length, file, present, around, self._resume_runs
        )
        self.readers: set[Reader] = set()
        self.runs: list[Run] = []
        self.indexed = True
        self._around = around
        self._trust_length = trust_length
        self._waiters = Waiters(around.accounts)
        self._failures = 0
        self._again: IDelayedCall | None = None
        self._linger: IDelayedCall | None = None
        self._ends: OrderedDict[int, int] = OrderedDict()
        self._filled_in: set[int] = set()
        self._last_request: OriginRequest | None = None
        self._log = make_logger()

    def __repr__(self) -> str:
        return f"<Generation {self.id} of {self.representation.key!r}>"

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
    def stored(self) -> bool:
        """Whether its bytes are kept for later requests."""
        return self.contents.stored

    @property
    def joinable(self) -> bool:
        """Whether bytes of another response may be put beside those that are here (RFC 9110, section 15.3.7.3)."""
        trusted = self._trust_length and self.length is not None
        return self.representation.status == 200 and (self.representation.validator is not None or trusted)

    def reach(self, position: int, limit: int, coming: bool = False) -> int:
        """One past the last byte from C{position} on that is here without a gap, looking no farther than C{limit}.

        @param coming: count what runs are about to bring as well.
        """
        while position < limit:
            reached = self.contents.reach(position)
            if reached == position and coming:
                for run in self.runs:
                    if run.covers(position):
                        reached = max(reached, limit if run.stop is None else run.stop)
            if reached == position:
                break
            position = reached
        return min(position, limit)

    def can_serve(self, start: int, stop: int | None) -> bool:
        """Whether C{[start, stop)} can be had without putting two responses together that may differ."""
        if self.joinable:
            return True
        if stop is None or self.length is None:
            endless = any(run.stop is None for run in self.runs)
            return endless and self.reach(start, start + 1, coming=True) > start
        return self.reach(start, stop, coming=True) >= stop

    def uses(self, chunk: int) -> bool:
        """Whether a chunk is being read or written, so that it must stay."""
        if self.contents.holds(chunk):
            return True
        first = self.chunking.start(chunk)
        return any(
            reader.position - self.chunking.size
            < first
            <= reader.position + max(reader.window.size, self.chunking.size)
            for reader in self.readers
        )

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        return bool(self.readers or self.runs or self.contents.in_memory or self._linger)

    def renew(self, representation: Representation) -> None:
        """A revalidation changed the record; the bytes are those we have."""
        self.representation = representation
        if self.stored and self.indexed:
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
            for run in list(self.runs):
                run.urge(Priority.LOW)
            self._begin_to_linger()
        self._resume_runs()

    def _begin_to_linger(self) -> None:
        if self._linger is None:
            self._linger = self._around.clock.callLater(self._around.linger, self._left_alone)

    def _left_alone(self) -> None:
        self._linger = None
        if not self.readers:
            self.quiet()
            # The next reader finds out anew.
            self.representation = evolve(self.representation, rangeless=False)
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
        self.contents.drop_memory()

    def discard(self) -> None:
        """Nobody will need the bytes any more."""
        self.quiet()
        self.contents.discard()

    def take(self, reader: Reader, most: int) -> bytes | Deferred[bytes] | None:
        """At most C{most} bytes at a reader's cursor; None where it has to wait. Does not move the cursor.

        @raise CacheReadFailed: at once or by the Deferred.
        """
        position = reader.position
        limit = reader.limit(position + most)
        data = self.contents.from_memory(position, limit)
        if data is not None:
            reader.source = "fill"
            return data
        reader.source = "cache"
        index = self.chunking.index(position)
        if index != reader.last_chunk:
            reader.last_chunk = index
            self._around.space.use((self.id, index))
        return self.contents.from_disk(position, limit)

    def wait(self, reader: Reader) -> Deferred[None]:
        """Wait until the byte at the reader's cursor can be read, or its end is known."""
        waiter = self._waiters.wait(reader.position)
        self.plan(reader)
        if not waiter.called and (self._is_here(reader.position) or reader.at_end):
            self._waiters.wake(reader.position, reader.position + 1)
        return waiter

    def _is_here(self, position: int) -> bool:
        return self.contents.reach(position) > position

    def advanced(self, reader: Reader) -> None:
        """A reader's cursor moved."""
        if self.contents.complete and not self.runs:
            return
        self.plan(reader)
        self._trim()
        self._resume_runs()

    def invalidate(self, error: CacheReadFailed) -> None:
        """Recorded bytes turned out bad: forget just those, so that they are fetched again."""
        lost = {error.chunk}
        if error.lost_from is not None:
            lost.update(self.contents.at_or_beyond(error.lost_from))
        if error.transient:
            self._log.warn("{generation}: {error}", generation=self, error=error)
            return
        self._around.accounts.damaged_chunks += 1
        self._log.warn(
            "{generation}: {error}; {count} chunks to fetch again",
            generation=self,
            error=error,
            count=len(lost),
        )
        self.contents.forget(lost)

    def changed(self) -> None:
        """The origin serves another version: this one is for its present readers only."""
        self._around.unusable(self)

    def _trim(self) -> None:
        self.contents.trim([reader.position for reader in self.readers], self._coming_in)

    def _coming_in(self, start: int, stop: int) -> bool:
        """Whether a run is about to bring bytes of C{[start, stop)}."""
        return any(run.position < stop and (run.stop is None or run.stop > start) for run in self.runs)

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
                self._start_run(position, stop, reader.priority, self._request_for(reader))
        if not self.joinable or self._again is not None or self.length is None:
            return
        limit = reader.ahead()
        covered = self.reach(position, limit, coming=True)
        if position < covered < limit and reader.window.due(position, covered):
            priority = max(Priority.HIGH, reader.priority)
            self._start_run(covered, self._run_stop(covered, limit), priority, self._request_for(reader))

    def _request_for(self, reader: Reader) -> OriginRequest:
        """A reader's request, from the freshest URL, unless that was refused it."""
        if reader.distrusts_freshest:
            return reader.request
        return evolve(reader.request, url=self.representation.source_url)

    def _soon(self, position: int) -> Run | None:
        """The run that brings C{position} before a new one could."""
        patient = self.representation.rangeless or not self.joinable
        for run in self.runs:
            if run.covers(position) and (patient or position - run.position <= NEAR):
                return run
        return None

    def _run_stop(self, position: int, limit: int) -> int:
        """Where a run from C{position} has to end: at C{limit}, or where others have begun."""
        limit = self.chunking.ceil(limit, self.length)
        for run in self.runs:
            if position < run.position < limit:
                limit = run.position
        return self.contents.next_here(position, limit)

    def _start_run(self, start: int, stop: int, priority: Priority, request: OriginRequest) -> None:
        if not self.joinable:
            if not any(run.covers(start) for run in self.runs):
                error = InvalidAnswer("without a strong validator parts cannot be joined")
                self._waiters.fail(error, start, None)
            return
        if stop <= start:
            return
        if self.representation.rangeless:
            run = Run(self, 0, self.length, priority, allowance=stop)
            sent = request
        else:
            for other in self.runs:
                if other.covers(start):
                    other.cut(start)
            run = Run(self, start, stop, priority)
            fields = request.fields.adding((b"Range", format_range(start, stop)))
            if self.representation.validator is not None:
                fields = fields.adding((b"If-Range", self.representation.validator.value))
            sent = evolve(request, fields=fields, asked=RangeSpec(start, stop - 1))
        self._began(run)
        run.send(self._around.origin, sent)

    def _began(self, run: Run) -> None:
        self.runs.append(run)
        self._around.accounts.running_fills += 1

    def adopt(self, response: IOriginResponse, extent: BodyExtent, stop: int | None, allowance: int | None) -> None:
        """Let the body of a response that founded or renewed this generation land here.

        @param stop: one past the last byte worth having, None for all of it.
        """
        run = Run(self, extent.start, stop, Priority.CRITICAL, allowance)
        self._began(run)
        if not self.readers:
            # Perhaps nobody will come: the client has gone, or its preconditions ask for no body.
            self._begin_to_linger()
        run.adopt(response, extent)

    def judge(self, run: Run, response: IOriginResponse) -> BodyExtent:
        """Whether a response carries bytes of this very version, and which.

        @raise ObjectChanged: another version.
        @raise OriginStatus: no version at all.
        @raise InvalidAnswer: neither is certain.
        """
        if response.status == 416:
            if self.length is not None:
                raise ObjectChanged("the object is shorter than it was")
            extent = end_told(response.fields, run.start)
            self._know_length(run.start)
            return extent
        if response.status not in (200, 206):
            raise OriginStatus(response.status)
        asked = run.asked
        extent = body_extent(response.status, response.fields, asked, response.body_length)
        check_version(self.representation, response.status, response.fields, extent, response.response_time)
        if self.length is None and extent.length is not None:
            self._know_length(extent.length)
        if response.status == 200 and asked is not None:
            # The whole object, from its start: taken as such, and remembered.
            self.renew(evolve(self.representation, rangeless=True))
            run.stop = self.length
            run.allowance = run.start + MAX_WINDOW
        return extent

    # What arrives

    def landed(self, start: int, data: bytes) -> int:
        """Bytes C{[start, start + len(data))} arrived; tells how many of them were not here before."""
        new = self.contents.put(start, data)
        if new:
            self._failures = 0
        self._waiters.wake(start, start + len(data))
        return new

    def congested(self) -> bool:
        """Whether the origin has to be held up: by the disk, or by readers where there is no disk."""
        if self.contents.count(BufferState.WRITING) >= MAX_WRITING:
            return True
        self._trim()
        if self.contents.count(BufferState.UNSTORED) < MAX_UNSTORED:
            return False
        if any(run.covers(position) for run in self.runs for position in self._waiters.positions):
            # Somebody waits for what comes next: whoever is far behind will fetch for himself.
            self.contents.drop_oldest_unstored()
            return False
        return True

    def _resume_runs(self) -> None:
        for run in list(self.runs):
            run.check_resume()

    def body_over(self, stop: int, certain: bool) -> None:
        """A body of unknown length has ended; where its end is uncertain, the next request asks the origin again."""
        if not certain:
            self.contents.stored = False
            self._around.unusable(self)
        self._know_length(stop)

    def _know_length(self, length: int) -> None:
        self.contents.end_at(length)
        self.renew(evolve(self.representation, length=length))
        self._waiters.wake_all()

    def ended(self, run: Run, error: Exception | None) -> None:
        """A run is over: go on where somebody still waits, or say why not."""
        self.runs.remove(run)
        self._around.accounts.running_fills -= 1
        if error is None or isinstance(error, FillPreempted):
            self._go_on()
        elif isinstance(error, InvalidAnswer) and run.asked is not None and self.joinable:
            # It makes a mess of ranges; perhaps it gets the whole right.
            self._log.warn("{generation}: {error}; asking for the whole", generation=self, error=error)
            self.renew(evolve(self.representation, rangeless=True))
            self._go_on()
        elif isinstance(error, ObjectChanged) or not self.joinable:
            # Nothing may be put beside what came, so it will never be complete.
            self._around.unusable(self)
            self._waiters.fail(error, 0, None)
        elif run.new_bytes:
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
        if not self.joinable or self.representation.rangeless or not self.stored or self._last_request is None:
            return
        for buffer in self.contents.partial_chunks():
            index = self.chunking.index(buffer.start)
            if index in self._filled_in or self._coming_in(buffer.start, buffer.stop):
                continue
            self._filled_in.add(index)
            position = buffer.reach(buffer.start)
            self._start_run(position, self._run_stop(position, buffer.stop), Priority.LOW, self._last_request)
