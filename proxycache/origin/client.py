"""Requests to origins: one connection slot each, and retries with backoff."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from attrs import define, evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from zope.interface import implementer

from proxycache.accounts import Accounts
from proxycache.errors import (
    MalformedAnswer,
    OriginBusy,
    OriginError,
    OriginSilent,
    OriginTimeout,
    OriginUnreachable,
)
from proxycache.interfaces import IOrigin, IOriginResponse, OriginRequest, Priority
from proxycache.log import make_logger
from proxycache.policy.failing import failure_of, failure_told
from proxycache.policy.loglines import loggable
from proxycache.policy.origins import OriginPolicy
from proxycache.policy.retrying import MAX_ATTEMPTS, is_transient, retry_delay

from .agent import TargetAgent
from .endpoints import OriginEndpoints
from .names import Names
from .protocol import ExactPool
from .reach import Reach
from .response import OriginResponse
from .sending import Claim, Sender
from .slots import Slot, Slots
from .timeouts import Timeouts
from .turns import Turns

SAFE_TO_REPEAT = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods whose request may be sent again when a kept connection turns out to be dead (RFC 9110, section 9.2.2)."""


@define(eq=False)
class _Wish:
    """How urgent a fetch is, and its place in the queue, or its slot, while it has one.

    @ivar cancelled: whether nobody wants it any more. Twisted's client has many names for having been cancelled.
    """

    priority: Priority
    queued: Deferred[Slot] | None = None
    slot: Slot | None = None
    cancelled: bool = False


