"""The body of a request on its way to an origin: streamed, with a deadline on what the origin takes."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IDelayedCall
from twisted.python.failure import Failure
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

NO_DEADLINE_SECONDS = 365 * 86400.0
"""Stands for never; unlike a cancelled call it can be reset."""


@implementer(IBodyProducer)
class Upload:
    """Passes a body on. The origin has to answer, or take more, in time; how slowly the client sends is its own affair.

    @param deadline: runs out on an origin that makes no progress; begun by the caller.
    @param first_byte: seconds for the answer once all of the body was sent.
    @param idle: seconds for which the origin may take nothing.
    """

    def __init__(self, body: IBodyProducer, deadline: IDelayedCall, first_byte: float, idle: float) -> None:
        self._body = body
        self._deadline = deadline
        self._first_byte = first_byte
        self._idle = idle
        self._detached = False
        self.length = body.length

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """See L{IBodyProducer.startProducing}."""
        self._rest()
        producing: Deferred[None] = self._body.startProducing(consumer)
        sent: Deferred[None] = Deferred(lambda _: self._body.stopProducing())

        def over(_: object) -> None:
            self._expect(self._first_byte)
            sent.callback(None)

        def failed(failure: Failure) -> None:
            if not self._detached:
                sent.errback(failure)

        producing.addCallbacks(over, failed)
        return sent

    def pauseProducing(self) -> None:
        """The origin takes no more for now."""
        self._expect(self._idle)
        self._body.pauseProducing()

    def resumeProducing(self) -> None:
        """It takes more."""
        self._rest()
        self._body.resumeProducing()

    def stopProducing(self) -> None:
        """It will take no more."""
        self._body.stopProducing()

    def detach(self) -> None:
        """The answer is here, or will not come: what becomes of the body concerns nobody any more."""
        self._detached = True

    def _expect(self, seconds: float) -> None:
        if self._deadline.active():
            self._deadline.reset(seconds)

    def _rest(self) -> None:
        """No deadline that the origin could miss: it waits for us."""
        self._expect(NO_DEADLINE_SECONDS)
