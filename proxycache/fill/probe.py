"""The probe: the request to the origin by which an entry is made or renewed, and who waits for its answer.

The first request for an unknown object is itself the probe: the client's range goes out at once, and the answer's
fields make the entry. Whoever asks for the same bytes meanwhile waits for that answer, and gets it where it may be
reused for his request without asking (RFC 9111, section 4). Where it may not, his own request goes out, at once, beside
those of all the others who waited.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from attrs import define, evolve, field
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from proxycache.errors import ObjectChanged, OriginStatus
from proxycache.interfaces import IOrigin, IOriginResponse, OriginRequest, Priority
from proxycache.policy.accept import asked_alike, selects
from proxycache.policy.altered import Alteration, Refused
from proxycache.policy.byterange import RangeSpec, format_range
from proxycache.policy.chunking import Chunking
from proxycache.policy.collapsing import HitForMiss, may_share, worth_waiting
from proxycache.policy.failing import limited_together
from proxycache.policy.fields import Fields
from proxycache.policy.forwarding import CONDITIONAL
from proxycache.policy.freshness import ever_reusable
from proxycache.policy.readahead import FIRST_WINDOW, NEAR
from proxycache.policy.validators import revalidating_fields

from .generation import Generation
from .question import Answer, Obtained, Question, Relayed, Told
from .surroundings import Surroundings


@define(eq=False)
class Waiting:
    """A client that waits for an answer.

    @ivar answer: cancelling it leaves others alone; the last one takes the request with it.
    @ivar probe: what it waits for.
    @ivar again: it has waited for another's answer before, which was of another variant.
    @ivar heard: how many interim responses of its probe were passed on to it.
    """

    question: Question
    answer: Deferred[Answer] = field(init=False)
    probe: Probe | None = None
    again: bool = False
    heard: int = 0

    def __attrs_post_init__(self) -> None:
        self.answer = Deferred(lambda _: self._leave())

    def _leave(self) -> None:
        if self.probe is not None:
            self.probe.leave(self)

    def hear(self, interim: Sequence[tuple[int, Fields]]) -> None:
        """Pass interim responses on, those that were not yet."""
        receiver = self.question.request.interim
        new, self.heard = interim[self.heard :], len(interim)
        if receiver is not None:
            for status, fields in new:
                receiver(status, fields)


@define(eq=False)
class Probe:
    """The request under way for a key.

    @ivar question: of the client whose request it is.
    @ivar sent: the request as it went out.
    @ivar pending: the request on its way to the origin.
    @ivar priority: how urgent it is: as for him among those who wait who is most in a hurry.
    @ivar outdated: what it brings is not for later requests: an unsafe request came between.
    @ivar interim: status and fields of the interim responses that came.
    """

    question: Question
    sent: OriginRequest
    _origin: IOrigin
    priority: Priority
    pending: Deferred[IOriginResponse] = field(init=False)
    outdated: bool = False
    interim: list[tuple[int, Fields]] = field(factory=list)
    _waiting: dict[Waiting, Priority] = field(factory=dict)
    _hurries: Counter[Priority] = field(factory=Counter)

    def __attrs_post_init__(self) -> None:
        self.sent = evolve(self.sent, interim=self._interim_came)
        self.pending = self._origin.fetch(self.sent, self.priority)

    def join(self, waiting: Waiting) -> None:
        """One more waits for the answer."""
        waiting.probe = self
        waiting.heard = 0
        priority = self._waiting[waiting] = waiting.question.priority
        self._hurries[priority] += 1
        self._press()
        self._tell(waiting)

    def _interim_came(self, status: int, fields: Fields) -> None:
        self.interim.append((status, fields))
        for waiting in list(self._waiting):
            self._tell(waiting)

    def _tell(self, waiting: Waiting) -> None:
        """Pass on what came before the answer, where it is nobody else's: others hear it if the answer is theirs."""
        if waiting.question is self.question or (waiting.question.anonymous and self.question.anonymous):
            waiting.hear(self.interim)

    def leave(self, waiting: Waiting) -> None:
        """One does not wait any more; with the last of them it ends."""
        waiting.probe = None
        self._hurries[self._waiting.pop(waiting)] -= 1
        if self._waiting:
            self._press()
        else:
            self.pending.cancel()

    def _press(self) -> None:
        priority = min(priority for priority, count in self._hurries.items() if count)
        if priority is not self.priority:
            self.priority = priority
            self._origin.urge(self.pending, priority)

    def over(self) -> list[Waiting]:
        """It was answered, or never will be: who waited for that."""
        told = list(self._waiting)
        self._waiting.clear()
        for waiting in told:
            waiting.probe = None
        return told

    @property
    def _has_conditions(self) -> bool:
        """Whether it went out with conditions of its client, whose outcome is nobody else's."""
        return self.question.request.exact and any(self.sent.fields.first(name) for name in CONDITIONAL - {b"range"})

    def serves(self, question: Question) -> bool:
        """Whether its answer is likely to answer C{question}, too."""
        mine = self.question
        near = question.start is not None and mine.start is not None and 0 <= question.start - mine.start <= NEAR
        return (
            (near or question.stale is not None)
            and (question.head or not mine.head)
            and question.request.method == mine.request.method
            and question.recorded == mine.recorded
            and (question.personal or not mine.personal)
            and self.sent.attempts >= question.request.attempts
            and self.sent.patient >= question.request.patient
            and self.sent.dispensable >= question.request.dispensable
            and not self.outdated
            and not self._has_conditions
        )


