"""One request to an origin, and where its redirects lead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import evolve
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import TimeoutError as ConnectTimeoutError
from twisted.web._newclient import ParseError
from twisted.web.client import ResponseNeverReceived
from twisted.web.http_headers import Headers

from proxycache.accounts import Accounts
from proxycache.errors import FillPreempted, MalformedAnswer, OriginSilent, OriginUnreachable, UploadBroken
from proxycache.interfaces import OriginRequest
from proxycache.log import make_logger
from proxycache.policy.answers import unasked_whole
from proxycache.policy.bounds import bounded, fresh_for
from proxycache.policy.fields import Fields
from proxycache.policy.forwarding import configured_fields
from proxycache.policy.hops import Hop, tells_of_object, with_hop_fields
from proxycache.policy.loglines import loggable
from proxycache.policy.origins import OriginPolicy, same_host
from proxycache.policy.redirects import (
    MAX_REDIRECTS,
    REDIRECT_STATUSES,
    by_name,
    is_followed,
    redirect_goal,
    with_absolute_references,
)
from proxycache.policy.retrying import EXPIRED_STATUSES, has_ended

from .agent import ExactAgent, TargetAgent
from .cookies import HopCookies
from .reach import Reach
from .reasons import UNFORESEEN, reason
from .response import OriginResponse
from .slots import Slot
from .timeouts import Timeouts
from .upload import Upload

MAX_REDIRECT_BODY = 64 * 1024
"""A redirect's body is read away up to here, in bytes; beyond, its connection is dropped."""

REDIRECT_BODY_SECONDS = 0.5
"""How long a redirect's body is waited for."""

PREEMPTED = "a more urgent request took the connection"


class Claim:
    """One fetch's hold on its slot, from the queue to the end of the body.

    @ivar checks: where it is to be known first whether a host can be reached, how many attempts it is worth.
    @ivar url: where it was sent last, redirects followed.
    @ivar connected: whether there was a connection to that.
    """

    def __init__(self, checks: int | None) -> None:
        self.checks = checks
        self.url = b""
        self.connected = True
        self.slot: Slot | None = None
        self.cancel: Callable[[], None] | None = None
        self.response: OriginResponse | None = None
        self.preempted = False

    def preempt(self) -> None:
        """A more urgent request takes the slot."""
        self.preempted = True
        if self.response is not None:
            self.response.preempt()
        elif self.cancel is not None:
            self.cancel()


