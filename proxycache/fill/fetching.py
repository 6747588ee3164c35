"""What a generation has under way: which bytes to ask the origin for, and what becomes of the answers."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from attrs import evolve
from twisted.internet.interfaces import IDelayedCall

from proxycache.errors import BodyBroken, FillPreempted, InvalidAnswer, ObjectChanged, OriginStatus, PersonalAnswer
from proxycache.interfaces import IOriginResponse, OriginRequest, Priority
from proxycache.log import make_logger
from proxycache.policy.altered import Alteration, is_refusal, refuses_condition
from proxycache.policy.amplification import PIECE
from proxycache.policy.answers import (
    BodyExtent,
    body_extent,
    check_version,
    differs_by_tag_alone,
    end_told,
    told_length,
)
from proxycache.policy.byterange import RangeSpec, format_range
from proxycache.policy.chunking import Chunking
from proxycache.policy.cookies import refuses
from proxycache.policy.entry import Representation
from proxycache.policy.failing import limited_together, status_error
from proxycache.policy.readahead import MAX_WINDOW, NEAR
from proxycache.policy.retrying import MAX_ATTEMPTS, MIN_PROGRESS, retry_delay
from proxycache.policy.storing import forbidden
from proxycache.policy.validators import if_range

from .chunkbuffer import BufferState
from .contents import MAX_KEPT, Contents
from .reader import Reader
from .readers import Readers
from .run import Run
from .surroundings import Surroundings
from .waiters import Waiters

MAX_FAILURES = 64
"""Places that a body has broken at, and from which nobody has gone on, that are remembered."""


class Fetched(Protocol):
    """What the requests need of the generation whose bytes they bring."""

    @property
    def representation(self) -> Representation:
        """What is known of it."""

    @property
    def chunking(self) -> Chunking:
        """Where chunks begin."""

    @property
    def length(self) -> int | None:
        """Complete length, None while it is not known."""

    @property
    def joinable(self) -> bool:
        """Whether bytes of another response may be put beside those that are here."""

    @property
    def stored(self) -> bool:
        """Whether its bytes are kept."""

    @property
    def readers(self) -> Readers:
        """Who reads it."""

    def reach(self, position: int, limit: int, coming: bool = False) -> int:
        """How far it goes from C{position} without a gap."""

    def renew(self, representation: Representation) -> None:
        """More is known of it."""

    def trim(self) -> None:
        """Let go of what is near nobody."""


class Fetching:
    """The requests of one generation.

    @ivar runs: those under way, each with the bytes it is about to bring.
    @ivar last_request: of the client that came last; what nobody waits for is asked for on its behalf.
    """

    def __init__(self, generation: Fetched, contents: Contents, waiters: Waiters, around: Surroundings) -> None:
        self.runs: list[Run] = []
        self.last_request: OriginRequest | None = None
        self._generation = generation
        self._contents = contents
        self._waiters = waiters
        self._around = around
        self._failures: OrderedDict[int, int] = OrderedDict()
        self._again: IDelayedCall | None = None
        self._filled_in: set[int] = set()
        self._sparse: set[int] = set()
        self._resolved: dict[bytes, bytes] = {}
        self._log = make_logger()

    @property
    def length(self) -> int | None:
        """Complete length, None while it is not known."""
        return self._generation.length

    @property
    def joinable(self) -> bool:
        """Whether bytes of another response may be put beside those that are here."""
        return self._generation.joinable

    def stop(self) -> None:
        """Stop all of them, telling nobody."""
        if self._again is not None:
            self._again.cancel()
            self._again = None
        self._filled_in.clear()
        self._sparse.clear()
        self._failures.clear()
        for run in list(self.runs):
            self._drop(run)

    def _drop(self, run: Run) -> None:
        run.abort()
        self.runs.remove(run)
        self._around.accounts.running_fills -= 1

    def release_unread(self, leaving: Reader | None = None) -> None:
        """Let go of what serves no reader: of what none has had a byte of, and of what waits for its connection.

        What a reader was reading goes on, but whoever is in more of a hurry may have its connection.

        @param leaving: who leaves.
        """
        read = leaving is not None and leaving.position > leaving.start
        for run in list(self.runs):
            if leaving is not None and not self._patient and run.start > leaving.ahead() + NEAR:
                continue
            urgency = Priority.LOW
            nearest = 0 if self._patient else run.position - NEAR - MAX_WINDOW
            for reader in self._generation.readers if self._generation.readers.any_in(nearest, run.stop) else ():
                urgency = min(urgency, self._urgency(run, reader))
                if urgency is Priority.CRITICAL:
                    break
            if urgency is not Priority.LOW:
                run.urge(max(run.priority, urgency))
                continue
            run.kept = run.kept or read
            if not run.kept or run.withdraw():
                self._drop(run)
            else:
                run.urge(Priority.LOW)

    def _urgency(self, run: Run, reader: Reader) -> Priority:
        """How much of a hurry a reader is in to have the bytes of a run; LOW where it will not come to them soon."""
        if reader.at_end or (run.stop is not None and run.stop <= reader.position):
            return Priority.LOW
        if self._patient or run.position <= reader.position + NEAR:
            return reader.priority
        # What still came when the run had been told to pause is no reason.
        return max(Priority.HIGH, reader.priority) if run.position <= reader.ahead() + NEAR else Priority.LOW

    @property
    def _patient(self) -> bool:
        """Whether a byte can only come by the run that is under way."""
        return self._generation.representation.rangeless or not self.joinable

    def resume(self) -> None:
        """Readers moved, or the disk did: those that were held up may go on."""
        for run in list(self.runs):
            run.check_resume()

    def coming_in(self, start: int, stop: int) -> bool:
        """Whether a run is about to bring bytes of C{[start, stop)}."""
        return any(run.position < stop and (run.stop is None or run.stop > start) for run in self.runs)

    def _is_here(self, position: int) -> bool:
        return self._contents.reach(position) > position

    def opened(self, reader: Reader) -> None:
        """A reader came: what others read pieces of is worth completing now."""
        if reader.sparse or not self._sparse:
            return
        chunking, last = self._generation.chunking, reader.start if reader.stop is None else reader.stop - 1
        again = self._sparse & {chunking.index(reader.start), chunking.index(last)}
        if again:
            self._sparse -= again
            self._fill_in()

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
            coming = self._soon(position, self._patient or reader.request.exact)
            if coming is not None:
                coming.urge(min(coming.priority, reader.priority))
                coming.check_resume()
            elif self._again is None:
                stop = self._run_stop(position, reader.ahead(), reader.sparse)
                self._start_run(position, stop, reader.priority, self._request_for(reader), reader.sparse)
        if not self.joinable or self._again is not None or self.length is None or reader.request.exact:
            return
        limit = reader.ahead()
        covered = self._generation.reach(position, limit, coming=True)
        if position < covered < limit and reader.window.due(position, covered):
            priority = max(Priority.HIGH, reader.priority)
            stop = self._run_stop(covered, limit, reader.sparse)
            self._start_run(covered, stop, priority, self._request_for(reader), reader.sparse)

    def _request_for(self, reader: Reader) -> OriginRequest:
        """A reader's request, from the freshest URL, unless that was refused it."""
        request = evolve(reader.request, begun=reader.request.begun or reader.position > reader.start)
        if reader.distrusts_freshest or request.exact:
            return request
        return evolve(request, url=self._generation.representation.source_url)

    def _soon(self, position: int, patient: bool) -> Run | None:
        """The run that brings C{position}: before a new one could, unless C{patient}."""
        for run in self.runs:
            if run.covers(position) and (patient or position - run.position <= NEAR):
                return run
        return None

    def _run_stop(self, position: int, limit: int, sparse: bool = False) -> int:
        """Where a run from C{position} has to end: at the end of a chunk, or of a piece, or where others have begun."""
        stop = self._generation.chunking.ceil(limit, self.length)
        limit = min(stop, -(-limit // PIECE) * PIECE) if sparse else stop
        for run in self.runs:
            if position < run.position < limit:
                limit = run.position
        return self._contents.next_here(position, limit)

    def _start_run(
        self,
        start: int,
        stop: int,
        priority: Priority,
        request: OriginRequest,
        sparse: bool = False,
        kept: bool = False,
    ) -> None:
        if not self.joinable:
            if not any(run.covers(start) for run in self.runs):
                error = InvalidAnswer("without a strong validator parts cannot be joined")
                self._waiters.fail(error, start, None)
            return
        if stop <= start:
            return
        if stop - start == 1 and start > 0 and self._refuses(request, Alteration.ONE_BYTE):
            start -= 1
        if self._generation.representation.rangeless:
            run = Run(self, 0, self.length, priority, allowance=stop)
            sent = evolve(request, joins=True)
        else:
            for other in self.runs:
                if other.covers(start):
                    other.cut(start)
            run = Run(self, start, stop, priority)
            fields = request.fields.adding((b"Range", format_range(start, stop)))
            known = self._generation.representation
            bound = if_range(known.validator, known.fields)
            if bound and not self._refuses(request, Alteration.IF_RANGE):
                run.bound = True
                fields = fields.adding(*bound)
            sent = evolve(request, fields=fields, asked=RangeSpec(start, stop - 1), joins=True)
        if sparse:
            # What they do not complete has no need to be complete, unless somebody comes again.
            self._sparse.update(self._unbegun(start, stop))
        sent = evolve(sent, resolved=self._resolved.get(request.url))
        run.kept = kept
        run.request = request
        run.failures = self._failures.pop(run.start, 0)
        self._began(run)
        run.send(self._around.origin, sent)

    def _refuses(self, request: OriginRequest, alteration: Alteration) -> bool:
        return self._around.refused.lasts(request.origin.name, alteration, self._around.clock.seconds())

    def _began(self, run: Run) -> None:
        self.runs.append(run)
        self._around.accounts.running_fills += 1

    def adopt(self, response: IOriginResponse, extent: BodyExtent, stop: int | None, allowance: int | None) -> None:
        """Let the body of a response that founded or renewed this generation land here.

        @param stop: one past the last byte worth having, None for all of it.
        """
        run = Run(self, extent.start, stop, Priority.CRITICAL, allowance)
        self._began(run)
        run.adopt(response, extent)

    def judge(self, run: Run, response: IOriginResponse) -> BodyExtent:
        """Whether a response carries bytes of this very version, and which.

        @raise ObjectChanged: another version.
        @raise OriginStatus: no version at all.
        @raise InvalidAnswer: neither is certain.
        @raise PersonalAnswer: this version, but not to be kept.
        """
        if response.status == 416:
            if self.length is not None and told_length(response.fields) == self.length:
                raise status_error(416, response.fields, response.response_time)
            if self.length is not None:
                raise ObjectChanged("the object is shorter than it was")
            extent = end_told(response.fields, run.start)
            self._know_length(run.start)
            return extent
        if response.status not in (200, 206):
            raise status_error(response.status, response.fields, response.response_time)
        asked = run.asked
        extent = body_extent(response.status, response.fields, asked, response.body_length)
        self._check_version(run, response, extent)
        if run.request is not None and _is_personal(response, run.request):
            raise PersonalAnswer("the answer may not be kept for others")
        if self.length is None and extent.length is not None:
            self._know_length(extent.length)
        if response.status == 200 and asked is not None:
            # The whole object, from its start: taken as such, and remembered.
            self._generation.renew(evolve(self._generation.representation, rangeless=True))
            run.stop = self.length
            run.allowance = run.start + MAX_WINDOW
        self._check_size(run, extent)
        if run.request is not None:
            self.leads_to(run.request.url, response)
        return extent

    def _check_version(self, run: Run, response: IOriginResponse, extent: BodyExtent) -> None:
        known, fields, when = self._generation.representation, response.fields, response.response_time
        try:
            check_version(known, response.status, fields, extent, when)
        except ObjectChanged:
            if run.request is not None and differs_by_tag_alone(known, fields, extent.length, when):
                origin, now = run.request.origin.name, self._around.clock.seconds()
                self._around.refused.suspect(origin, Alteration.JOINING, known.id, now)
            raise

    def leads_to(self, url: bytes, response: IOriginResponse) -> None:
        """An answer that is good came by C{url}: what is still missing is asked for where its redirects led."""
        self._resolved = {} if response.url == url else {url: response.url}

    # What arrives

    def landed(self, start: int, data: bytes) -> int:
        """Bytes C{[start, start + len(data))} arrived; tells how many of them were not here before."""
        new = self._contents.put(start, data)
        self._waiters.wake(start, start + len(data))
        return new

    def congested(self) -> bool:
        """Whether the origin has to be held up: by the disk, or by readers where there is no disk."""
        if self._contents.holds_up:
            return True
        self._generation.trim()
        if self._contents.count(BufferState.KEPT) < MAX_KEPT:
            return False
        if any(self._waiters.any_in(run.position, run.stop) for run in self.runs):
            # Somebody waits for what comes next: whoever is far behind will fetch for himself.
            self._contents.drop_oldest_kept()
            return False
        return True

    def body_over(self, stop: int, certain: bool) -> None:
        """A body of unknown length has ended; where its end is uncertain, the next request asks the origin again."""
        if not certain:
            self._contents.stored = False
            self._around.unusable(self._generation)
        self._know_length(stop)

    def _know_length(self, length: int) -> None:
        self._contents.end_at(length)
        self._generation.renew(evolve(self._generation.representation, length=length))
        self._waiters.wake_all()

    def ended(self, run: Run, error: Exception | None) -> None:
        """A run is over: go on where somebody still waits, or say why not."""
        self.runs.remove(run)
        self._around.accounts.running_fills -= 1
        if run.astray:
            # Where its URL had led there is something else by now, which says nothing of the object.
            self._resolved.clear()
            self._go_on()
        elif error is None or isinstance(error, FillPreempted):
            self._go_on()
        elif isinstance(error, InvalidAnswer) and run.asked is not None and self.joinable:
            # It makes a mess of ranges; perhaps it gets the whole right.
            self._log.warn("{generation}: {error}; asking for the whole", generation=self._generation, error=error)
            self._generation.renew(evolve(self._generation.representation, rangeless=True))
            self._go_on()
        elif not self.joinable:
            # Nothing may be put beside what came, so it will never be complete.
            self._around.unusable(self._generation)
            self._waiters.fail(error, 0, None)
        elif isinstance(error, ObjectChanged) or _is_gone(run, error):
            if self._fail_alike(run.request, error):
                self._around.unusable(self._generation)
            self._ask_on()
        elif self._learn_of_condition(run, error) or self._learn_of_one_byte(run, error):
            self._go_on()
        elif isinstance(error, PersonalAnswer):
            self._fail_alike(run.request, error)
            self._go_on()
        elif isinstance(error, OriginStatus) and error.refused:
            self._refused(run, error)
        elif self._may_have_the_whole(run, error):
            self._generation.renew(evolve(self._generation.representation, rangeless=True))
            self._go_on()
        else:
            self._broken(run, error)

    def _learn_of_condition(self, run: Run, error: Exception) -> bool:
        """Whether If-Range may be what was refused: what comes without it is compared all the same."""
        if run.request is None or not isinstance(error, OriginStatus) or not refuses_condition(error.status):
            return False
        origin, refused = run.request.origin.name, self._around.refused
        if run.bound:
            refused.note(origin, Alteration.IF_RANGE, self._around.clock.seconds())
        else:
            refused.over(origin, Alteration.IF_RANGE)
        return run.bound

    def _learn_of_one_byte(self, run: Run, error: Exception) -> bool:
        """Whether it is refused that one byte alone was asked for, though it is there."""
        alone = run.asked is not None and run.asked.first == run.asked.last and run.start > 0
        if not alone or run.request is None or not isinstance(error, OriginStatus) or error.status != 416:
            return False
        self._around.refused.note(run.request.origin.name, Alteration.ONE_BYTE, self._around.clock.seconds())
        return True

    def _may_have_the_whole(self, run: Run, error: Exception) -> bool:
        """Whether it may be the range that was refused, and one who waits reads from the start, as without a cache."""
        if run.asked is None or run.request is None or run.request.exact:
            return False
        if not isinstance(error, OriginStatus) or not is_refusal(error.status):
            return False
        if error.status == 500 and run.start > MAX_WINDOW:
            # More likely it fails than refuses, and much would be sent again.
            return False
        return any(reader.start == 0 and reader.waiter is not None for reader in self._generation.readers)

    def _fail_alike(self, request: OriginRequest | None, error: Exception) -> bool:
        """What one request was told says nothing of others: who would not have sent that very one asks for himself.

        @return: whether it is of a reader at all, and not by a URL that another client brought.
        """
        believed = False
        for reader in list(self._generation.readers):
            own = reader.request
            if request is None or (own.url, own.fields) != (request.url, request.fields):
                reader.distrusts_freshest = True
                continue
            believed = True
            if reader.waiter is not None:
                self._waiters.fail_one(reader.waiter, reader.position, error)
        return believed

    def _refused(self, run: Run, error: OriginStatus) -> None:
        """The origin wants to be left alone by one credential; who waits with another one asks for himself."""
        for reader in list(self._generation.readers):
            waiter, position = reader.waiter, reader.position
            alike = run.request is None or limited_together(run.request.fields, reader.request.fields)
            in_it = run.position <= position and (run.stop is None or position < run.stop)
            if waiter is not None and in_it and alike:
                self._waiters.fail_one(waiter, position, error)
        self._ask_on()

    def _broken(self, run: Run, error: Exception) -> None:
        """Ask for the rest, at once where there was some progress, but not for ever where there is next to none."""
        failures = 0 if run.new_bytes >= MIN_PROGRESS else run.failures + run.answered
        self._remember(run.position, failures)
        delay: float | None = None
        if run.new_bytes and failures <= 1:
            delay = 0.0
        elif run.answered and not isinstance(error, InvalidAnswer):
            # A request that failed was tried again by the origin's client; a body was not.
            delay = retry_delay(failures)
        if delay is None:
            self._waiters.fail(error, run.position, run.stop)
            return
        self._around.accounts.retries += 1
        self._log.info(
            "{generation}: {error}; resuming at {at}", generation=self._generation, error=error, at=run.position
        )
        if not delay:
            self._go_on()
        elif self._again is None:
            self._again = self._around.clock.callLater(delay, self._try_again)

    def _check_size(self, run: Run, extent: BodyExtent) -> None:
        """An answer may be for less than was asked for; again and again for next to nothing, it is a failure.

        @raise BodyBroken: it is one.
        """
        if extent.stop is None or not self.joinable or extent.stop - run.start >= MIN_PROGRESS:
            return
        if any(limit is not None and extent.stop >= limit for limit in (run.stop, self.length)):
            return
        failures = run.failures + 1
        self._remember(extent.stop, failures)
        if failures >= MAX_ATTEMPTS:
            self._remember(run.start, failures)
            raise BodyBroken(f"no more than {extent.stop - run.start} bytes in an answer")

    def _remember(self, position: int, failures: int) -> None:
        """So many attempts in a row brought next to nothing of what comes from C{position} on."""
        if failures:
            self._failures[self._begins(position)] = failures
        if len(self._failures) > MAX_FAILURES:
            self._failures.popitem(last=False)

    def _begins(self, position: int) -> int:
        """Where a run has to begin to bring the byte at C{position}."""
        return 0 if self._generation.representation.rangeless else position

    def _unbegun(self, start: int, stop: int) -> set[int]:
        """The first and the last chunk of C{[start, stop)}, where nothing of them is here."""
        chunking = self._generation.chunking
        ends = {chunking.index(start), chunking.index(stop - 1)}
        return {index for index in ends if not self._contents.holds(index) and index not in self._contents.present}

    def _try_again(self) -> None:
        self._again = None
        self._go_on()

    def _go_on(self) -> None:
        self._ask_on()
        self._fill_in()

    def _ask_on(self) -> None:
        for reader in list(self._generation.readers):
            if reader.waiting:
                self.plan(reader)

    def _fill_in(self) -> None:
        """Fetch the part of a chunk that a run skipped, once; only whole chunks can be stored."""
        if (
            not self.joinable
            or self._generation.representation.rangeless
            or not self._generation.stored
            or self.last_request is None
        ):
            return
        chunking = self._generation.chunking
        self._sparse = {
            index
            for index in self._sparse
            if self._contents.holds(index) or self.coming_in(chunking.start(index), chunking.stop(index, self.length))
        }
        for buffer in self._contents.partial_chunks():
            index = self._generation.chunking.index(buffer.start)
            position = buffer.reach(buffer.start)
            if position in self._filled_in or index in self._sparse or self.coming_in(buffer.start, buffer.stop):
                continue
            self._filled_in.add(position)
            self._start_run(position, self._run_stop(position, buffer.stop), Priority.LOW, self.last_request, kept=True)


def _is_personal(response: IOriginResponse, request: OriginRequest) -> bool:
    """Whether a response may not be put beside what is stored for others."""
    if forbidden(response.status, request.fields, response.fields) is not None:
        return True
    return refuses(request.origin.set_cookie, response.fields, response.response_time)


def _is_gone(run: Run, error: Exception) -> bool:
    """Whether there is no such object any more; not what a range is refused by."""
    return run.asked is None and isinstance(error, OriginStatus) and error.status in (404, 410)
