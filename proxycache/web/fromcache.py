"""Answers from what is stored."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from attrs import evolve

from proxycache.fill.generation import Generation
from proxycache.policy.altered import Alteration
from proxycache.policy.amplification import Outlay
from proxycache.policy.cachestatus import CacheStatus
from proxycache.policy.entry import Representation
from proxycache.policy.failing import Failed
from proxycache.policy.freshness import Reuse, may_serve_on_error, remaining, reuse
from proxycache.policy.origins import ObjectTarget
from proxycache.policy.refusing import PROTECTING, may_have_grown
from proxycache.policy.responding import Answer, Part, answer
from proxycache.policy.storing import forbidden, is_personal

from .exchange import Exchange
from .parts import Parts

AS_IT_CAME = "as-it-came"
"""Token for Cache-Status: of a request that may be signed nothing is fetched but by that very request."""


class FromCache:
    """What is stored, for one request: whether it will do, and the answer made from it."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._serving = exchange.serving
        self._made: tuple[Representation, Answer] | None = None

    def why_not(self, target: ObjectTarget, generation: Generation) -> str | None:
        """Why not all of the answer can be had from a generation, as a token for Cache-Status; None where it can.

        Without a validator no two responses may be put together; what would come for this client alone is not kept; and
        many small ranges here and there may cost us out of proportion to what they ask for.
        """
        representation, fields = generation.representation, self._exchange.fields
        alone = forbidden(representation.status, fields, representation.fields) if is_personal(fields) else None
        if alone is None and self._exchange.is_exact(target):
            alone = AS_IT_CAME
        if alone is None and self._comes_apart(target):
            alone = "object-changes"
        parts = self._head(target, representation).parts
        if alone is None and generation.joinable:
            outlay = self._outlay(generation, parts)
            return None if outlay is None or outlay.in_proportion else "out-of-proportion"
        if all(generation.can_serve(*part.start_and_stop, fills=alone is None) for part in parts):
            return None
        return alone or "no-validator"

    def _comes_apart(self, target: ObjectTarget) -> bool:
        """Whether nothing is to be put together that comes from an origin by several requests."""
        return self._serving.refused.lasts(target.origin.name, Alteration.JOINING, self._serving.clock.seconds())

    def refuses(self, target: ObjectTarget, generation: Generation) -> str | None:
        """Why the client would be refused what is stored though the origin may serve him, as a token for Cache-Status.

        None where he would not be, or where the origin need not be asked: about an end it is once in a while.
        """
        representation, fields = generation.representation, self._exchange.fields
        beyond = may_have_grown(representation, fields)
        if not beyond and all(fields.first(name) is None for name in PROTECTING):
            return None
        empty = representation.length == 0 and self._exchange.method == "GET"
        match self._head(target, representation).status:
            case 412:
                return "precondition"
            case 416 | 200 as status if beyond and (status == 416 or empty):
                return "end" if self._serving.ends.may_ask(target.key, self._serving.clock.seconds()) else None
        return None

    def stands_in(self, target: ObjectTarget, left: Generation | None, failed: Failed) -> bool:
        """Whether a generation may be the answer where the origin C{failed} so: a stale one, or one of another type."""
        if left is None:
            return False
        representation, fields = left.representation, self._exchange.fields
        ttls, now = target.origin.ttls, self._serving.now()
        good = reuse(representation, fields, ttls, now, target.ends) is Reuse.FRESH or may_serve_on_error(
            representation,
            fields,
            ttls,
            now,
            disconnected=failed.status is None,
            stale_if_error=target.origin.stale_if_error,
        )
        return good and self.why_not(target, left) is None

    def hit(self, target: ObjectTarget, generation: Generation) -> CacheStatus:
        """What is told of an answer from a generation, without asking whether that may be reused."""
        for part in self._head(target, generation.representation).parts:
            start, stop = part.start_and_stop
            here = start if stop is None else generation.reach(start, stop)
            if stop is None or here < stop:
                coming = stop is None or generation.reach(here, here + 1, coming=True) > here
                return CacheStatus(fwd="partial", stored=generation.stored, collapsed=coming)
        return CacheStatus(hit=True)

    def is_fresh(self, target: ObjectTarget, told: Representation) -> bool:
        """Whether what a HEAD was answered may be told without asking."""
        fields, now = self._exchange.fields, self._serving.now()
        return reuse(told, fields, target.origin.ttls, now, target.ends) is Reuse.FRESH

    def fails(self, target: ObjectTarget, told: Representation) -> bool:
        """Whether the client's preconditions fail on what a HEAD was answered: that is the origin's to say."""
        return self._head(target, told).status == 412

    def tell(self, target: ObjectTarget, told: Representation, status: CacheStatus) -> None:
        """Answer a HEAD by what one was answered."""
        status = evolve(status, ttl=remaining(told, target.origin.ttls, self._serving.now()))
        if self._serving.show_key:
            status = evolve(status, key=target.key)
        head = self._head(target, told)
        self._exchange.write_head(head.status, head.fields, head.length, status)

    async def serve(
        self,
        target: ObjectTarget,
        generation: Generation,
        status: CacheStatus,
        representation: Representation | None = None,
    ) -> None:
        """Answer from a generation; what is missing is fetched.

        @param representation: the record to answer from, where it is not that of the generation.
        @raise OriginError: what was missing could not be had.
        @raise ObjectChanged: likewise.
        """
        exchange, now = self._exchange, self._serving.now()
        representation = representation or generation.representation
        if status.fwd == "bypass" and status.detail is not None:
            self._serving.accounts.passthroughs[status.detail] += 1
        head = self._head(target, representation)
        if status.hit or status.stored or status.fwd in ("stale", "request"):
            status = evolve(status, ttl=remaining(representation, target.origin.ttls, now))
        if self._serving.show_key:
            status = evolve(status, key=target.key)
        if not head.parts:
            exchange.write_head(head.status, head.fields, head.length, status)
            return
        parts = Parts(exchange, generation, exchange.upstream(target), head.parts, self._sparse(generation, head.parts))
        cause = await parts.prepare()
        if generation.length is not None and head.length is None:
            head = evolve(head, length=generation.length)
        if cause is not None:
            status = CacheStatus(fwd="bypass", detail=cause)
        exchange.write_head(head.status, head.fields, head.length, status)
        await parts.write()
        if head.tail:
            exchange.write(head.tail)

    def _head(self, target: ObjectTarget, representation: Representation) -> Answer:
        """The answer; several ask for it, and it may be of many ranges."""
        if self._made is None or self._made[0] is not representation:
            exchange = self._exchange
            made = answer(
                representation,
                exchange.fields,
                exchange.method,
                self._serving.now(),
                always_partial=target.origin.always_partial,
                boundary=uuid.uuid4().hex.encode("ascii"),
                weak_if_range=target.origin.weak_if_range,
            )
            self._made = representation, made
        return self._made[1]

    def _outlay(self, generation: Generation, parts: Sequence[Part]) -> Outlay | None:
        """What it costs us to have several parts; None where there are not several."""
        spans = [part.span for part in parts if part.span is not None]
        return None if len(spans) < 2 else generation.outlay(spans)

    def _sparse(self, generation: Generation, parts: Sequence[Part]) -> list[bool]:
        """For each part whether no more than itself is to be fetched for it."""
        outlay = self._outlay(generation, parts)
        return [False] * len(parts) if outlay is None else [not each for each in outlay.whole]