class Known(Protocol):
    """Who knows the generations."""

    def known(self, question: Question) -> Sequence[Generation]:
        """Those in memory that the answer to C{question} may be of."""


class Probes:
    """Those under way, by key, and by where they begin, so that who asks need not look at all of a key.

    @param answered: makes or renews an entry of a response; raises where that cannot be used.
    @param now: wall clock, seconds since the epoch.
    """

    def __init__(
        self,
        index: Known,
        answered: Callable[[IOriginResponse, Probe], Answer],
        around: Surroundings,
        chunk_size: int,
        now: Callable[[], float],
    ) -> None:
        self._index = index
        self._answered = answered
        self._around = around
        self._chunk_size = chunk_size
        self._now = now
        self._under_way: dict[bytes, dict[int, dict[Probe, None]]] = {}
        self._hit_for_miss = HitForMiss()

    def __contains__(self, key: bytes) -> bool:
        """Whether one is under way that will make or renew what is known of C{key}."""
        return any(probe.question.recorded for probe in self._all(key))

    def outdate(self, key: bytes) -> None:
        """What is under way for C{key} is not for later requests."""
        for probe in self._all(key):
            probe.outdated = True

    def _all(self, key: bytes) -> Iterator[Probe]:
        for beginning_there in self._under_way.get(key, {}).values():
            yield from beginning_there

    def ask(self, question: Question) -> Deferred[Answer]:
        """The answer to C{question}, by another's request where that will do, else by its own.

        @return: fails with an L{OriginError}. Cancelling leaves others alone; when all have, it is not asked for.
        """
        waiting = Waiting(question)
        self._join_or_send(waiting)
        return waiting.answer

    def _join_or_send(self, waiting: Waiting) -> None:
        question = waiting.question
        if question.target.key in self._under_way and self._worth_waiting(question):
            known = [each.representation for each in self._index.known(question)]
            for probe in self._likely(question):
                if probe.serves(question) and asked_alike(known, question.request.fields, probe.sent.fields):
                    probe.join(waiting)
                    return
        self._send(waiting)

    def _likely(self, question: Question) -> Iterator[Probe]:
        """Those that L{Probe.serves} may be true of."""
        if question.stale is not None:
            yield from self._all(question.target.key)
        elif question.start is not None:
            places, last = self._under_way[question.target.key], _place(question)
            yield from places.get(last, ())
            if last:
                yield from places.get(last - 1, ())

    def _worth_waiting(self, question: Question) -> bool:
        target, now = question.target, self._around.clock.seconds()
        stale = None if question.stale is None else question.stale.representation
        return worth_waiting(stale, question.request.fields, target.origin.ttls) and not self._hit_for_miss.lasts(
            target.key, question.personal, now
        )

    def _send(self, waiting: Waiting) -> None:
        question = waiting.question
        sent = _request_of(question, self._chunk_size, self._around.refused, self._around.clock.seconds())
        probe = Probe(question, sent, self._around.origin, question.priority)
        probe.join(waiting)
        self._under_way.setdefault(question.target.key, {}).setdefault(_place(question), {})[probe] = None
        answered: Deferred[Answer] = probe.pending.addCallback(self._answered, probe)
        answered.addBoth(self._settle, probe, waiting)

    def _settle(self, result: Answer | Failure, probe: Probe, first: Waiting) -> None:
        key, place = probe.question.target.key, _place(probe.question)
        places = self._under_way[key]
        del places[place][probe]
        if not places[place]:
            del places[place]
        if not places:
            del self._under_way[key]
        self._learn(result, probe.question)
        told = probe.over()
        if told and told[0] is first:
            first.answer.callback(result)
        elif isinstance(result, Relayed) and result.response is not None:
            result.response.abort()
        for waiting in told:
            if waiting is not first and not waiting.answer.called:
                self._share(result, waiting, probe)
        if isinstance(result, Obtained):
            result.generation.told()

    def _learn(self, result: Answer | Failure, question: Question) -> None:
        if isinstance(result, Failure):
            return
        if isinstance(result, Obtained) and result.personal is None:
            self._hit_for_miss.over(question.target.key)
        elif isinstance(result, Obtained) or (isinstance(result, Relayed) and result.unstorable):
            self._hit_for_miss.note(question.target.key, question.personal, self._around.clock.seconds())

    def _share(self, result: Answer | Failure, waiting: Waiting, probe: Probe) -> None:
        """Another's answer came: it serves this client as well, or his own request goes out."""
        if isinstance(result, Relayed):
            failed = result.failure
            mine, theirs = waiting.question.request.fields, probe.sent.fields
            if failed is not None and failed.refused and limited_together(mine, theirs):
                waiting.answer.errback(OriginStatus(result.status, failed.retry_after, refused=True))
            else:
                waiting.answer.callback(evolve(result, response=None))
            return
        if isinstance(result, Obtained):
            result = evolve(result, brought=None)
        if isinstance(result, Failure) and (result.check(ObjectChanged) or waiting.question.stands_in):
            waiting.answer.errback(result)
            return
        target, request = waiting.question.target, waiting.question.request
        fields, ttls = request.fields, target.origin.ttls
        known = self._index.known(waiting.question)
        stale = next((each for each in known if selects(each.representation, fields)), None)
        if isinstance(result, Failure):
            # It may have been for that request alone; attempts that another made in vain are not repeated by a crowd.
            waiting.question = evolve(waiting.question, request=evolve(request, attempts=1), stale=stale)
            self._send(waiting)
            return
        alone = result.alone if isinstance(result, Told) else result.personal is not None
        got, now, ends = result.representation, self._now(), waiting.question.target.ends
        if not alone and may_share(got, fields, ttls, now, ends):
            waiting.hear(probe.interim)
            waiting.answer.callback(evolve(result, collapsed=True))
            return
        waiting.question = evolve(waiting.question, stale=stale)
        if alone or selects(got, fields) or waiting.again or not ever_reusable(got, ttls):
            self._send(waiting)
        else:
            # Which fields select is known now: one request for each variant will do.
            waiting.again = True
            self._join_or_send(waiting)


