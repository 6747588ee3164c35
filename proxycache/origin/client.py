"""Requests to origins through treq: one connection slot each, redirects by hand, retries with backoff."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from attrs import define, evolve
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import TimeoutError as ConnectTimeoutError
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.web._newclient import ParseError
from twisted.web.client import ResponseNeverReceived
from twisted.web.http_headers import Headers
from zope.interface import implementer

from proxycache.accounts import Accounts
from proxycache.errors import (
    FillPreempted,
    MalformedAnswer,
    OriginBusy,
    OriginError,
    OriginTimeout,
    OriginUnreachable,
    UploadBroken,
)
from proxycache.interfaces import IOrigin, IOriginResponse, OriginRequest, Priority
from proxycache.log import make_logger
from proxycache.policy.fields import Fields, parse_date, parse_delta_seconds
from proxycache.policy.forwarding import configured_fields
from proxycache.policy.loglines import loggable
from proxycache.policy.origins import OriginPolicy, same_host
from proxycache.policy.redirects import (
    MAX_REDIRECTS,
    REDIRECT_STATUSES,
    is_followed,
    redirect_goal,
    with_absolute_references,
)
from proxycache.policy.retrying import EXPIRED_STATUSES, is_transient, retry_delay

from .agent import ExactAgent, TargetAgent
from .protocol import ExactPool
from .reasons import UNFORESEEN, reason
from .response import OriginResponse
from .slots import Slot, Slots
from .timeouts import Timeouts
from .upload import Upload

MAX_REDIRECT_BODY = 64 * 1024
"""A redirect's body is read away up to here, in bytes; beyond, its connection is dropped."""

REDIRECT_BODY_SECONDS = 0.5
"""How long a redirect's body is waited for."""

PREEMPTED = "a more urgent request took the connection"

