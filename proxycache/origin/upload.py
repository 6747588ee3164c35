"""The body of a request on its way to an origin: streamed, with deadlines for the origin and a pace for the client."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IDelayedCall, IProducer, IReactorTime
from twisted.python.failure import Failure
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from proxycache.errors import UploadBroken

from .reasons import reason
from .timeouts import Timeouts

NO_DEADLINE_SECONDS = 365 * 86400.0
"""Stands for never; unlike a cancelled call it can be reset."""


@implementer(IConsumer)
class _Counting:
    """Counts what goes to the origin."""

    def __init__(self, consumer: IConsumer) -> None:
        self._consumer = consumer
        self.count = 0

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        raise NotImplementedError("a body producer never registers itself")

    def unregisterProducer(self) -> None:
        raise NotImplementedError("a body producer never unregisters itself")

    def write(self, data: bytes) -> None:
        self.count += len(data)
        self._consumer.write(data)


@implementer(IBodyProducer)
class Upload:
    """Passes a body on. The origin has to answer, or take more, in time; the client has to send at a least rate.

    @param uploaded: called once all of it was sent.
    @param deadline: runs out on an origin that makes no progress; begun by the caller.
    @ivar broken: why the body did not come to its end, where that was the client's doing.
    """

    def __init__(
        self,
        body: IBodyProducer,
        uploaded: Callable[[], None],
        deadline: IDelayedCall,
        timeouts: Timeouts,
        clock: IReactorTime,
    ) -> None:
        self._body = body
        self._uploaded = uploaded
        self._deadline = deadline
        self._timeouts = timeouts
        self._clock = clock
        self._detached = False
        self._pace: IDelayedCall | None = None
        self._sent: Deferred[None] | None = None
        self._counting: _Counting | None = None
        self._counted = 0
        self.broken: str | None = None
        self.length = body.length

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """See L{IBodyProducer.startProducing}."""
        self._counting = _Counting(consumer)
        sent = self._sent = Deferred(lambda _: self.stopProducing())
        self._rest()
        producing: Deferred[None] = self._body.startProducing(self._counting)
        producing.addCallbacks(self._over, self._failed)
        return sent

    def pauseProducing(self) -> None:
        """The origin takes no more for now."""
        self._expect(self._timeouts.idle)
        self._stop_pace()
        self._body.pauseProducing()

    def resumeProducing(self) -> None:
        """It takes more."""
        self._rest()
        self._body.resumeProducing()

    def stopProducing(self) -> None:
        """It will take no more."""
        self._stop_pace()
        self._body.stopProducing()

    def detach(self) -> None:
        """The answer is here, or will not come: what becomes of the body concerns nobody any more."""
        self._stop_pace()
        self._detached = True

    def _over(self, _: object) -> None:
        self._stop_pace()
        self._expect(self._timeouts.first_byte)
        self._uploaded()
        sent, self._sent = self._sent, None
        if sent is not None:
            sent.callback(None)

    def _failed(self, failure: Failure) -> None:
        self._break(f"its client left: {reason(failure.value)}")

    def _break(self, why: str) -> None:
        self._stop_pace()
        sent, self._sent = self._sent, None
        if sent is not None and not self._detached:
            self.broken = why
            sent.errback(UploadBroken(why))

    def _expect(self, seconds: float) -> None:
        if self._deadline.active():
            self._deadline.reset(seconds)

    def _rest(self) -> None:
        """No deadline that the origin could miss: it waits for us, and we for the client."""
        self._expect(NO_DEADLINE_SECONDS)
        if self._pace is None and self._timeouts.upload_rate and not self._detached:
            assert self._counting is not None
            self._counted = self._counting.count
            self._pace = self._clock.callLater(self._timeouts.idle, self._look)

    def _look(self) -> None:
        self._pace = None
        assert self._counting is not None
        seconds, least = self._timeouts.idle, self._timeouts.upload_rate
        if self._counting.count - self._counted >= least * seconds:
            self._rest()
            return
        self._body.stopProducing()
        self._break(f"less than {least} bytes a second of the request came in {seconds:g} s")

    def _stop_pace(self) -> None:
        pace, self._pace = self._pace, None
        if pace is not None:
            pace.cancel()
