"""Answers for which the origin is asked, in the cache's way: together with others, and stored where that may be."""

from __future__ import annotations

from attrs import evolve
from twisted.python.failure import Failure

from proxycache.errors import (
    MalformedAnswer,
    ObjectChanged,
    OriginBusy,
    OriginError,
    OriginTimeout,
    UnsatisfiableRange,
)
from proxycache.fill.generation import Generation
from proxycache.fill.question import Obtained, Question, Relayed, Told
from proxycache.fill.refill import refill
from proxycache.interfaces import IOriginResponse, OriginRequest, Priority
from proxycache.policy.altered import Alteration, alteration, refuses
from proxycache.policy.answers import is_of_another, told_length
from proxycache.policy.byterange import RangeSpec, select
from proxycache.policy.cachestatus import CacheStatus
from proxycache.policy.failing import Ask, Failed, credential, failure_of
from proxycache.policy.forwarding import CONDITIONAL
from proxycache.policy.heads import head_failed, is_unknown
from proxycache.policy.origins import ObjectTarget
from proxycache.policy.responding import requested_ranges
from proxycache.policy.retrying import MAX_ATTEMPTS, RETRYABLE_STATUSES

from .asking import obtain_by_get
from .exchange import Exchange
from .fromcache import AS_IT_CAME, FromCache
from .relay import Relay


