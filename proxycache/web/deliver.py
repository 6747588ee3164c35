"""One request, from its target to the last byte of its answer: what the cache does with it."""

from __future__ import annotations

from attrs import evolve
from twisted.internet.defer import CancelledError

from proxycache.errors import BadTarget, MetadataUnavailable, ObjectChanged, OriginStatus, ProxycacheError
from proxycache.fill.generation import Generation
from proxycache.fill.question import Question
from proxycache.fill.refill import refill
from proxycache.interfaces import OriginRequest
from proxycache.log import make_logger
from proxycache.policy.altered import is_refusal
from proxycache.policy.byterange import RangeSpec
from proxycache.policy.cachestatus import CacheStatus
from proxycache.policy.collapsing import may_share
from proxycache.policy.entry import Representation
from proxycache.policy.fields import parse_directives
from proxycache.policy.foreign import as_azure_reads, is_azure, is_foreign
from proxycache.policy.forwarding import came_back, max_forwards
from proxycache.policy.freshness import Reuse, reuse
from proxycache.policy.origins import ObjectTarget, resolve_target
from proxycache.policy.responding import requested_ranges

from .answers import ErrorAnswer
from .exchange import Exchange
from .fromcache import AS_IT_CAME, FromCache
from .fromorigin import FromOrigin
from .relay import Relay
from .request import StrictRequest
from .serving import Serving

NOT_CACHED = ErrorAnswer(504, "not in the cache, and only-if-cached")
"""RFC 9111, section 5.2.1.7."""

CAME_BACK = ErrorAnswer(508, "this request has been here before: an origin leads back to this proxy")
"""RFC 5842, section 7.2."""

MAX_BEGINNINGS = 3
"""How often an answer is begun anew because the object changed before its first byte."""


class Delivery:
    """The answer to one request."""

    def __init__(self, serving: Serving, request: StrictRequest) -> None:
        self._serving = serving
        self._exchange = Exchange(serving, request)
        self._relay = Relay(self._exchange)
        self._cache = FromCache(self._exchange)
        self._origin = FromOrigin(self._exchange, self._cache, self._relay)
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
        if came_back(exchange.fields, self._serving.pseudonym):
            exchange.refuse(CAME_BACK)
            return
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
        if is_foreign(exchange.fields):
            understood = as_azure_reads(exchange.fields)
            if understood is None or not await self._is_azure(target):
                if self._only_if_cached():
                    exchange.refuse(NOT_CACHED)
                else:
                    await self._relay.ask_as_it_came(target)
                return
            exchange.fields = understood
        await self._get(target)

    async def _is_azure(self, target: ObjectTarget) -> bool:
        """Whether an origin is one of Azure's, by its configuration, its answers, or what is stored of it."""
        origin, azure = target.origin, self._serving.azure
        if origin.type != "azure" and origin.name not in azure:
            try:
                generation = await self._serving.manager.lookup(target, self._exchange.upstream(target).fields)
            except MetadataUnavailable:
                return False
            if generation is None or not is_azure(generation.representation.fields):
                return False
            azure.add(origin.name)
        return True

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
            except OriginStatus as error:
                if exchange.started or not is_refusal(error.status):
                    raise
                # It was refused what we asked for, which is not what the client did.
                exchange.close_streams()
                await self._relay.bypass(target, "refused")
                return
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
        told = manager.told(target, request.fields) if exchange.method == "HEAD" else None
        only_if_cached = self._only_if_cached()
        if told is not None and _is_newer(told, generation) and self._cache.is_fresh(target, told):
            if self._cache.fails(target, told) and not only_if_cached:
                await self._relay.ask(target, "precondition", CacheStatus(fwd="request", detail="precondition"))
            else:
                self._cache.tell(target, told, CacheStatus(hit=True))
            return
        status = CacheStatus(fwd="vary-miss" if manager.has_variants(target) else "uri-miss")
        stale: Generation | None = None
        if generation is not None:
            ttls, now = target.origin.ttls, self._serving.now()
            verdict = reuse(generation.representation, exchange.fields, ttls, now, target.ends)
            if verdict is Reuse.FRESH or (verdict is Reuse.STALE_WHILE_REVALIDATE and not request.exact):
                why_not = self._cache.why_not(target, generation)
                if why_not is None:
                    if verdict is Reuse.STALE_WHILE_REVALIDATE:
                        self._origin.revalidate(target, request, generation)
                    refusal = None if only_if_cached else self._cache.refuses(target, generation)
                    if refusal is None:
                        await self._cache.serve(target, generation, self._cache.hit(target, generation))
                    else:
                        await self._origin.overrule(target, generation, refusal)
                    return
                if asked is not None and not only_if_cached and why_not != AS_IT_CAME:
                    await self._relay.bypass(target, why_not)
                    return
                status = CacheStatus(fwd="partial")
            else:
                stale = generation
                status = CacheStatus(fwd="stale" if verdict is Reuse.REVALIDATE else "request")
        if only_if_cached:
            exchange.refuse(NOT_CACHED)
            return
        question = Question(target, request, asked, stale)
        if request.exact:
            await self._origin.answer_exactly(question, status)
        else:
            await self._origin.answer(question, status)

    async def _without_records(self, target: ObjectTarget, request: OriginRequest, cause: str) -> None:
        """What is cached cannot be known now: past the cache, but together with all who ask for the same meanwhile.

        @param cause: token for Cache-Status.
        """
        exchange, manager = self._exchange, self._serving.manager
        asked, status = self._first_range(), CacheStatus(fwd="bypass", detail=cause)
        generation = manager.unrecorded(target, request.fields)
        if generation is not None and self._cache.why_not(target, generation) is None:
            representation, ttls, now = generation.representation, target.origin.ttls, self._serving.now()
            shared = may_share(representation, exchange.fields, ttls, now, target.ends)
            if shared and (self._only_if_cached() or self._cache.refuses(target, generation) is None):
                await self._cache.serve(target, generation, evolve(status, collapsed=True))
                return
        if self._only_if_cached():
            exchange.refuse(NOT_CACHED)
        elif exchange.method == "HEAD" or request.exact:
            await self._relay.bypass(target, cause)
        else:
            await self._origin.answer(Question(target, request, asked, generation, recorded=False), status)

    # What the client asks for

    def _first_range(self) -> RangeSpec | None:
        exchange = self._exchange
        specs = requested_ranges(exchange.fields) if exchange.method == "GET" else ()
        return specs[0] if specs else None

    def _only_if_cached(self) -> bool:
        return "only-if-cached" in parse_directives(self._exchange.fields.all(b"cache-control"))


def _is_newer(told: Representation, generation: Generation | None) -> bool:
    """Whether what a HEAD was answered came after what is stored, and can be told in its place."""
    return generation is None or told.response_time > generation.representation.response_time
