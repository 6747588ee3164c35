"""A body producer that passes the origin's bytes on, with no cache in between."""

from __future__ import annotations

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IConsumer, IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer
from zope.interface import implementer

from proxycache.accounts import Accounts
from proxycache.errors import (
    BodyBroken,
    FillPreempted,
    InvalidAnswer,
    ObjectChanged,
    UnframedEnd,
)
from proxycache.interfaces import IBodyReceiver, IOrigin, IOriginResponse, OriginRequest, Priority
from proxycache.policy.altered import refuses_condition
from proxycache.policy.answers import BodyExtent, Versioned, body_extent, contradiction, end_told
from proxycache.policy.byterange import RangeSpec, format_range
from proxycache.policy.failing import status_error
from proxycache.policy.redirects import REDIRECT_STATUSES
from proxycache.policy.retrying import MAX_ATTEMPTS, MIN_PROGRESS
from proxycache.policy.validators import binding_validator, if_range

YIELD_SECONDS = 0.2
"""A client that takes nothing for so long lets others have its connection, where its body can be resumed.

Where not, it does so when there are many like it.
"""


@implementer(IBodyProducer, IBodyReceiver)
class PassthroughProducer:
    """Writes bytes C{[cursor, stop)} of one version of an object to a consumer, straight from the origin.

    A body that breaks is resumed from the cursor with If-Range, as often as it made progress.

    @ivar cursor: next byte to write.
    @param stop: one past the last byte; None: to the end of the body.
    @param version: that was begun; without a validator a break cannot be mended.
    """

    def __init__(
        self,
        origin: IOrigin,
        request: OriginRequest,
        cursor: int,
        stop: int | None,
        version: Versioned,
        accounts: Accounts,
        clock: IReactorTime,
    ) -> None:
        self._clock = clock
        self._origin = origin
        self._request = request
        self.cursor = cursor
        self._stop = stop
        self._version = version
        self._validator = version.validator
        self._condition = if_range(version.validator, version.fields)
        self._bound = bool(self._condition)
        self._accounts = accounts
        self._consumer: IConsumer | None = None
        self._response: IOriginResponse | None = None
        self._pending: Deferred[IOriginResponse] | None = None
        self._position = cursor
        self._paused = False
        self._delivering = False
        self._taken = False
        self._patience: IDelayedCall | None = None
        self._failures = 0
        self._failed_at = cursor
        self._done: Deferred[None] | None = None

    @property
    def length(self) -> int | str:
        """Bytes still to come, or UNKNOWN_LENGTH."""
        return UNKNOWN_LENGTH if self._stop is None else self._stop - self.cursor

    def adopt(self, response: IOriginResponse, extent: BodyExtent) -> None:
        """Begin with a response that is here already; its body starts at C{extent.start}, at or before the cursor."""
        self._response = response
        self._position = extent.start
        resolved = None if response.url == self._request.url else response.url
        self._request = evolve(self._request, resolved=resolved)
        if self._stop is None:
            self._stop = extent.length

    async def prepare(self) -> None:
        """Have an acceptable response in hand, so that what fails can still become a status."""
        while self._response is None:
            try:
                await self._ask()
            except (BodyBroken, FillPreempted) as error:
                self._count(error)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Write until the body is complete; cancelling stops it.

        @return: fails with an L{OriginError}, or an L{ObjectChanged} where the version cannot be completed.
        """
        self._consumer = consumer
        done = self._done = Deferred(lambda _: self.stopProducing())
        if self._response is None:
            self._ask_again()
        else:
            self._deliver()
        return done

    def pauseProducing(self) -> None:
        """Hold the origin up; after a while, whoever waits for a connection may have this one."""
        self._paused = True
        if self._response is not None:
            self._response.pause()
            if self._patience is None:
                self._patience = self._clock.callLater(YIELD_SECONDS, self._yield)

    def _yield(self) -> None:
        self._patience = None
        if self._response is None or not self._delivering:
            return
        if self._validator is not None:
            self._response.reprioritise(Priority.HIGH)
        else:
            self._response.stall(True)

    def _keep(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def resumeProducing(self) -> None:
        """Go on."""
        self._paused = False
        self._keep()
        if self._taken:
            self._taken = False
            self._ask_again()
        elif self._response is not None:
            self._response.reprioritise(Priority.CRITICAL)
            self._response.stall(False)
            self._response.resume()

    def stopProducing(self) -> None:
        """Stop for good; the Deferred stays silent."""
        self._keep()
        self._consumer = None
        self._done = None
        self._taken = False
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()
        response, self._response = self._response, None
        if response is not None:
            response.abort()

    def received(self, data: bytes) -> None:
        """See L{IBodyReceiver.received}."""
        skip = self.cursor - self._position
        self._position += len(data)
        if skip > 0:
            data = data[skip:]
        if self._stop is not None:
            data = data[: self._stop - self.cursor]
        if not data:
            return
        self.cursor += len(data)
        if self.cursor - self._failed_at >= MIN_PROGRESS:
            self._failures = 0
        if self._consumer is not None:
            self._consumer.write(data)
        if self._stop is not None and self.cursor >= self._stop and self._done is not None:
            if self._position == self._stop:
                # Its framing ends here as well: let it, so that the connection can be used again.
                self._response = None
            self._end(None)

    def ended(self, error: Exception | None) -> None:
        """See L{IBodyReceiver.ended}."""
        self._response = None
        self._delivering = False
        if self._done is None:
            return
        if self._stop is not None and self.cursor >= self._stop:
            self._end(None)
            return
        if self._stop is None and (error is None or isinstance(error, UnframedEnd)):
            self._end(None)
            return
        if error is None or isinstance(error, UnframedEnd):
            error = BodyBroken(f"the body ended at {self.cursor}")
        try:
            self._count(error)
        except Exception as failed:
            self._end(failed)
            return
        if isinstance(error, FillPreempted) and self._paused:
            # Others need the connection, and the client does not, for now.
            self._taken = True
        else:
            self._ask_again()

    def _count(self, error: Exception) -> None:
        """Another failure without progress; raised once there were enough, or where nothing can be resumed."""
        if not isinstance(error, FillPreempted):
            self._failures += 1
            self._failed_at = self.cursor
        if self._validator is None or self._failures >= MAX_ATTEMPTS:
            raise error
        self._accounts.retries += 1

    def _ask_again(self) -> None:
        async def ask() -> None:
            try:
                await self.prepare()
            except CancelledError:
                raise
            except Exception as error:
                self._end(error)
                return
            self._deliver()

        Deferred.fromCoroutine(ask()).addErrback(Failure.trap, CancelledError)

    async def _ask(self) -> None:
        asked = RangeSpec(self.cursor, None if self._stop is None else self._stop - 1)
        fields = self._request.fields
        whole = self.cursor == 0 and self._stop is None
        if not whole:
            fields = fields.adding((b"Range", format_range(self.cursor, self._stop)))
            if self._bound:
                fields = fields.adding(*self._condition)
        request = evolve(
            self._request,
            fields=fields,
            asked=None if whole else asked,
            joins=True,
            begun=self._request.begun or self._consumer is not None,
        )
        self._pending = self._origin.fetch(request, Priority.CRITICAL)
        try:
            response = await self._pending
        finally:
            self._pending = None
        try:
            extent = self._check(response, request.asked)
        except Exception:
            response.abort()
            if response.url == request.resolved:
                # Where it had been there is something else by now, which says nothing of the object.
                self._request = evolve(self._request, resolved=None)
                return
            if self._bound and not whole and refuses_condition(response.status):
                # Perhaps it was the condition: what comes without it is compared all the same.
                self._bound = False
                return
            raise
        self.adopt(response, extent)

    def _check(self, response: IOriginResponse, asked: RangeSpec | None) -> BodyExtent:
        """Only the very version that was begun is ever spliced in."""
        if response.status == 416:
            if self._stop is not None:
                raise ObjectChanged("the object is shorter than it was")
            return end_told(response.fields, self.cursor)
        if response.status in REDIRECT_STATUSES:
            raise ObjectChanged("the object has moved to where only the client may go")
        if response.status not in (200, 206):
            raise status_error(response.status, response.fields, response.response_time)
        extent = body_extent(response.status, response.fields, asked, response.body_length)
        if response.fields.members(b"content-encoding") != self._version.fields.members(b"content-encoding"):
            raise InvalidAnswer("the same version in another encoding")
        theirs = binding_validator(response.fields, extent.length, response.response_time)
        other = theirs != self._validator or contradiction(self._version, response.fields, response.response_time)
        if self._validator is None or other:
            raise ObjectChanged("the object changed at the origin")
        if extent.length is None and response.status == 206:
            raise InvalidAnswer("a part that does not tell the complete length")
        if self._version.length is not None and extent.length not in (None, self._version.length):
            raise InvalidAnswer("the same version with another length")
        return extent

    def _deliver(self) -> None:
        if self._response is None:
            return
        response = self._response
        if self._done is None:
            self._response = None
            response.abort()
            return
        self._delivering = True
        response.deliver(self)
        if self._paused and self._response is response:
            response.pause()

    def _end(self, error: Exception | None) -> None:
        done, self._done = self._done, None
        self.stopProducing()
        if done is None:
            return
        if error is None:
            done.callback(None)
        else:
            done.errback(error)
