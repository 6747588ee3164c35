"""One request, from its target to the last byte of its answer: what the cache does with it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from attrs import evolve
from twisted.internet.defer import CancelledError

from proxycache.errors import (
    BadTarget,
    InvalidAnswer,
    MalformedField,
    MetadataUnavailable,
    ObjectChanged,
    OriginError,
    ProxycacheError,
    UnsatisfiableRange,
)
from proxycache.fill.generation import Generation
from proxycache.fill.probe import Obtained, Question, Relayed
from proxycache.fill.refill import refill
from proxycache.interfaces import IOriginResponse, OriginRequest, Priority
from proxycache.log import make_logger
from proxycache.policy.amplification import completed
from proxycache.policy.byterange import RangeSpec, parse_content_range, select, wanted
from proxycache.policy.cachestatus import CacheStatus
from proxycache.policy.collapsing import may_share
from proxycache.policy.entry import Representation
from proxycache.policy.fields import parse_directives
from proxycache.policy.forwarding import CONDITIONAL, max_forwards
from proxycache.policy.freshness import Reuse, may_serve_on_error, remaining, reuse
from proxycache.policy.origins import ObjectTarget, resolve_target
from proxycache.policy.responding import Answer, Part, answer, requested_ranges
from proxycache.policy.retrying import MAX_ATTEMPTS, RETRYABLE_STATUSES
from proxycache.policy.storing import forbidden, is_personal
from proxycache.stream.passthrough import PassthroughProducer
from proxycache.stream.servestream import ServeStream

from .answers import ErrorAnswer
from .exchange import Exchange
from .protocol import StrictRequest
from .relay import Relay
from .serving import Serving

NOT_CACHED = ErrorAnswer(504, "not in the cache, and only-if-cached")
"""RFC 9111, section 5.2.1.7."""

MAX_BEGINNINGS = 3
"""How often an answer is begun anew because the object changed before its first byte."""


class Delivery:
    """The answer to one request."""

    def __init__(self, serving: Serving, request: StrictRequest) -> None:
        self._serving = serving
        self._exchange = Exchange(serving, request)
        self._relay = Relay(self._exchange)
        self._log = make_logger()

    async def run(self) -> None:
        """Answer. Nothing is raised: what fails becomes a status, or an aborted connection."""
        exchange = self._exchange
        try:
            await self._answer()
        except Exception as error:
            if exchange.gone.called:
                return
            await exchange.fail(error)
        finally:
            exchange.close_streams()
            exchange.account()

    async def _answer(self) -> None:
        exchange = self._exchange
        method, request = exchange.method, exchange.request
        if request.uri == b"*" and method == "OPTIONS":
            exchange.refuse(ErrorAnswer(204, "", ((b"Allow", b"GET, HEAD, OPTIONS"),)))
            return
        if method in ("CONNECT", "TRACE"):
            exchange.not_allowed(("GET", "HEAD", "OPTIONS"))
            return
        target = exchange.target = resolve_target(request.uri, self._serving.origins, exchange.is_for_us)
        if method not in target.origin.methods:
            exchange.not_allowed(target.origin.methods)
            return
        if method == "OPTIONS" and max_forwards(exchange.fields) == 0:
            allow = ", ".join(target.origin.methods).encode("ascii")
            exchange.refuse(ErrorAnswer(204, "", ((b"Allow", allow),)))
            return
        if method not in ("GET", "HEAD"):
            await self._relay.forward(target)
            return
        if request.body_size:
            raise BadTarget(f"a {method} with a body is not accepted")
        await self._get(target)

    async def _get(self, target: ObjectTarget) -> None:
        exchange = self._exchange
        for _ in range(MAX_BEGINNINGS):
            try:
                await self._try_cache(target)
                return
            except ObjectChanged:
                if exchange.started:
                    raise
                exchange.close_streams()
            except (ProxycacheError, CancelledError):
                raise
            except Exception:
                # Nobody foresaw it; still, the origin can serve this client.
                if exchange.started:
                    raise
                self._log.failure("unforeseen error in the cache; passing it by")
                exchange.close_streams()
                await self._relay.bypass(target, "internal-error")
                return
        await self._relay.bypass(target, "object-changes")

    async def _try_cache(self, target: ObjectTarget) -> None:
        exchange, manager = self._exchange, self._serving.manager
        request = exchange.upstream(target)
        try:
            generation = await manager.lookup(target, request.fields)
        except MetadataUnavailable as error:
            await self._without_records(target, request, error.cause)
            return
        asked = self._first_range()
        if generation is not None and generation.length is None and not generation.runs:
            manager.unusable(generation)
            refill(manager, target, request, asked)
            await self._relay.bypass(target, "no-length")
            return
        only_if_cached = self._only_if_cached()
        status = CacheStatus(fwd="vary-miss" if manager.has_variants(target) else "uri-miss")
        stale: Generation | None = None
        if generation is not None:
            ttls, now = target.origin.ttls, self._serving.now()
            verdict = reuse(generation.representation, exchange.fields, ttls, now)
            if verdict in (Reuse.FRESH, Reuse.STALE_WHILE_REVALIDATE):
                why_not = self._why_not(target, generation)
                if why_not is None:
                    if verdict is Reuse.STALE_WHILE_REVALIDATE:
                        self._revalidate(target, request, generation)
                    await self._serve(target, generation, self._hit(generation, asked))
                    return
                if asked is not None and not only_if_cached:
                    await self._relay.bypass(target, why_not)
                    return
                status = CacheStatus(fwd="partial")
            else:
                stale = generation
                status = CacheStatus(fwd="stale" if verdict is Reuse.REVALIDATE else "request")
        if only_if_cached:
            exchange.refuse(NOT_CACHED)
            return
        await self._forward(Question(target, request, asked, stale), status)

    async def _without_records(self, target: ObjectTarget, request: OriginRequest, cause: str) -> None:
        """What is cached cannot be known now: past the cache, but together with all who ask for the same meanwhile.

        @param cause: token for Cache-Status.
        """
        exchange, manager = self._exchange, self._serving.manager
        asked, status = self._first_range(), CacheStatus(fwd="bypass", detail=cause)
        generation = manager.unrecorded(target, request.fields)
        if generation is not None and self._why_not(target, generation) is None:
            representation, ttls, now = generation.representation, target.origin.ttls, self._serving.now()
            if may_share(representation, exchange.fields, ttls, now):
                await self._serve(target, generation, evolve(status, collapsed=True))
                return
        if self._only_if_cached():
            exchange.refuse(NOT_CACHED)
        elif exchange.method == "HEAD":
            await self._relay.bypass(target, cause)
        else:
            await self._forward(Question(target, request, asked, generation, recorded=False), status)

    # What the client asks for

    def _first_range(self) -> RangeSpec | None:
        exchange = self._exchange
        specs = requested_ranges(exchange.fields) if exchange.method == "GET" else ()
        return specs[0] if specs else None

    def _only_if_cached(self) -> bool:
        return "only-if-cached" in parse_directives(self._exchange.fields.all(b"cache-control"))

    def _why_not(self, target: ObjectTarget, generation: Generation) -> str | None:
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

    def _head(self, target: ObjectTarget, representation: Representation) -> Answer:
        exchange = self._exchange
        return answer(
            representation,
            exchange.fields,
            exchange.method,
            self._serving.now(),
            always_partial=target.origin.always_partial,
            boundary=uuid.uuid4().hex.encode("ascii"),
        )

    def _hit(self, generation: Generation, asked: RangeSpec | None) -> CacheStatus:
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

    def _may_be_stale(self, target: ObjectTarget, stale: Generation, disconnected: bool = False) -> bool:
        return (
            may_serve_on_error(
                stale.representation,
                self._exchange.fields,
                target.origin.ttls,
                self._serving.now(),
                disconnected=disconnected,
                stale_if_error=target.origin.stale_if_error,
            )
            and self._why_not(target, stale) is None
        )

    # Asking the origin

    async def _forward(self, question: Question, status: CacheStatus) -> None:
        self._exchange.forwarding = status
        target, stale = question.target, question.stale
        try:
            got = await self._obtain(question)
        except OriginError:
            if stale is None or not self._may_be_stale(target, stale, disconnected=True):
                raise
            await self._serve(target, stale, evolve(status, detail="origin-failed"))
            return
        if isinstance(got, Relayed):
            await self._not_stored(question, got, status)
            return
        generation = got.generation
        why_not = self._why_not(target, generation)
        if why_not is not None:
            await self._relay.bypass(target, why_not)
            return
        status = evolve(status, stored=got.stored, collapsed=got.collapsed, fwd_status=got.status)
        await self._serve(target, generation, status, got.representation)

    async def _obtain(self, question: Question) -> Obtained | Relayed:
        target, stale, manager = question.target, question.stale, self._serving.manager
        head = self._exchange.method == "HEAD"
        asked = RangeSpec(0, 0) if head else question.asked
        without_answer = stale is not None and self._may_be_stale(target, stale, disconnected=True)
        for_failure = stale is not None and self._may_be_stale(target, stale)
        failing = self._serving.failing.lasts(target.source_url, self._serving.clock.seconds())
        request = evolve(
            question.request,
            # What is stored can be had at once, where it may stand in.
            attempts=1 if without_answer else MAX_ATTEMPTS,
            patient=not (for_failure or failing),
            interim=self._exchange.request.write_interim,
        )
        question = evolve(question, request=request, asked=asked, head=head)
        of_the_whole = evolve(question, asked=None)
        try:
            got = await manager.obtain(question)
        except InvalidAnswer:
            if asked is None:
                raise
            # It makes a mess of ranges; perhaps it gets the whole right.
            got = await manager.obtain(of_the_whole)
        if head and isinstance(got, Relayed) and got.response is not None and got.response.status == 416:
            got.response.abort()
            got = await manager.obtain(of_the_whole)
        self._note(target, got)
        return got

    def _note(self, target: ObjectTarget, got: Obtained | Relayed) -> None:
        """Remember a failure, so that the next client does not wait for the same attempts."""
        failing = self._serving.failing
        if isinstance(got, Obtained):
            failing.over(target.source_url)
        elif got.response is not None and got.response.status in RETRYABLE_STATUSES:
            failing.note(target.source_url, self._serving.clock.seconds())
        elif got.response is not None:
            failing.over(target.source_url)

    async def _not_stored(self, question: Question, got: Relayed, status: CacheStatus) -> None:
        """The origin's answer is for this client alone, or a failure that what is stored may stand in for."""
        target, stale = question.target, question.stale
        response = got.response
        failed = got.status >= 500 or got.status == 429
        if failed and stale is not None and self._may_be_stale(target, stale):
            if response is not None:
                response.abort()
            await self._serve(target, stale, evolve(status, fwd_status=got.status, detail="origin-failed"))
            return
        if got.cause == "no-length" and question.recorded:
            refill(self._serving.manager, target, self._exchange.upstream(target), question.asked)
        if response is not None and (response.status == 206 or self._wrongly_refused(response)):
            # Its range was stretched or cut for the cache; the client gets the one it asked for.
            response.abort()
            response = None
        status = evolve(status, detail=status.detail or got.cause)
        if response is None:
            # A crowd whose first request failed after all attempts does not repeat them one by one.
            await self._relay.ask(target, got.cause, status, 1 if got.failed else MAX_ATTEMPTS)
        elif not self._relay.answer_precondition(response, status):
            await self._relay.pass_on(target, response, status, got.cause)

    def _wrongly_refused(self, response: IOriginResponse) -> bool:
        """Whether a 416 was for our range alone: the client may want something else, or its preconditions precede."""
        exchange = self._exchange
        if response.status != 416 or exchange.method != "GET":
            return False
        if any(exchange.fields.first(name) is not None for name in CONDITIONAL - {b"range"}):
            return True
        try:
            refused = parse_content_range(response.fields.first(b"content-range") or b"")
            select(requested_ranges(exchange.fields), refused.length or 0)
        except (MalformedField, UnsatisfiableRange):
            return False
        return True

    def _revalidate(self, target: ObjectTarget, request: OriginRequest, generation: Generation) -> None:
        """Beside the client's answer (RFC 5861, section 3); once, however many clients are answered meanwhile."""
        if self._serving.manager.asking(target):
            return
        renewing = self._serving.manager.obtain(
            Question(target, request, None, generation, head=True, priority=Priority.MEDIUM)
        )

        def over(got: object) -> None:
            if isinstance(got, Relayed) and got.response is not None:
                got.response.abort()

        renewing.addCallbacks(over, lambda failure: failure.trap(OriginError, ObjectChanged))

    # Answering from the cache

    async def _serve(
        self,
        target: ObjectTarget,
        generation: Generation,
        status: CacheStatus,
        representation: Representation | None = None,
    ) -> None:
        """@param representation: the record to answer from, where it is not that of the generation."""
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
        representation = generation.representation

        def passthrough(cursor: int) -> PassthroughProducer:
            return PassthroughProducer(
                self._serving.origin,
                evolve(request, begun=self._exchange.started),
                cursor,
                stop,
                representation.validator,
                generation.length,
                representation.fields.members(b"content-encoding"),
                self._serving.accounts,
                self._serving.clock,
            )

        return self._exchange.open_stream(reader, start, stop, passthrough)


def _start_and_stop(part: Part) -> tuple[int, int | None]:
    """The bytes of a part; None for an end that is not known yet."""
    return (0, None) if part.span is None else (part.span.start, part.span.stop)


__all__ = ["Delivery"]