class FromOrigin:
    """Asks the origin for one request, and answers with what comes."""

    def __init__(self, exchange: Exchange, cache: FromCache, relay: Relay) -> None:
        self._exchange = exchange
        self._serving = exchange.serving
        self._cache = cache
        self._relay = relay

    async def answer(self, question: Question, status: CacheStatus) -> None:
        """Ask, and answer.

        @param status: why the origin is asked.
        @raise OriginError: it gave no answer, and nothing may stand in for it.
        @raise ObjectChanged: what was to be confirmed is another version: begin anew.
        """
        self._exchange.forwarding = status
        target, stale = question.target, question.stale
        if stale is not None and await self._stands_in_unasked(question, stale):
            return
        got: Obtained | Relayed | Told | OriginError
        try:
            got = await self._obtain(question)
            failed = got.failure if isinstance(got, Relayed) else None
        except OriginError as error:
            got, failed = error, failure_of(error)
        self._note(question, failed)
        left = stale
        if failed is not None and left is None:
            left = self._serving.manager.unwanted(target, question.request.fields)
        if failed is not None and left is not None and self._cache.stands_in(target, left, failed):
            if isinstance(got, Relayed) and got.response is not None:
                got.response.abort()
            status = evolve(status, fwd_status=failed.status, detail="origin-failed")
            await self._cache.serve(target, left, status)
            return
        if isinstance(got, OriginError):
            raise got
        if isinstance(got, Relayed):
            await self._not_stored(question, got, status)
            return
        if isinstance(got, Told):
            if self._cache.fails(target, got.representation):
                status = CacheStatus(fwd="request", detail="precondition")
                await self._relay.ask(target, "precondition", status)
            else:
                status = evolve(status, collapsed=got.collapsed, fwd_status=got.status)
                self._cache.tell(target, got.representation, status)
            return
        generation = got.generation
        why_not = self._cache.why_not(target, generation)
        if why_not is not None:
            await self._relay.bypass(target, why_not)
            return
        status = evolve(status, stored=got.stored, collapsed=got.collapsed, fwd_status=got.status)
        if self._cache.refuses(target, generation) == "precondition":
            # The origin was not told of it, and may read it less strictly.
            await self.overrule(target, generation, "precondition")
            return
        await self._cache.serve(target, generation, status, got.representation)

    async def answer_exactly(self, question: Question, status: CacheStatus) -> None:
        """The same by the request as it came, once; what it brings is stored if that may be.

        @raise OriginError: see L{answer}.
        @raise ObjectChanged: see L{answer}.
        """
        exchange, target = self._exchange, question.target
        specs = requested_ranges(exchange.fields)
        if exchange.method == "HEAD" or len(specs) > 1 or (exchange.fields.first(b"range") is not None and not specs):
            await self._relay.ask(target, AS_IT_CAME, evolve(status, detail=AS_IT_CAME))
            return
        request = self._relay.request(target, MAX_ATTEMPTS)
        await self.answer(evolve(question, request=request), status)

    async def overrule(self, target: ObjectTarget, generation: Generation, refusal: str) -> None:
        """Let the origin decide on a request that would be refused what is stored, though that is good.

        RFC 9111, section 4.3.2. Where it gives no answer, what is stored does.

        @param refusal: why, as a token for Cache-Status.
        @raise OriginError: its answer could not be finished.
        """
        status = self._exchange.forwarding = CacheStatus(fwd="request", detail=refusal)
        failed = evolve(status, detail="origin-failed")
        try:
            response = await self._relay.fetch(target, attempts=1, dispensable=True)
        except OriginError:
            await self._cache.serve(target, generation, failed)
            return
        if response.status in RETRYABLE_STATUSES:
            response.abort()
            await self._cache.serve(target, generation, evolve(failed, fwd_status=response.status))
            return
        representation, answered = generation.representation, response.response_time
        if is_of_another(
            representation, self._exchange.fields, response.status, response.fields, response.body_length, answered
        ):
            self._serving.manager.unusable(generation)
        elif refusal == "end" and response.status == 200:
            # It knows no such ranges, and has no more than we have.
            response.abort()
            await self._cache.serve(target, generation, evolve(status, fwd_status=200))
            return
        await self._relay.pass_on(target, response, status, refusal)

    async def _stands_in_unasked(self, question: Question, stale: Generation) -> bool:
        """Serve what is stale where the origin failed a moment ago, and that allows it; whether it was served."""
        name, failing = _name(question), self._serving.failing
        failed = failing.last(name)
        if failed is None or not self._cache.stands_in(question.target, stale, failed):
            return False
        ask = failing.ask(name, self._serving.clock.seconds())
        if ask is Ask.FIRST:
            return False
        if ask is Ask.BESIDE:
            self._renew(_beside(question.target, question.request, stale))
        await self._cache.serve(question.target, stale, CacheStatus(hit=True, detail="origin-failed"))
        return True

    async def _obtain(self, question: Question) -> Obtained | Relayed | Told:
        target, stale = question.target, question.stale
        without_answer = self._cache.stands_in(target, stale, Failed())
        for_failure = self._cache.stands_in(target, stale, Failed(503))
        failing = self._serving.failing.lasts(_name(question), self._serving.clock.seconds())
        request = evolve(
            question.request,
            # What is stored can be had at once, where it may stand in.
            attempts=1 if without_answer else MAX_ATTEMPTS,
            patient=not (for_failure or failing),
            dispensable=for_failure,
            interim=self._exchange.request.write_interim,
        )
        question = evolve(question, request=request, stands_in=without_answer)
        got: Obtained | Relayed | Told
        if self._exchange.method == "HEAD":
            got = await self._obtain_head(evolve(question, head=True), instead=for_failure)
        else:
            got = await obtain_by_get(self._serving, question)
        return got

    async def _obtain_head(self, question: Question, instead: bool) -> Obtained | Relayed | Told:
        """By HEAD; where that fails or tells no length, by a GET, whose refusal is not the client's.

        @param instead: whether what is stored may stand in for an origin that fails.
        @raise OriginError: neither was answered.
        """
        manager, refused, origin = self._serving.manager, self._serving.refused, question.target.origin.name
        now = self._serving.clock.seconds()
        by_head = evolve(question, request=evolve(question.request, method="HEAD", patient=False))
        if refused.lasts(origin, Alteration.HEAD, now):
            got = await self._first_bytes(question)
            if got is not None:
                return got
            refused.over(origin, Alteration.HEAD)
            return await manager.obtain(by_head)
        try:
            told = await manager.obtain(by_head)
        except (OriginTimeout, OriginBusy, MalformedAnswer):
            raise
        except OriginError as error:
            if failure_of(error).refused:
                raise
            got = await self._first_bytes(evolve(question, request=evolve(question.request, attempts=1)))
            if got is None:
                raise
            return got
        failed = isinstance(told, Relayed) and head_failed(told.status) and not (instead and told.status >= 500)
        if isinstance(told, Relayed) and told.failure is not None and told.failure.refused:
            return told
        if not failed and not (isinstance(told, Relayed) and told.cause == "no-length"):
            return told
        if isinstance(told, Relayed) and told.response is not None:
            told.response.abort()
        got = await self._first_bytes(question)
        if got is None:
            return told
        if is_unknown(told.status):
            refused.note(origin, Alteration.HEAD, now)
        return got

    async def _first_bytes(self, question: Question) -> Obtained | Relayed | Told | None:
        """What a GET tells that is made in place of a HEAD; None where the origin refuses that as well.

        Of two bytes, for some servers send all where one is asked for; else of all, which are not read.
        """
        for asked in (RangeSpec(0, 1), None):
            try:
                got = await self._serving.manager.obtain(evolve(question, asked=asked))
            except MalformedAnswer:
                return None
            except OriginError as error:
                if failure_of(error).refused:
                    raise
                continue
            if not isinstance(got, Relayed) or got.status < 400 or (got.failure is not None and got.failure.refused):
                return got
            if got.response is not None:
                got.response.abort()
        return None

    def _note(self, question: Question, failed: Failed | None) -> None:
        """Remember a failure, so that the next client does not wait for the same attempts."""
        name, failing = _name(question), self._serving.failing
        if failed is None:
            failing.over(name)
        else:
            failing.note(name, failed, self._serving.clock.seconds())

    async def _not_stored(self, question: Question, got: Relayed, status: CacheStatus) -> None:
        """The origin's answer is for this client alone."""
        target, response = question.target, got.response
        if got.cause == "no-length" and question.recorded and self._exchange.method == "GET":
            refill(self._serving.manager, target, self._exchange.upstream(target), question.asked)
        altered = None if response is None else self._altered(got)
        refused = response is not None and refuses(got.status, altered) and not self._overtaken(response)
        if response is not None and not question.request.exact and self._is_not_his(got, response, refused):
            response.abort()
            response = None
        status = evolve(status, detail=status.detail or got.cause)
        if response is None:
            # A crowd whose first request failed after all attempts does not repeat them one by one.
            response = await self._relay.fetch(target, 1 if got.failed else MAX_ATTEMPTS)
            if refused and altered is not None and response.status in (200, 206, 304):
                self._serving.refused.note(target.origin.name, altered, self._serving.clock.seconds())
        if not self._relay.answer_not_modified(response, status):
            await self._relay.pass_on(target, response, status, got.cause)

    def _altered(self, got: Relayed) -> Alteration | None:
        fields = self._exchange.fields
        if self._exchange.method == "HEAD":
            fields = fields.without({b"range", b"if-range"})
        return alteration(got.sent, fields)

    def _is_not_his(self, got: Relayed, response: IOriginResponse, refused: bool) -> bool:
        """Whether what came is not for the client, who gets what he asked for by another request.

        Its range was stretched or cut for the cache, or his preconditions were left out.

        @param refused: whether it may be due to what was altered.
        """
        fields = self._exchange.fields
        if response.status == 206 and self._exchange.method == "GET":
            return any(got.sent.all(name) != fields.all(name) for name in CONDITIONAL)
        return (
            (refused and not self._rightly_refused(response))
            or self._overtaken(response)
            or self._relay.precondition_fails(response)
        )

    def _overtaken(self, response: IOriginResponse) -> bool:
        """Whether a 416 came of a request without the client's preconditions, which precede (section 13.2.2)."""
        conditions = CONDITIONAL - {b"range"}
        return response.status == 416 and any(self._exchange.fields.first(name) is not None for name in conditions)

    def _rightly_refused(self, response: IOriginResponse) -> bool:
        """Whether the client's own ranges cannot be satisfied either, by the length that a 416 tells."""
        length = told_length(response.fields) if response.status == 416 else None
        if not length:
            # Of nothing servers send all the same for many a range that was not asked for.
            return False
        try:
            select(requested_ranges(self._exchange.fields), length)
        except UnsatisfiableRange:
            return True
        return False

    def revalidate(self, target: ObjectTarget, request: OriginRequest, generation: Generation) -> None:
        """Beside the client's answer (RFC 5861, section 3); not where that failed a moment ago."""
        question = _beside(target, request, generation)
        if self._serving.failing.ask(_name(question), self._serving.clock.seconds()) is not Ask.NOT:
            self._renew(question)

    def _renew(self, question: Question) -> None:
        """Once, however many clients are answered meanwhile."""
        if self._serving.manager.asking(question.target):
            return

        def over(got: Obtained | Relayed | Told) -> None:
            if isinstance(got, Relayed) and got.response is not None:
                got.response.abort()
            self._note(question, got.failure if isinstance(got, Relayed) else None)

        def failed(failure: Failure) -> None:
            failure.trap(OriginError, ObjectChanged)
            if isinstance(failure.value, OriginError):
                self._note(question, failure_of(failure.value))

        self._serving.manager.obtain(question).addCallbacks(over, failed)


def _beside(target: ObjectTarget, request: OriginRequest, generation: Generation) -> Question:
    """The question whether a generation is still good, for no client that waits."""
    request = evolve(request, attempts=1, patient=False)
    return Question(target, request, None, generation, head=True, priority=Priority.MEDIUM)


def _name(question: Question) -> bytes:
    """What fails together: an object, asked for by one client."""
    return question.target.source_url + b" " + credential(question.request.fields)
