"""A generation at work: who reads it, what of it is on its way, and what to fetch next."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from proxycache.errors import CacheReadFailed
from proxycache.interfaces import ICacheFile, IOriginResponse, OriginRequest, Priority
from proxycache.log import make_logger
from proxycache.policy.amplification import Outlay, outlay
from proxycache.policy.answers import BodyExtent
from proxycache.policy.arrival import no_younger
from proxycache.policy.byterange import ByteRange
from proxycache.policy.chunking import Chunking
from proxycache.policy.entry import Representation
from proxycache.policy.eviction import ENTRY
from proxycache.policy.loglines import escaped
from proxycache.policy.readahead import Streak

from .contents import Contents
from .fetching import Fetching
from .reader import Reader
from .readers import Readers
from .run import Run
from .surroundings import Surroundings
from .waiters import Waiters

REMEMBERED_ENDS = 32
"""Ends of requests kept to recognise a client that reads on with the next one."""


class Generation:
    """One generation of an entry, in memory.

    @param elapsed: seconds since its response came, as far as is known.
    @ivar contents: the bytes that are here.
    @ivar indexed: whether requests still find it; a replaced one serves out its readers.
    """

    def __init__(
        self,
        representation: Representation,
        file: ICacheFile,
        present: Mapping[int, int],
        around: Surroundings,
        trust_length: bool,
        elapsed: float = 0.0,
    ) -> None:
        self.representation = representation
        self._came = around.since_boot() - elapsed
        self.chunking = Chunking(representation.chunk_size)
        self.contents = Contents(
            representation.id,
            self.chunking,
            representation.length,
            file,
            present,
            around,
            self._settled,
            self._entered,
        )
        self.readers = Readers()
        self.indexed = True
        self._unsaved = False
        self._around = around
        self._trust_length = trust_length
        self._waiters = Waiters(around.accounts)
        self._fetching = Fetching(self, self.contents, self._waiters, around)
        self._linger: IDelayedCall | None = None
        self._ends: OrderedDict[int, Streak] = OrderedDict()
        self._log = make_logger()

    def _settled(self) -> None:
        self._fetching.resume()
        if not self.indexed and not self.busy:
            # It had only to get its last chunk to the disk.
            self._around.idle(self)

    def __repr__(self) -> str:
        return f"<Generation {self.id} of {escaped(self.representation.key)}>"

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
        return self.indexed and self.contents.stored

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

    @property
    def runs(self) -> list[Run]:
        """The requests under way."""
        return self._fetching.runs

    def adopt(self, response: IOriginResponse, extent: BodyExtent, stop: int | None, allowance: int | None) -> None:
        """See L{Fetching.adopt}."""
        self._fetching.adopt(response, extent, stop, allowance)

    def leads_to(self, url: bytes, response: IOriginResponse) -> None:
        """See L{Fetching.leads_to}."""
        self._fetching.leads_to(url, response)

    def outlay(self, parts: Sequence[ByteRange]) -> Outlay:
        """What it costs us to have several parts of it."""

        def is_here(start: int, stop: int) -> bool:
            return self.reach(start, stop) >= stop

        return outlay(parts, self.chunking, self.length, is_here, self.contents.present)

    def can_serve(self, start: int, stop: int | None, *, fills: bool = True) -> bool:
        """Whether C{[start, stop)} can be had without putting two responses together that may differ.

        @param fills: whether what is not here, nor on its way, may be asked for on behalf of who wants it.
        """
        if self.joinable and fills:
            return True
        if stop is not None and self.reach(start, stop) >= stop:
            return True
        if self.readers and not self._keeps:
            return False
        if stop is None or self.length is None:
            endless = any(run.stop is None for run in self.runs)
            return endless and self.reach(start, start + 1, coming=True) > start
        return self.reach(start, stop, coming=True) >= stop

    @property
    def _keeps(self) -> bool:
        """Whether what comes stays until the slowest has read it: else the fastest takes it from him."""
        return self.stored and (self.length is None or self.length <= self._around.space.limit)

    def uses(self, chunk: int) -> bool:
        """Whether a chunk, or the entry, is being read or written, so that it must stay."""
        if chunk == ENTRY:
            return self.busy
        if self.contents.holds(chunk):
            return True
        if not self.joinable and self.readers.any_in(0, self.chunking.stop(chunk, self.length)):
            # Fetched again it could not be put beside what they have.
            return True
        return self.readers.any_near(self.chunking.start(chunk), self.chunking.size)

    @property
    def at_work(self) -> bool:
        """Whether anybody reads it, or may come back: the surroundings are told when that is over."""
        return bool(self.readers or self.runs or self._linger)

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        return self.at_work or self.contents.in_memory

    def renew(self, representation: Representation) -> None:
        """More is known, or it was found to be so still; the bytes are those we have.

        What passes anyway, such as the time, is recorded only with the next L{note}.
        """
        lasting = not representation.lasts_as(self.representation)
        if representation.response_time != self.representation.response_time:
            self._came = self._around.since_boot()
        self.representation = representation
        self._unsaved = True
        if lasting:
            self.save()

    def redate(self, now: float) -> None:
        """By the clock as it is set at C{now}, it came as long ago as it did."""
        redated = no_younger(self.representation, self._around.since_boot() - self._came, now)
        if redated is not self.representation:
            self.representation = redated
            self._unsaved = True
            self.save()

    def record(self) -> bool:
        """Record it, as if nothing were recorded; False where there is no room for that."""
        self._unsaved = True
        return self.save()

    def save(self) -> bool:
        """Record what is not recorded yet; False where there is no room for that, or it is not to be recorded."""
        if not self.stored:
            return False
        if self._unsaved:
            metadata = self._around.metadata
            if not self._around.space.admit_entry(self.id, metadata.room(self.representation)):
                return False
            self._unsaved = False
            metadata.save(self.representation)
        return True

    def _entered(self) -> bool:
        return not self._unsaved or (self.id, ENTRY) in self._around.space or self.save()

    def note(self, when: float) -> None:
        """It is in use, at C{when} seconds since the epoch."""
        if self._unsaved:
            self.save()
        else:
            self._around.metadata.used(self.id, when)

    def withhold(self) -> None:
        """For those who wait for it or read it, and nobody else: it is neither found by others nor recorded."""
        self.indexed = False
        self.contents.recorded = False

    # Readers

    def open_reader(
        self,
        start: int,
        stop: int | None,
        request: OriginRequest,
        priority: Priority = Priority.CRITICAL,
        sparse: bool = False,
        by: Hashable = None,
    ) -> Reader:
        """A reader of C{[start, stop)}; C{stop} None: to the end, which is not known yet.

        @param sparse: fetch little more than that.
        @param by: stands for whoever reads, where he has several readers.
        """
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if not request.exact:
            self._fetching.last_request = request
        streak = self._ends.pop(start, Streak()) if start else Streak()
        reader = Reader(self, start, stop, request, priority, streak, sparse, by)
        self.readers.add(reader)
        self._fetching.opened(reader)
        return reader

    def foresee(self, reader: Reader) -> None:
        """A reader is about to begin: have its first bytes on their way by then."""
        start = reader.position
        coming = self.reach(start, start + 1, coming=True) > start
        if not coming and self.joinable and self.length is not None:
            self._fetching.plan(reader)

    def closed(self, reader: Reader) -> None:
        """A reader left. What it was reading goes on for a while, in case it comes back."""
        self.readers.discard(reader)
        if reader.stop is not None and reader.position >= reader.stop:
            size = reader.streak.size + reader.position - reader.start
            self._ends[reader.position] = Streak(reader.streak.requests + 1, size)
            while len(self._ends) > REMEMBERED_ENDS:
                self._ends.popitem(last=False)
        self.trim()
        self._fetching.release_unread(reader)
        if not self.readers:
            self._left()
        self._fetching.resume()

    def told(self) -> None:
        """Who waited for the answer that founded or renewed it was told: what nobody came to read is not fetched."""
        self._fetching.release_unread()
        if not self.readers:
            self._left()

    def _left(self) -> None:
        if self._linger is None:
            # Who comes back finds only what is indexed.
            seconds = self._around.linger if self.indexed else 0.0
            self._linger = self._around.clock.callLater(seconds, self._left_alone)

    def _left_alone(self) -> None:
        self._linger = None
        if not self.readers:
            self.quiet()
            # The next reader finds out anew.
            self.representation = evolve(self.representation, rangeless=False)
            self._around.idle(self)

    def quiet(self) -> None:
        """Stop all that is under way; what is on its way to the disk gets there."""
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        self._fetching.stop()
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
        return self.contents.from_disk(position, limit, reader.token)

    def wait(self, reader: Reader) -> Deferred[None]:
        """Wait until the byte at the reader's cursor can be read, or its end is known."""
        waiter = self._waiters.wait(reader.position)
        self._fetching.plan(reader)
        if not waiter.called and (self.contents.reach(reader.position) > reader.position or reader.at_end):
            self._waiters.wake(reader.position, reader.position + 1)
        return waiter

    def advanced(self, reader: Reader, count: int) -> None:
        """A reader's cursor moved by C{count} bytes."""
        self.readers.moved(reader)
        if self.chunking.index(reader.position - count) != self.chunking.index(reader.position):
            self.contents.passed()
        if self.contents.complete and not self.runs:
            return
        self._fetching.plan(reader)
        self.trim()
        self._fetching.resume()

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
        self.contents.doubt()

    def changed(self) -> None:
        """The origin serves another version: this one is for its present readers only."""
        self._around.unusable(self)

    def trim(self) -> None:
        """Let go of what is in memory and near nobody."""
        self.contents.trim(self.readers, self._fetching.coming_in)
