"""A body producer that reads from the cache, waiting for the chunk manager where bytes are still to come."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IConsumer
from twisted.python.failure import Failure
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer
from zope.interface import implementer

from proxycache.fill.reader import Reader

PIECE = 256 * 1024
"""Bytes read and handed to the transport at once."""


@implementer(IBodyProducer)
class ChunkProducer:
    """Writes a reader's bytes to a consumer: an L{IBodyProducer} that neither registers nor finishes.

    What keeps a byte away fails the Deferred of L{startProducing}: a L{CacheReadFailed}, an L{OriginError} or an
    L{ObjectChanged}; the reader's cursor then is at the first byte that was not written.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._first: bytes | None = None
        self._consumer: IConsumer | None = None
        self._paused = False
        self._turning = False
        self._pending: Deferred[None] | Deferred[bytes] | None = None
        self._done: Deferred[None] | None = None

    @property
    def length(self) -> int | str:
        """Bytes still to come, or UNKNOWN_LENGTH."""
        stop = self._reader.generation.length if self._reader.stop is None else self._reader.stop
        return UNKNOWN_LENGTH if stop is None else stop - self._reader.position

    async def prepare(self) -> None:
        """Have the first piece in hand, so that what fails can still become a status."""
        while not self._reader.at_end and self._first is None:
            taken = self._reader.take(PIECE)
            if taken is None:
                await self._reader.wait()
            else:
                self._first = await taken if isinstance(taken, Deferred) else taken

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Write until the range is complete. Cancelling stops it."""
        self._consumer = consumer
        self._done = Deferred(lambda _: self.stopProducing())
        done = self._done
        self._turn()
        return done

    def pauseProducing(self) -> None:
        """Read nothing more for now."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Go on."""
        self._paused = False
        self._turn()

    def stopProducing(self) -> None:
        """Stop for good; the Deferred stays silent."""
        self._consumer = None
        self._done = None
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()

    def _turn(self) -> None:
        """Write piece after piece until there is nothing to read, the consumer has enough, or it is done."""
        if self._turning or self._pending is not None:
            return
        self._turning = True
        try:
            while self._consumer is not None and not self._paused:
                if self._reader.at_end:
                    self._finish(None)
                    return
                first, self._first = self._first, None
                taken = first if first is not None else self._reader.take(PIECE)
                if isinstance(taken, bytes):
                    self._write(taken)
                    continue
                self._wait(self._reader.wait() if taken is None else taken)
                if self._pending is not None:
                    return
        except Exception as error:
            self._finish(error)
        finally:
            self._turning = False

    def _wait(self, pending: Deferred[None] | Deferred[bytes]) -> None:
        self._pending = pending

        def arrived(data: bytes | None) -> None:
            self._pending = None
            if data is not None:
                self._first = data
            self._turn()

        def failed(failure: Failure) -> None:
            self._pending = None
            if not failure.check(CancelledError):
                self._finish(failure.value)

        pending.addCallback(arrived).addErrback(failed)

    def _write(self, data: bytes) -> None:
        assert self._consumer is not None
        self._reader.moved(len(data))
        if self._consumer is not None:
            self._consumer.write(data)

    def _finish(self, error: BaseException | None) -> None:
        done, self._done = self._done, None
        self._consumer = None
        if done is None:
            return
        if error is None:
            done.callback(None)
        else:
            done.errback(error)