@implementer(IOrigin)
class OriginClient:
    """See L{IOrigin}.

    @param now: wall clock, seconds since the epoch.
    @param origins: all that are configured: a redirect into one of them goes to the client.
    """

    def __init__(
        self,
        reactor: Any,
        pool: ExactPool,
        slots: Slots,
        timeouts: Timeouts,
        accounts: Accounts,
        now: Callable[[], float],
        origins: Sequence[OriginPolicy],
    ) -> None:
        self._reactor = reactor
        self._endpoints = endpoints = OriginEndpoints(reactor, Names(reactor, timeouts.resolve), timeouts.connect)
        self._agent: TargetAgent = TargetAgent.usingEndpointFactory(reactor, endpoints, pool)
        self._fresh_agent: TargetAgent = TargetAgent.usingEndpointFactory(
            reactor, endpoints, ExactPool(reactor, persistent=False)
        )
        self._reach = Reach(reactor, self._fresh_agent.connect_and_close)
        self._sender = Sender(reactor, self._reach, timeouts, accounts, now, origins)
        self._turns = Turns(reactor)
        self._slots = slots
        self._timeouts = timeouts
        self._accounts = accounts
        self._now = now
        self._log = make_logger()
        self._last_error: dict[str, str] = {}
        self._wishes: WeakKeyDictionary[Deferred[IOriginResponse], _Wish] = WeakKeyDictionary()

    def last_errors(self) -> dict[str, str]:
        """For every origin whose last request failed, why."""
        return dict(self._last_error)

    def fetch(self, request: OriginRequest, priority: Priority) -> Deferred[IOriginResponse]:
        """See L{IOrigin.fetch}."""
        wish = _Wish(priority)
        running = Deferred.fromCoroutine(self._fetch(request, wish))

        def cancel(_: Deferred[IOriginResponse]) -> None:
            wish.cancelled = True
            running.cancel()

        def over(result: IOriginResponse | Failure) -> None:
            if not pending.called:
                pending.callback(result)

        pending: Deferred[IOriginResponse] = Deferred(cancel)
        self._wishes[pending] = wish
        running.addBoth(over)
        return pending

    def urge(self, pending: Deferred[IOriginResponse], priority: Priority) -> None:
        """See L{IOrigin.urge}."""
        wish = self._wishes.get(pending)
        if wish is not None:
            wish.priority = priority
            if wish.queued is not None:
                self._slots.urge(wish.queued, priority)
            elif wish.slot is not None:
                wish.slot.reprioritise(priority)

    def withdraw(self, pending: Deferred[IOriginResponse]) -> bool:
        """See L{IOrigin.withdraw}."""
        wish = self._wishes.get(pending)
        if wish is None or wish.slot is not None or pending.called:
            return False
        pending.cancel()
        return True

    async def _fetch(self, request: OriginRequest, wish: _Wish) -> IOriginResponse:
        failures = 0
        most, patient = request.attempts, MAX_ATTEMPTS if request.patient else 1
        if not request.begun:
            most = self._reach.worth(request.url, most)
        if request.body is not None:
            most = patient = 1
        fresh = request.method not in SAFE_TO_REPEAT or request.body is not None
        while True:
            failures += 1
            error: OriginError | None = None
            response: OriginResponse | None = None
            claim = Claim(None if request.begun or failures > 1 else most)
            if claim.checks is not None:
                request = await self._reachable(request, claim.checks)
            # Who waits for an address keeps no connection from others.
            await self._endpoints.looked_up(request.resolved or request.url)
            try:
                response = await self._attempt(request, wish, claim, fresh)
            except (OriginUnreachable, OriginTimeout, MalformedAnswer) as failed:
                if wish.cancelled:
                    raise CancelledError from failed
                if failed.retry_after is not None:
                    # Not asked, since others were in vain.
                    raise
                error = failed
                self._accounts.origin_failures[failed.kind] += 1
                self._last_error[request.origin.name] = str(failed)
                if isinstance(failed, (OriginUnreachable, OriginSilent)) and failed.kept:
                    # The connection was one we kept, and may have died long ago: that says nothing of the origin.
                    fresh = True
                    failures -= 1
                    continue
                if request.resolved is not None:
                    # By now its redirects may lead elsewhere.
                    request = evolve(request, resolved=None)
                    failures -= 1
                    continue
            if response is not None and not is_transient(response.status, response.fields):
                self._last_error.pop(request.origin.name, None)
                return response
            delay = None
            if response is not None:
                self._last_error[request.origin.name] = f"answered {response.status}"
                if failures < patient:
                    delay = self._delay(request, response, failures)
                if delay is None:
                    return response
                response.abort()
            if error is not None:
                if failures < most and _may_be_over(error, request):
                    delay = retry_delay(failures)
                if delay is None:
                    self._give_up(error, claim, failures)
                    raise error
            assert delay is not None
            self._accounts.retries += 1
            self._log.info(
                "retrying {url} in {delay:.1f} s: {why}",
                url=loggable(request.url, request.origin.ignore_query),
                delay=delay,
                why=error or self._last_error[request.origin.name],
            )
            request = evolve(request, resolved=None)
            await deferLater(self._reactor, delay)

    async def _reachable(self, request: OriginRequest, attempts: int) -> OriginRequest:
        """The request, to where there may be an answer.

        @raise OriginError: there is none: the host cannot be reached.
        """
        if request.resolved is not None:
            try:
                await self._reach.check(request.resolved, attempts)
            except OriginError:
                request = evolve(request, resolved=None)
            else:
                return request
        await self._reach.check(request.url, attempts)
        return request

    def _delay(self, request: OriginRequest, response: OriginResponse, failures: int) -> float | None:
        """Seconds until another attempt, None for none. What was begun waits for its turn, others are told at once."""
        failed = failure_told(response.status, response.fields, self._now())
        if failed is not None and failed.refused:
            return 0.0 if request.begun and failures < MAX_ATTEMPTS else None
        return retry_delay(failures)

    def _give_up(self, error: OriginError, claim: Claim, failures: int) -> None:
        """Remember what may be so for the next request as well."""
        if isinstance(error, MalformedAnswer) or (claim.connected and isinstance(error, OriginSilent)):
            return
        # The system has sent several packets before a connection has timed out.
        certain = failures >= MAX_ATTEMPTS or isinstance(error, OriginSilent)
        self._reach.failed(claim.url, error, connected=claim.connected, certain=certain)

    async def _attempt(self, request: OriginRequest, wish: _Wish, claim: Claim, fresh: bool) -> OriginResponse:
        """@param fresh: on a new connection."""
        probe = await self._turn_and_slot(request, wish, claim)
        asked, turns = self._reactor.seconds(), self._turns
        try:
            response = await self._send(request, wish, claim, fresh)
            failed = failure_told(response.status, response.fields, self._now())
            if failed is not None and is_transient(response.status, response.fields):
                turns.failed(request, failed)
            else:
                turns.answered(request, asked)
            return response
        except OriginError as error:
            if claim.connected and isinstance(error, (OriginUnreachable, OriginSilent)) and not error.kept:
                turns.failed(request, failure_of(error))
            raise
        finally:
            if probe:
                turns.done(request)

    async def _turn_and_slot(self, request: OriginRequest, wish: _Wish, claim: Claim) -> bool:
        """Wait for both; whether it is a probe. Others may be told something while it waits for a connection."""
        while True:
            probe = await self._turns.take(request)
            try:
                claim.slot = await self._slot(request, wish, claim)
            except BaseException:
                if probe:
                    self._turns.done(request)
                raise
            if probe or self._turns.is_due(request):
                return probe
            claim.slot.release()

    async def _send(self, request: OriginRequest, wish: _Wish, claim: Claim, fresh: bool) -> OriginResponse:
        slot = wish.slot = claim.slot
        assert slot is not None
        try:
            response = await self._sender.follow(request, claim, self._fresh_agent if fresh else self._agent)
        except BaseException:
            slot.release()
            raise
        finally:
            wish.slot = None
        response.hold(slot)
        claim.response = response
        return response

    async def _slot(self, request: OriginRequest, wish: _Wish, claim: Claim) -> Slot:
        origin, body = request.origin.name, request.body
        uploading = body is not None and not body.complete
        granted = self._slots.acquire(origin, wish.priority, claim.preempt, request.client, uploading)
        if not granted.called:

            def busy(value: object, timeout: float) -> object:
                return Failure(OriginBusy(f"no connection to origin {origin} came free in {timeout:g} s"))

            granted.addTimeout(self._timeouts.queue, self._reactor, onTimeoutCancel=busy)
        wish.queued = granted
        self._accounts.queued_fetches += 1
        try:
            return await granted
        finally:
            self._accounts.queued_fetches -= 1
            wish.queued = None


def _may_be_over(error: OriginError, request: OriginRequest) -> bool:
    """Whether another attempt may have an answer; who has waited out a deadline, with nothing yet, waits no longer."""
    return not isinstance(error, MalformedAnswer) and (request.begun or not isinstance(error, OriginSilent))