SAFE_TO_REPEAT = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods whose request may be sent again when a kept connection turns out to be dead (RFC 9110, section 9.2.2)."""


def retry_after(fields: Fields, now: float) -> float | None:
    """Seconds until Retry-After (RFC 9110, section 10.2.3), or None."""
    value = fields.first(b"retry-after")
    seconds = parse_delta_seconds(value)
    if seconds is not None:
        return float(seconds)
    date = parse_date(value, now)
    return None if date is None else max(0.0, date - now)


@define(eq=False)
class _Wish:
    """How urgent a fetch is, and its place in the queue, or its slot, while it has one.

    @ivar cancelled: whether nobody wants it any more. Twisted's client has many names for having been cancelled.
    """

    priority: Priority
    queued: Deferred[Slot] | None = None
    slot: Slot | None = None
    cancelled: bool = False


class _Claim:
    """One fetch's hold on its slot, from the queue to the end of the body."""

    def __init__(self) -> None:
        self.slot: Slot | None = None
        self.cancel: Callable[[], None] | None = None
        self.response: OriginResponse | None = None
        self.preempted = False

    def preempt(self) -> None:
        self.preempted = True
        if self.response is not None:
            self.response.preempt()
        elif self.cancel is not None:
            self.cancel()


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
        self._agent = TargetAgent(reactor, connectTimeout=timeouts.connect, pool=pool)
        self._fresh_agent = TargetAgent(
            reactor, connectTimeout=timeouts.connect, pool=ExactPool(reactor, persistent=False)
        )
        self._slots = slots
        self._timeouts = timeouts
        self._accounts = accounts
        self._now = now
        self._origins = origins
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
        attempts = request.attempts if request.body is None else 1
        fresh = request.method not in SAFE_TO_REPEAT or request.body is not None
        while True:
            failures += 1
            error: OriginError | None = None
            response: OriginResponse | None = None
            try:
                response = await self._attempt(request, wish, fresh)
            except (OriginUnreachable, OriginTimeout, MalformedAnswer) as failed:
                if wish.cancelled:
                    raise CancelledError from failed
                error = failed
                self._accounts.origin_failures[failed.kind] += 1
                self._last_error[request.origin.name] = str(failed)
                if isinstance(failed, MalformedAnswer):
                    raise
            if response is not None and not is_transient(response.status, response.fields):
                self._last_error.pop(request.origin.name, None)
                return response
            wanted = None if response is None else retry_after(response.fields, self._now())
            another = failures < attempts and (response is None or request.patient)
            delay = retry_delay(failures, wanted) if another else None
            if isinstance(error, OriginUnreachable) and error.kept:
                # The connection was one we kept, and may have died long ago: that says nothing of the origin.
                fresh = True
                failures -= 1
                continue
            if response is not None:
                self._last_error[request.origin.name] = f"answered {response.status}"
            if delay is None:
                if response is not None:
                    return response
                assert error is not None
                raise error
            if response is not None:
                response.abort()
            self._accounts.retries += 1
            self._log.info(
                "retrying {url} in {delay:.1f} s: {why}",
                url=loggable(request.url, request.origin.ignore_query),
                delay=delay,
                why=error or self._last_error[request.origin.name],
            )
            await deferLater(self._reactor, delay)

    async def _attempt(self, request: OriginRequest, wish: _Wish, fresh: bool) -> OriginResponse:
        """@param fresh: on a new connection."""
        claim = _Claim()
        claim.slot = slot = wish.slot = await self._slot(request, wish, claim)
        try:
            response = await self._follow(request, claim, self._fresh_agent if fresh else self._agent)
        except BaseException:
            slot.release()
            raise
        finally:
            wish.slot = None
        response.hold(slot)
        claim.response = response
        return response

    async def _slot(self, request: OriginRequest, wish: _Wish, claim: _Claim) -> Slot:
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

    async def _follow(self, request: OriginRequest, claim: _Claim, agent: TargetAgent) -> OriginResponse:
        """Follow redirects, where that is ours to do: else the last one is the answer.

        A target that has expired is resolved anew, once, from the source URL.
        """
        url, resolved_anew, seen = request.url, False, {request.url}
        while True:
            response = await self._send(evolve(request, url=url), request.url, claim, agent)
            if response.status in EXPIRED_STATUSES and len(seen) > 1 and not resolved_anew:
                response.abort()
                url, resolved_anew, seen = request.url, True, {request.url}
                continue
            goal = self._next_goal(request, response)
            if goal is None or goal in seen or len(seen) > MAX_REDIRECTS:
                return response
            await self._drained(response, claim)
            url = goal
            seen.add(url)

    def _next_goal(self, request: OriginRequest, response: OriginResponse) -> bytes | None:
        """Where to go in place of the client, None where this is the answer."""
        if response.status not in REDIRECT_STATUSES or request.method not in ("GET", "HEAD"):
            return None
        goal = redirect_goal(response.fields)
        if goal is None or not is_followed(request.origin, request.url, goal, self._origins, joins=request.joins):
            return None
        return goal

    async def _drained(self, response: OriginResponse, claim: _Claim) -> None:
        """Read a redirect's body away, so that its connection can be used again."""
        draining = response.drained(MAX_REDIRECT_BODY)
        draining.addTimeout(REDIRECT_BODY_SECONDS, self._reactor, onTimeoutCancel=lambda *_: None)
        claim.cancel = draining.cancel
        try:
            await draining
        except CancelledError as error:
            if claim.preempted:
                raise FillPreempted(PREEMPTED) from error
            raise
        finally:
            claim.cancel = None

    async def _send(self, request: OriginRequest, source: bytes, claim: _Claim, agent: TargetAgent) -> OriginResponse:
        fields = request.fields
        if same_host(request.url, request.origin.url):
            fields = configured_fields(fields, request.origin.headers)
        elif not same_host(request.url, source):
            fields = fields.without({b"authorization", b"cookie"})
        headers = Headers()
        for name, value in fields:
            headers.addRawHeader(name, value)
        timeout = self._timeouts.first_byte
        late, kept = False, True

        def give_up() -> None:
            nonlocal late
            late = True
            pending.cancel()

        def connecting(begun: bool) -> None:
            nonlocal kept
            kept = False
            if deadline.active():
                deadline.reset(timeout + self._timeouts.connect if begun else timeout)

        exact = ExactAgent(agent, request.method.encode("ascii"), request.url, connecting, request.interim)
        deadline = self._reactor.callLater(timeout, give_up)
        body = None
        if request.body is not None:
            assert claim.slot is not None
            body = Upload(request.body, claim.slot.uploaded, deadline, self._timeouts, self._reactor)
        request_time = self._now()
        self._accounts.origin_requests += 1
        pending = HTTPClient(exact).request(
            request.method,
            "http://treq.invalid/",
            headers=headers,
            data=body,
            allow_redirects=False,
            unbuffered=True,
            reactor=self._reactor,
        )
        claim.cancel = pending.cancel
        try:
            response = await pending
        except ConnectTimeoutError as error:
            raise OriginTimeout(f"no connection to the origin in {self._timeouts.connect:g} s") from error
        except Exception as error:
            if claim.preempted:
                raise FillPreempted(PREEMPTED) from error
            if body is not None and body.broken is not None:
                raise UploadBroken(body.broken) from error
            if late:
                raise OriginTimeout(f"no answer from the origin in {timeout:g} s") from error
            if isinstance(error, CancelledError):
                raise
            why = self._reason(request, error)
            if any(reason.check(ParseError) for reason in getattr(error, "reasons", ())):
                raise MalformedAnswer(why) from error
            raise OriginUnreachable(why, kept and isinstance(error, ResponseNeverReceived)) from error
        finally:
            if deadline.active():
                deadline.cancel()
            if body is not None:
                body.detach()
            claim.cancel = None
        return OriginResponse(
            response,
            exact,
            with_absolute_references(exact.fields, request.url),
            self._reactor,
            self._timeouts.idle,
            self._accounts,
            request_time,
            self._now(),
        )

    def _reason(self, request: OriginRequest, error: Exception) -> str:
        why = reason(error)
        if why == UNFORESEEN:
            url = loggable(request.url, request.origin.ignore_query)
            self._log.warn("{url}: {why}: {error!r}", url=url, why=why, error=error)
        return why