class Sender:
    """Sends requests whose connection is granted.

    @param reach: is asked, and told, who can be reached.
    @param now: wall clock, seconds since the epoch.
    @param origins: all that are configured: a redirect into one of them goes to the client.
    """

    def __init__(
        self,
        reactor: Any,
        reach: Reach,
        timeouts: Timeouts,
        accounts: Accounts,
        now: Callable[[], float],
        origins: Sequence[OriginPolicy],
    ) -> None:
        self._reactor = reactor
        self._reach = reach
        self._timeouts = timeouts
        self._accounts = accounts
        self._now = now
        self._origins = origins
        self._log = make_logger()

    async def follow(self, request: OriginRequest, claim: Claim, agent: TargetAgent) -> OriginResponse:
        """Follow redirects, where that is ours to do: else the last one is the answer.

        A target that has expired is resolved anew from the source URL, once: one that was remembered, and then one that
        came of that. What the redirects say of the object, and of who may be answered so, stands in the fields of the
        answer.
        """
        url = request.resolved or request.url
        remembered, again, seen = url != request.url, True, {request.url, url}
        hops: list[Hop] = []
        cookies = HopCookies()
        while True:
            known_as = by_name(url, request.origin)
            fields = _fields_for(url, request)
            sent = evolve(request, url=url, fields=cookies.brought_to(known_as, fields))
            response = await self._send(sent, claim, agent)
            goal = self._next_goal(request, response)
            if remembered:
                expired = (goal is None or goal in seen) and has_ended(response.status)
            else:
                expired = again and len(seen) > 1 and response.status in EXPIRED_STATUSES
            if expired:
                response.abort()
                url, seen = request.url, {request.url}
                remembered, again = False, remembered
                hops.clear()
                cookies = HopCookies()
                continue
            if goal is None or goal in seen or len(seen) > MAX_REDIRECTS:
                response.fields = with_hop_fields(response.fields, hops, request.origin)
                response.fields = bounded(response, hops, request.origin.ttls)
                response.fresh_for = fresh_for(hops, response.response_time, request.origin.ttls)
                if sent.fields is not fields:
                    # Without those cookies there may be no way there.
                    response.url = request.url
                return response
            hops.append(
                Hop(url, response.status, response.fields, sent.fields, response.request_time, response.response_time)
            )
            cookies.set_by(known_as, response.fields)
            drained = response.drained(MAX_REDIRECT_BODY)
            drained.addTimeout(REDIRECT_BODY_SECONDS, self._reactor, onTimeoutCancel=lambda *_: None)
            await self._unless_preempted(claim, drained)
            if claim.checks is not None:
                await self._unless_preempted(claim, Deferred.fromCoroutine(self._reach.check(goal, claim.checks)))
            url = goal
            seen.add(url)

    def _next_goal(self, request: OriginRequest, response: OriginResponse) -> bytes | None:
        """Where to go in place of the client, None where this is the answer."""
        if response.status not in REDIRECT_STATUSES or request.method not in ("GET", "HEAD"):
            return None
        goal = redirect_goal(response.fields, request.origin)
        if goal is None:
            return None
        origin, tells = request.origin, tells_of_object(response.fields, request.origin)
        followed = is_followed(origin, request.url, goal, self._origins, joins=request.joins, tells=tells)
        return goal if followed else None

    async def _unless_preempted(self, claim: Claim, pending: Deferred[None]) -> None:
        """Wait between two hops; the slot may be taken meanwhile."""
        claim.cancel = pending.cancel
        try:
            await pending
        except CancelledError as error:
            if claim.preempted:
                raise FillPreempted(PREEMPTED) from error
            raise
        finally:
            claim.cancel = None

    async def _send(self, request: OriginRequest, claim: Claim, agent: TargetAgent) -> OriginResponse:
        origin, fields = request.origin, request.fields
        if same_host(request.url, origin.url):
            fields = configured_fields(fields, origin.headers)
            if origin.host is not None:
                fields = fields.adding((b"Host", origin.host))
        headers = Headers()
        for name, value in fields:
            headers.addRawHeader(name, value)
        timeout = self._timeouts.first_byte
        late, kept = False, True
        claim.url, claim.connected = request.url, True

        def give_up() -> None:
            nonlocal late
            late = True
            pending.cancel()

        def connecting(begun: bool) -> None:
            nonlocal kept
            kept = False
            claim.connected = not begun
            if claim.connected:
                self._reach.connected(request.url)
            if deadline.active():
                deadline.reset(timeout + self._timeouts.connect if begun else timeout)

        exact = ExactAgent(agent, request.method.encode("ascii"), request.url, connecting, request.interim)
        deadline = self._reactor.callLater(timeout, give_up)
        body = None
        if request.body is not None:
            assert claim.slot is not None
            body = Upload(request.body, claim.slot.uploaded, deadline, self._timeouts, self._reactor)
        sent_at = self._reactor.seconds()
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
            raise OriginSilent(f"no connection to the origin in {self._timeouts.connect:g} s") from error
        except Exception as error:
            if claim.preempted:
                raise FillPreempted(PREEMPTED) from error
            if body is not None and body.broken is not None:
                raise UploadBroken(body.broken) from error
            if late:
                raise OriginSilent(f"no answer from the origin in {timeout:g} s", kept) from error
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
        self._reach.answered(request.url)
        now = self._now()
        answer = OriginResponse(
            response,
            exact,
            request.url,
            with_absolute_references(exact.fields, by_name(request.url, origin)),
            self._reactor,
            self._timeouts.idle,
            self._accounts,
            # By the clock as it is set now: what lay between the two tells of its age.
            now - (self._reactor.seconds() - sent_at),
            now,
        )
        body_length = None if request.method == "HEAD" else answer.body_length
        if unasked_whole(request.fields, answer.status, answer.fields, body_length):
            answer.status, answer.fields = 200, answer.fields.without({b"content-range"})
        return answer

    def _reason(self, request: OriginRequest, error: Exception) -> str:
        why = reason(error)
        if why == UNFORESEEN:
            url = loggable(request.url, request.origin.ignore_query)
            self._log.warn("{url}: {why}: {error!r}", url=url, why=why, error=error)
        return why


def _fields_for(url: bytes, request: OriginRequest) -> Fields:
    """The client's fields that go to C{url}: its credentials are for the host that it asked."""
    if same_host(url, request.origin.url) or same_host(url, request.url):
        return request.fields
    return request.fields.without({b"authorization", b"cookie"})