def _place(question: Question) -> int:
    """Where it begins, in steps of L{NEAR}; -1 for a suffix."""
    return -1 if question.start is None else question.start // NEAR


def _request_of(question: Question, chunk_size: int, refused: Refused, now: float) -> OriginRequest:
    """The client's range, stretched to whole chunks where it has an end, and cut to the first window where not.

    Never beyond an end that is known; and as it is, without a condition, where the origin refuses anything else.
    """
    if question.request.exact and not question.head:
        return evolve(question.request, asked=question.asked)
    fields, asked, origin = question.request.fields, question.asked, question.target.origin.name
    known = None if question.stale is None else question.stale.representation
    plainly = any(refused.lasts(origin, altered, now) for altered in (Alteration.RANGE, Alteration.JOINING))
    if not question.head and not plainly:
        asked = _stretched(asked, chunk_size, None if known is None else known.length)
    if asked is not None:
        value = b"bytes=-%d" % (asked.last or 0)
        if asked.first is not None:
            value = format_range(asked.first, None if asked.last is None else asked.last + 1)
        fields = fields.adding((b"Range", value))
    if known is not None and not refused.lasts(origin, Alteration.CONDITION, now):
        fields = fields.adding(*revalidating_fields(known.fields, known.response_time))
    return evolve(question.request, fields=fields, asked=asked)


def _stretched(asked: RangeSpec | None, chunk_size: int, length: int | None) -> RangeSpec | None:
    if asked is None or asked.first is None:
        return asked
    chunking = Chunking(chunk_size)
    limit = chunking.start(chunking.index(asked.first)) + max(FIRST_WINDOW, chunk_size)
    if asked.last is not None:
        limit = min(limit, chunking.ceil(asked.last + 1, None))
    if length is not None and asked.first < length:
        limit = min(limit, length)
    return RangeSpec(asked.first, limit - 1)
