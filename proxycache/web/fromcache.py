"""Answers from what is stored."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from attrs import evolve

from proxycache.fill.generation import Generation
from proxycache.interfaces import OriginRequest
from proxycache.policy.amplification import completed
from proxycache.policy.byterange import RangeSpec, wanted
from proxycache.policy.cachestatus import CacheStatus
from proxycache.policy.entry import Representation
from proxycache.policy.freshness import may_serve_on_error, remaining
from proxycache.policy.origins import ObjectTarget
from proxycache.policy.refusing import may_have_grown
from proxycache.policy.responding import Answer, Part, answer
from proxycache.policy.storing import forbidden, is_personal
from proxycache.stream.passthrough import PassthroughProducer
from proxycache.stream.servestream import ServeStream

from .exchange import Exchange


class FromCache:
    """What is stored, for one request: whether it will do, and the answer made from it."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._serving = exchange.serving

    def why_not(self, target: ObjectTarget, generation: Generation) -> str | None:
        """Why not all of the answer can be had from a generation, as a token for Cache-Status; None where it can.

        Without a validator no two responses may be put together; and what would come for this client alone is not kept.
        """
        representation, fields = generation.representation, self._exchange.fields
        alone = forbidden(representation.status, fields, representation.fields) if is_personal(fields) else None
        if alone is None and generation.joinable:
            return None
        parts = self._head(target, representation).parts
        if all(generation.can_serve(*_start_and_stop(part), fills=alone is None) for part in parts):
            return None
        return alone or "no-validator"

    def refuses(self, target: ObjectTarget, generation: Generation) -> str | None:
        """Why the client would be refused what is stored though the origin may serve him, as a token for Cache-Status.

        None where he would not be, or where the origin need not be asked: about an end it is once in a while.
        """
        representation = generation.representation
        match self._head(target, representation).status:
            case 412:
                return "precondition"
            case 416 if may_have_grown(representation, self._exchange.fields):
                return "end" if self._serving.ends.may_ask(target.key, self._serving.clock.seconds()) else None
        return None

    def may_be_stale(self, target: ObjectTarget, stale: Generation, disconnected: bool = False) -> bool:
        """Whether a stale generation may stand in for an origin that fails.

        @param disconnected: it gives no answer at all.
        """
        return (
            may_serve_on_error(
                stale.representation,
                self._exchange.fields,
                target.origin.ttls,
                self._serving.now(),
                disconnected=disconnected,
                stale_if_error=target.origin.stale_if_error,
            )
            and self.why_not(target, stale) is None
        )

    def hit(self, generation: Generation, asked: RangeSpec | None) -> CacheStatus:
        """What is told of an answer from a generation, without asking whether that may be reused."""
        if self._exchange.method == "HEAD":
            return CacheStatus(hit=True)
        start, stop = wanted(asked, generation.length)
        coming = True
        if stop is not None:
            here = generation.reach(start, stop)
            if here >= stop:
                return CacheStatus(hit=True)
            coming = generation.reach(here, here + 1, coming=True) > here
        return CacheStatus(fwd="partial", stored=generation.stored, collapsed=coming)

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
        request = exchange.upstream(target)
        sparse = self._sparse(generation, head.parts)
        first = self._stream(generation, head.parts[0], request, sparse[0])
        await first.prepare()
        if generation.length is not None and head.length is None:
            head = evolve(head, length=generation.length)
        if first.cause is not None:
            status = CacheStatus(fwd="bypass", detail=first.cause)
        exchange.write_head(head.status, head.fields, head.length, status)
        for number, part in enumerate(head.parts):
            stream = first if number == 0 else self._stream(generation, part, request, sparse[number])
            if part.head:
                exchange.write(part.head)
            await exchange.write_stream(stream)
        if head.tail:
            exchange.write(head.tail)

    def _head(self, target: ObjectTarget, representation: Representation) -> Answer:
        exchange = self._exchange
        return answer(
            representation,
            exchange.fields,
            exchange.method,
            self._serving.now(),
            always_partial=target.origin.always_partial,
            boundary=uuid.uuid4().hex.encode("ascii"),
            weak_if_range=target.origin.weak_if_range,
        )

    def _sparse(self, generation: Generation, parts: Sequence[Part]) -> list[bool]:
        """For each part whether no more than itself is to be fetched for it."""
        spans = [part.span for part in parts if part.span is not None]
        if len(spans) < 2:
            return [False] * len(parts)
        surplus = [generation.surplus(span.start, span.stop) for span in spans]
        whole = completed(surplus, sum(map(len, spans)), generation.chunking.size)
        return [not each for each in whole]

    def _stream(self, generation: Generation, part: Part, request: OriginRequest, sparse: bool) -> ServeStream:
        start, stop = _start_and_stop(part)
        request = evolve(request, begun=self._exchange.started)
        reader = generation.open_reader(start, stop, request, sparse=sparse)

        def passthrough(cursor: int) -> PassthroughProducer:
            return PassthroughProducer(
                self._serving.origin,
                evolve(request, begun=self._exchange.started),
                cursor,
                stop,
                generation.representation,
                self._serving.accounts,
                self._serving.clock,
            )

        return self._exchange.open_stream(reader, start, stop, passthrough)


def _start_and_stop(part: Part) -> tuple[int, int | None]:
    """The bytes of a part; None for an end that is not known yet."""
    return (0, None) if part.span is None else (part.span.start, part.span.stop)
