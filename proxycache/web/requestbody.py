"""The body of a client's request, passed on while it arrives."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IConsumer
from twisted.python.failure import Failure
from twisted.web.iweb import UNKNOWN_LENGTH
from zope.interface import implementer

from proxycache.interfaces import IRequestBody

MAX_WAITING = 64 * 1024
"""Bytes that wait for the consumer before the client is held up; up to here one that leaves is noticed."""


@implementer(IRequestBody)
class RequestBody:
    """Writes what arrives to one consumer, and holds the client up where that has enough.

    @param length: declared by the client, None where the body is chunked.
    @param hold: stops reading from the client.
    @param release: reads on.
    @ivar complete: whether all of it has arrived.
    """

    def __init__(self, length: int | None, hold: Callable[[], None], release: Callable[[], None]) -> None:
        self.length = UNKNOWN_LENGTH if length is None else length
        self.complete = False
        self._hold = hold
        self._release = release
        self._held = False
        self._paused = False
        self._stopped = False
        self._lost: Failure | None = None
        self._consumer: IConsumer | None = None
        self._done: Deferred[None] | None = None
        self._waiting = bytearray()

    @classmethod
    def of(cls, data: bytes) -> RequestBody:
        """One that is here as a whole."""
        body = cls(len(data), lambda: None, lambda: None)
        body.arrived(data)
        body.ended()
        return body

    @property
    def held(self) -> bool:
        """Whether nothing is to be read from the client for now."""
        return self._held

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Fires once all of it was written, fails where the client is gone. Cancelling stops it."""
        if self._lost is not None:
            return fail(self._lost)
        self._consumer = consumer
        done = self._done = Deferred(lambda _: self.stopProducing())
        self._write_on()
        return done

    def pauseProducing(self) -> None:
        """The consumer has enough."""
        self._paused = True

    def resumeProducing(self) -> None:
        """It wants more."""
        self._paused = False
        self._write_on()

    def stopProducing(self) -> None:
        """Nobody wants the rest: it is read and dropped."""
        self._stopped = True
        self._consumer = self._done = None
        self._waiting.clear()
        self._let_go()

    def arrived(self, data: bytes) -> None:
        """The next bytes from the client."""
        if self._stopped:
            return
        self._waiting += data
        self._write_on()
        if len(self._waiting) >= MAX_WAITING and not self._held:
            self._held = True
            self._hold()

    def ended(self) -> None:
        """All of it has arrived."""
        self.complete = True
        self._write_on()

    def lost(self, reason: Failure) -> None:
        """The client is gone before the end of it."""
        done, self._done = self._done, None
        self._stopped = True
        if not self.complete:
            self._lost = reason
        if done is not None:
            done.errback(reason)

    def _write_on(self) -> None:
        if self._consumer is not None and self._waiting and not self._paused:
            data = bytes(self._waiting)
            self._waiting.clear()
            self._consumer.write(data)
        if self._consumer is None or self._waiting or self._paused:
            return
        self._let_go()
        if self.complete:
            done, self._done = self._done, None
            if done is not None:
                done.callback(None)

    def _let_go(self) -> None:
        if self._held:
            self._held = False
            self._release()
