"""Answers past the cache: the origin's own, for one client alone."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from proxycache.errors import OriginError
from proxycache.interfaces import IOriginResponse, OriginRequest, Priority
from proxycache.log import make_logger
from proxycache.policy.answers import BodyExtent, Version, sole_part
from proxycache.policy.cachestatus import CacheStatus
from proxycache.policy.fields import parse_content_length
from proxycache.policy.foreign import is_azure, is_foreign
from proxycache.policy.forwarding import relayed_fields
from proxycache.policy.invalidation import SAFE_METHODS, invalidated_targets
from proxycache.policy.origins import ObjectTarget
from proxycache.policy.responding import Answer, conditional_answer
from proxycache.policy.retrying import MAX_ATTEMPTS
from proxycache.policy.validators import binding_validator
from proxycache.stream.passthrough import PassthroughProducer

from .exchange import Exchange


class Relay:
    """Passes requests and answers on as they are."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._serving = exchange.serving
        self._pending: Deferred[IOriginResponse] | None = None
        self._log = make_logger()

    async def bypass(self, target: ObjectTarget, cause: str) -> None:
        """Ask the origin although the cache should have answered.

        @param cause: token for Cache-Status.
        """
        await self.ask(target, cause, CacheStatus(fwd="bypass", detail=cause))

    async def ask(self, target: ObjectTarget, cause: str, status: CacheStatus) -> None:
        """Ask the origin for this client alone, with its own range and preconditions.

        @raise OriginError: no answer, or an unfinished one.
        """
        self._exchange.forwarding = status
        response = await self.fetch(target, MAX_ATTEMPTS)
        if not self.answer_not_modified(response, status):
            await self.pass_on(target, response, status, cause)

    async def ask_as_it_came(self, target: ObjectTarget) -> None:
        """Ask the origin what it alone understands, and learn whether it is one of Azure's.

        @raise OriginError: no answer, or an unfinished one.
        """
        status = self._exchange.forwarding = CacheStatus(fwd="request", detail="foreign-range")
        response = await self.fetch(target, MAX_ATTEMPTS)
        if is_azure(response.fields):
            self._serving.azure.add(target.origin.name)
        await self.pass_on(target, response, status, "foreign-range")

    async def forward(self, target: ObjectTarget) -> None:
        """Forward a request that the cache cannot answer, its body streamed, and drop what it made out of date.

        @raise OriginError: no answer, or an unfinished one.
        """
        exchange = self._exchange
        status = exchange.forwarding = CacheStatus(fwd="method")
        if exchange.method in SAFE_METHODS:
            response = await self.fetch(target, MAX_ATTEMPTS)
        else:
            response = await self._whoever_waits(self._change(target))
        body = exchange.request.body
        early = body is not None and not body.complete
        try:
            await self.pass_on(target, response, status, "method")
        finally:
            if early and exchange.method not in SAFE_METHODS:
                # The change may have been made only at the end of the body: nothing that was got meanwhile may stay.
                self._in_the_background(self._invalidate(target, response))

    async def _change(self, target: ObjectTarget) -> IOriginResponse:
        """Send a request that is not safe, and forget what it made out of date, also where its outcome is not known."""
        try:
            response = await self.fetch(target, 1)
        except OriginError:
            await self._serving.manager.invalidate(target)
            raise
        try:
            await self._invalidate(target, response)
        except BaseException:
            response.abort()
            raise
        return response

    async def _invalidate(self, target: ObjectTarget, response: IOriginResponse) -> None:
        exchange, origins = self._exchange, self._serving.origins
        for stale in invalidated_targets(
            exchange.method, target, response.status, response.fields, origins, exchange.knows_us_as
        ):
            await self._serving.manager.invalidate(stale)

    def _in_the_background(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        Deferred.fromCoroutine(work).addErrback(lambda failure: self._log.failure("invalidating failed", failure))

    async def fetch(self, target: ObjectTarget, attempts: int, dispensable: bool = False) -> IOriginResponse:
        """The origin's answer to the request as the client made it.

        @param dispensable: what is stored stands in for a failure.
        @raise OriginError: there is none.
        """
        request = evolve(self.request(target, attempts), dispensable=dispensable)
        self._pending = self._serving.origin.fetch(request, Priority.CRITICAL)
        return await self._pending

    def request(self, target: ObjectTarget, attempts: int) -> OriginRequest:
        """The request as the client made it."""
        exchange = self._exchange
        body = exchange.request.body
        fields = relayed_fields(
            exchange.as_it_came,
            self._serving.pseudonym,
            exchange.method,
            with_body=body is not None,
            underscores=target.origin.underscores,
        )
        if body is not None and body.complete:
            fields = fields.without({b"expect"})
        return evolve(
            exchange.upstream(target),
            attempts=attempts,
            patient=attempts > 1,
            method=exchange.method,
            fields=fields,
            body=body,
            interim=exchange.request.write_interim,
        )

    async def _whoever_waits(self, work: Coroutine[Deferred[Any], Any, IOriginResponse]) -> IOriginResponse:
        """What C{work} gives. Where the client leaves meanwhile it goes on without us, and its response is dropped.

        Unless it still waits for a connection: then nothing of it was sent, and nothing will be.
        """
        waiter: Deferred[IOriginResponse] = Deferred(lambda _: self._withdraw())

        def done(response: IOriginResponse) -> None:
            if waiter.called:
                response.abort()
            else:
                waiter.callback(response)

        def failed(failure: Failure) -> None:
            if not waiter.called:
                waiter.errback(failure)

        Deferred.fromCoroutine(work).addCallbacks(done, failed)
        return await waiter

    def _withdraw(self) -> None:
        if self._pending is not None:
            self._serving.origin.withdraw(self._pending)

    async def pass_on(self, target: ObjectTarget, response: IOriginResponse, status: CacheStatus, cause: str) -> None:
        """Pass an origin's answer on as it is; a body that breaks is resumed where that is certain.

        @raise OriginError: its body could not be finished.
        @raise ObjectChanged: likewise.
        """
        exchange = self._exchange
        if response.status == 412 and exchange.method in SAFE_METHODS:
            # Else a client that has the first pieces of what is stored cannot go on while that is fresh.
            self._serving.manager.contradicted(target, exchange.fields, response)
        fields = response.fields.end_to_end().without({b"content-length"})
        length = response.body_length
        if exchange.method == "HEAD" or response.status in (204, 205, 304):
            told = parse_content_length(response.fields.first(b"content-length"))
            response.abort()
            if exchange.method != "HEAD":
                told = 0 if response.status == 205 else None
            exchange.write_head(response.status, fields, told, status)
            return
        self._serving.accounts.passthroughs[cause] += 1
        placed = exchange.method == "GET" and not is_foreign(exchange.fields)
        start, complete = _start_and_length(response) if placed else (None, None)
        answered = response.response_time
        validator = binding_validator(response.fields, complete, answered) if start is not None else None
        version = Version(response.fields, complete, validator, answered)
        extent = BodyExtent(start or 0, None if length is None else (start or 0) + length, complete)

        def passthrough(cursor: int) -> PassthroughProducer:
            producer = PassthroughProducer(
                self._serving.origin,
                exchange.upstream(target),
                cursor,
                extent.stop,
                version,
                self._serving.accounts,
                self._serving.clock,
            )
            producer.adopt(response, extent)
            return producer

        stream = exchange.open_stream(None, extent.start, extent.stop, passthrough)
        stream.cause = cause
        exchange.write_head(response.status, fields, length, status)
        if length == 0:
            response.abort()
            return
        await exchange.write_stream(stream)

    def answer_not_modified(self, response: IOriginResponse, status: CacheStatus) -> bool:
        """Answer 304 where the client's preconditions say so, though the origin did not.

        @return: whether they did; the response is used up then.
        """
        head = self._conditional(response)
        if head is None or head.status != 304:
            return False
        response.abort()
        self._exchange.write_head(head.status, head.fields, head.length, status)
        return True

    def precondition_fails(self, response: IOriginResponse) -> bool:
        """Whether the client's preconditions, of which the origin was not told, fail on what came."""
        head = self._conditional(response)
        return head is not None and head.status == 412

    def _conditional(self, response: IOriginResponse) -> Answer | None:
        if response.status != 200:
            return None
        fields = response.fields.end_to_end().without({b"content-length"})
        return conditional_answer(self._exchange.fields, fields, response.response_time)


def _start_and_length(response: IOriginResponse) -> tuple[int | None, int | None]:
    """Where the body of a response starts in the object, None where that is not certain, and the complete length."""
    if response.status == 200:
        return 0, response.body_length
    part = sole_part(response.fields) if response.status == 206 else None
    if part is not None and response.body_length == part.stop - part.start:
        return part.start, part.length
    return None, None
