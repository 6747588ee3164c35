"""A run: one request to the origin whose body lands in one generation."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from proxycache.errors import BodyBroken, UnframedEnd
from proxycache.interfaces import IBodyReceiver, IOrigin, IOriginResponse, OriginRequest, Priority
from proxycache.policy.answers import BodyExtent
from proxycache.policy.byterange import RangeSpec

RESUME_SLACK = 256 * 1024
"""A run that ran ahead of its readers starts again once it may take this many bytes at least."""


class RunOwner(Protocol):
    """What a run needs of its generation."""

    def judge(self, run: Run, response: IOriginResponse) -> BodyExtent:
        """Which bytes a response carries; raises where none of them may be used."""

    @property
    def length(self) -> int | None:
        """Complete length of the object, None while it is not known."""

    @property
    def joinable(self) -> bool:
        """Whether another run could go on where this one stops."""

    def landed(self, start: int, data: bytes) -> int:
        """Bytes arrived; tells how many of them were not here before."""

    def congested(self) -> bool:
        """Whether bytes arrive faster than they can be put away."""

    def body_over(self, stop: int, certain: bool) -> None:
        """A body of unknown length ended at C{stop}; C{certain} where its framing said so."""

    def ended(self, run: Run, error: Exception | None) -> None:
        """The run is over."""


@implementer(IBodyReceiver)
class Run:
    """Bytes C{[start, stop)} on their way.

    @ivar position: the next byte to arrive.
    @ivar stop: one past the last wanted byte; None: to the end of the body, wherever that is.
    @ivar allowance: how far it may run ahead of its readers, one past the last byte; None: as far as it likes.
    @ivar new_bytes: body bytes that arrived and were not here before.
    @ivar asked: the range that was asked for, None for the whole.
    @ivar request: of the client on whose behalf it was asked for, less that range; None where its body was here before.
    @ivar resolved: where that client's URL had led before, which was asked in its place; None where the URL itself was.
    @ivar astray: the answer came from there, and was of no use.
    @ivar bound: whether it was asked for under the condition that the object is still of this version.
    @ivar failures: attempts in a row before it that brought next to nothing of what it is to bring.
    @ivar kept: whether it goes on without a reader, since it belongs to what one was reading.
    """

    def __init__(
        self, owner: RunOwner, start: int, stop: int | None, priority: Priority, allowance: int | None = None
    ) -> None:
        self.kept = False
        self.bound = False
        self.failures = 0
        self.start = start
        self.position = start
        self.stop = stop
        self.priority = priority
        self.allowance = allowance
        self.new_bytes = 0
        self.asked: RangeSpec | None = None
        self.request: OriginRequest | None = None
        self.resolved: bytes | None = None
        self.astray = False
        self._owner = owner
        self._origin: IOrigin | None = None
        self._extent: BodyExtent | None = None
        self._pending: Deferred[IOriginResponse] | None = None
        self._response: IOriginResponse | None = None
        self._paused = False
        self._ran_ahead = False
        self._over = False

    def covers(self, position: int) -> bool:
        """Whether the byte at C{position} is still to come by this run."""
        return not self._over and self.position <= position and (self.stop is None or position < self.stop)

    def send(self, origin: IOrigin, request: OriginRequest) -> None:
        """Ask the origin."""
        self.asked = request.asked
        self.resolved = request.resolved
        self._origin = origin
        self._pending = origin.fetch(request, self.priority)
        self._pending.addCallbacks(self._answered, self._failed)

    def adopt(self, response: IOriginResponse, extent: BodyExtent) -> None:
        """Take the body of a response that was asked for before there was a generation."""
        self._extent = extent
        self._response = response
        self.position = extent.start
        if extent.stop is not None:
            self.stop = extent.stop if self.stop is None else min(self.stop, extent.stop)
        if self.stop is not None and self.position >= self.stop:
            self._finish(None)
            return
        response.deliver(self)
        # Each of these may end the run: the body may be here already, and the slot may be taken.
        if self._response is not None:
            self._response.reprioritise(self.priority)
        if not self._over:
            self._check_pace()

    def _answered(self, response: IOriginResponse) -> None:
        self._pending = None
        if self._over:
            response.abort()
            return
        try:
            extent = self._owner.judge(self, response)
            if self._over:
                # Its last reader, who was told where the end is, has left.
                response.abort()
            else:
                self.adopt(response, extent)
        except Exception as error:
            response.abort()
            self.astray = response.url == self.resolved
            if not self._over:
                self._finish(error)

    def _failed(self, failure: Failure) -> None:
        self._pending = None
        if not failure.check(CancelledError) and not self._over:
            assert isinstance(failure.value, Exception)
            self._finish(failure.value)

    def received(self, data: bytes) -> None:
        """See L{IBodyReceiver.received}."""
        if self._over:
            return
        start = self.position
        surplus = self.stop is not None and start + len(data) > self.stop
        if self.stop is not None:
            data = data[: self.stop - start]
        self.position = start + len(data)
        self.new_bytes += self._owner.landed(start, data)
        if self._over:
            return
        assert self._extent is not None
        if surplus or (self.stop is not None and self.position >= self.stop and self._extent.stop != self.stop):
            self._finish(None)
        else:
            self._check_pace()

    def ended(self, error: Exception | None) -> None:
        """See L{IBodyReceiver.ended}."""
        if self._over:
            return
        self._response = None
        if self.stop is not None:
            whole = self.position >= self.stop
            if whole or (error is not None and not isinstance(error, UnframedEnd)):
                self._finish(None if whole else error)
            else:
                early = self.stop - self.position
                self._finish(BodyBroken(f"the body ended at {self.position}, {early} bytes early"))
        elif self._owner.length is not None and self.position < self._owner.length:
            self._finish(error or BodyBroken(f"the body ended at {self.position} of {self._owner.length}"))
        elif error is None or isinstance(error, UnframedEnd):
            self._owner.body_over(self.position, certain=error is None)
            if not self._over:
                # Else its last reader, who was told of the end, has left, and it with him.
                self._finish(None)
        else:
            self._finish(error)

    def cut(self, stop: int) -> None:
        """Others bring what is from C{stop} on."""
        if self.stop is None or stop < self.stop:
            self.stop = stop

    def allow(self, position: int) -> None:
        """A reader has come nearer: run up to C{position}."""
        if self.allowance is not None and position > self.allowance:
            self.allowance = position
            self.check_resume()

    def urge(self, priority: Priority) -> None:
        """A client waits for its bytes, or none does any more. All is the same once they are here."""
        arrived = self._extent is not None and self._extent.stop is not None and self.position >= self._extent.stop
        if priority != self.priority and not arrived:
            self.priority = priority
            if self._response is not None:
                self._response.reprioritise(priority)
            elif self._pending is not None and self._origin is not None:
                self._origin.urge(self._pending, priority)

    def withdraw(self) -> bool:
        """Stop, telling nobody, where there is no connection yet; whether that was so."""
        if self._pending is None or self._origin is None or not self._origin.withdraw(self._pending):
            return False
        self._over = True
        return True

    def check_resume(self) -> None:
        """Read on where that was put off and may be done now."""
        if not self._paused or self._over or self._response is None or self._owner.congested():
            return
        slack = RESUME_SLACK if self._ran_ahead else 1
        if self.allowance is None or self.allowance - self.position >= slack:
            self._paused = False
            self._response.stall(False)
            self._response.resume()

    def _check_pace(self) -> None:
        ahead = self.allowance is not None and self.position >= self.allowance
        if not self._paused and self._response is not None and (ahead or self._owner.congested()):
            self._paused = True
            self._ran_ahead = ahead
            self._response.pause()
            # Nobody waits for its next byte; but what cannot be resumed gives its connection up only as a last resort.
            if not self._owner.joinable:
                self._response.stall(ahead)
            elif self.priority is Priority.CRITICAL:
                self.urge(Priority.HIGH)

    @property
    def answered(self) -> bool:
        """Whether the origin's answer was accepted, so that only its body can have failed."""
        return self._extent is not None

    def abort(self) -> None:
        """Stop, telling nobody."""
        self._over = True
        pending, self._pending = self._pending, None
        response, self._response = self._response, None
        if pending is not None:
            pending.cancel()
        if response is not None:
            response.abort()

    def _finish(self, error: Exception | None) -> None:
        self._over = True
        response, self._response = self._response, None
        if response is not None:
            response.abort()
        self._owner.ended(self, error)
