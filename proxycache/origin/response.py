"""The body of an origin's response: delivered as it arrives, with a deadline on progress and backpressure."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import UNKNOWN_LENGTH, IResponse
from zope.interface import implementer

from proxycache.accounts import Accounts
from proxycache.errors import BodyBroken, FillPreempted, OriginTimeout, UnframedEnd
from proxycache.interfaces import IBodyReceiver, IOriginResponse, Priority
from proxycache.policy.fields import Fields
from proxycache.policy.retrying import least_progress

from .agent import ExactAgent
from .reasons import reason
from .slots import Slot

READ_AWAY = 16 * 1024
"""A body that nobody wants is read up to here, in bytes, so that its connection can be used again."""


class _Body(Protocol):
    """Passes a body on. The idle deadline runs only while we read: our own pause is not the origin's stall.

    A byte now and then does not keep it alive: what came since C{_since} is looked at when as long has passed.
    """

    def __init__(self, response: OriginResponse, receiver: IBodyReceiver | None) -> None:
        self._response = response
        self._receiver = receiver
        self._timer: IDelayedCall | None = None
        self._last = 0.0
        self._since = 0.0
        self._came = 0
        self.paused = False

    def _producer(self) -> IPushProducer:
        assert self.transport is not None
        return IPushProducer(self.transport)

    def connectionMade(self) -> None:
        if self._receiver is None:
            self.stop()
        else:
            self._watch()

    def _watch(self) -> None:
        self._last = self._since = self._response.clock.seconds()
        self._came = 0
        if self._timer is None:
            self._timer = self._response.clock.callLater(self._response.idle_timeout, self._look)

    def _look(self) -> None:
        self._timer = None
        if self.paused or self._receiver is None:
            return
        now, idle = self._response.clock.seconds(), self._response.idle_timeout
        if now >= self._last + idle:
            self._give_up(f"no byte from the origin for {idle:g} s")
            return
        if now >= self._since + idle:
            if self._came < self._response.least_progress:
                self._give_up(f"no more than {self._came} bytes from the origin in {idle:g} s")
                return
            self._since, self._came = now, 0
        self._timer = self._response.clock.callLater(min(self._last, self._since) + idle - now, self._look)

    def _give_up(self, why: str) -> None:
        self.finish(OriginTimeout(why))
        self.stop()

    def dataReceived(self, data: bytes) -> None:
        if self._receiver is None:
            return
        self._last = self._response.clock.seconds()
        self._came += len(data)
        self._response.accounts.origin_bytes += len(data)
        self._receiver.received(data)

    def connectionLost(self, lost: Failure = connectionDone) -> None:
        if lost.check(ResponseDone):
            self.finish(None)
        elif lost.check(PotentialDataLoss) and not self._response.torn():
            # RFC 9112, section 6.3, has an unknown coding end so; else it may be how an origin breaks off.
            proper = self._response.ends_with_connection
            self.finish(None if proper else UnframedEnd("the body ended with the connection"))
        else:
            self.finish(BodyBroken(f"the origin's body broke off: {reason(lost.value)}"))

    def pause(self) -> None:
        if not self.paused and self._receiver is not None:
            self.paused = True
            self._producer().pauseProducing()

    def resume(self) -> None:
        if self.paused and self._receiver is not None:
            self.paused = False
            self._watch()
            self._producer().resumeProducing()

    def stop(self) -> None:
        """Drop the connection at once: C{loseConnection} would hang on a stalled TLS peer."""
        self._receiver = None
        self._cancel_timer()
        self._producer().stopProducing()

    def finish(self, error: Exception | None) -> None:
        receiver, self._receiver = self._receiver, None
        self._cancel_timer()
        self._response.release()
        if receiver is not None:
            receiver.ended(error)

    def _cancel_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()


@implementer(IOriginResponse)
class OriginResponse:
    """See L{IOriginResponse}."""

    def __init__(
        self,
        response: IResponse,
        exact: ExactAgent,
        url: bytes,
        fields: Fields,
        clock: IReactorTime,
        idle_timeout: float,
        accounts: Accounts,
        request_time: float,
        response_time: float,
    ) -> None:
        self.url = url
        self.status: int = response.code
        self.fields = fields
        self.body_length: int | None = None if response.length is UNKNOWN_LENGTH else response.length
        self.request_time = request_time
        self.response_time = response_time
        self.fresh_for: float | None = None
        self.clock = clock
        self.idle_timeout = idle_timeout
        self.least_progress = least_progress(fields, self.body_length, idle_timeout)
        self.torn = exact.torn
        self.ends_with_connection = exact.ends_with_connection
        self.accounts = accounts
        self._response = response
        self._abort_upload = exact.abort_upload
        self._slot: Slot | None = None
        self._body: _Body | None = None
        self._over = False

    def hold(self, slot: Slot) -> None:
        """Keep C{slot} until the body is over."""
        self._slot = slot

    def deliver(self, receiver: IBodyReceiver) -> None:
        """Begin to deliver the body."""
        assert self._body is None
        self._body = _Body(self, receiver)
        self._response.deliverBody(self._body)

    def pause(self) -> None:
        """Stop reading."""
        if self._body is not None:
            self._body.pause()

    def resume(self) -> None:
        """Read on."""
        if self._body is not None:
            self._body.resume()

    def reprioritise(self, priority: Priority) -> None:
        """Change how easily this connection may be taken."""
        if self._slot is not None:
            self._slot.reprioritise(priority)

    def stall(self, stalled: bool) -> None:
        """The client takes nothing for now, or it does again."""
        if self._slot is not None:
            self._slot.stall(stalled)

    def abort(self) -> None:
        """Drop the body and the connection."""
        if self._over:
            return
        if self._abort_upload is not None:
            self._abort_upload()
        if self._body is not None:
            self._body.stop()
        elif self.body_length is not None and self.body_length <= READ_AWAY:
            # Cheaper than a new connection. The slot goes with the body, unless somebody wants it before.
            self.reprioritise(Priority.LOW)
            if not self._over:
                self.deliver(_Drain(self, READ_AWAY, Deferred()))
            return
        else:
            self._drop_unread()
            return
        self.release()

    def _drop_unread(self) -> None:
        self._body = _Body(self, None)
        self._response.deliverBody(self._body)
        self.release()

    def preempt(self) -> None:
        """Give the connection to a more urgent request, at once."""
        if self._body is None:
            self._drop_unread()
        else:
            body = self._body
            body.finish(FillPreempted("a more urgent request took the connection"))
            body.stop()

    def release(self) -> None:
        """The body is over: the slot is free."""
        self._over = True
        if self._slot is not None:
            self._slot.release()

    def drained(self, most: int) -> Deferred[None]:
        """Read the body away, so that its connection can be used again; drop it beyond C{most} bytes."""
        done: Deferred[None] = Deferred(lambda _: self.abort())
        self.deliver(_Drain(self, most, done))
        return done


@implementer(IBodyReceiver)
class _Drain:
    def __init__(self, response: OriginResponse, most: int, done: Deferred[None]) -> None:
        self._response = response
        self._left = most
        self._done = done

    def received(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0 and not self._done.called:
            self._response.abort()
            self._done.callback(None)

    def ended(self, error: Exception | None) -> None:
        if not self._done.called:
            self._done.callback(None)
