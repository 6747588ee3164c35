"""The driver of the serve state machine: one response body, from whichever source can give its next byte."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import AlreadyCalled
from twisted.internet.interfaces import IConsumer, IProducer, IPushProducer, IReactorTime
from zope.interface import implementer

from proxycache.accounts import Accounts
from proxycache.errors import (
    CacheReadFailed,
    MalformedAnswer,
    ObjectChanged,
    OriginError,
    OriginSilent,
    OriginStatus,
    OriginTimeout,
)
from proxycache.fill.reader import Reader
from proxycache.interfaces import Priority
from proxycache.log import make_logger
from proxycache.policy.serving import TERMINAL, Event, Position, State, advance

from .chunkproducer import ChunkProducer
from .passthrough import PassthroughProducer


class _Prepared(Protocol):
    """What both producers offer beside L{IBodyProducer}."""

    async def prepare(self) -> None:
        """Have the first bytes in hand."""

    def startProducing(self, consumer: IConsumer) -> Deferred[None]: ...

    def pauseProducing(self) -> None: ...

    def resumeProducing(self) -> None: ...

    def stopProducing(self) -> None: ...


@implementer(IConsumer)
class _CountingConsumer:
    """Moves the cursor before each write: the consumer may pause us inside the call."""

    def __init__(self, stream: ServeStream, consumer: IConsumer) -> None:
        self._stream = stream
        self._consumer = consumer

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        raise NotImplementedError("a body producer never registers itself")

    def unregisterProducer(self) -> None:
        raise NotImplementedError("a body producer never unregisters itself")

    def write(self, data: bytes) -> None:
        self._stream.delivered(len(data))
        self._consumer.write(data)


@implementer(IPushProducer)
class ServeStream:
    """One range of one response.

    @param reader: the way through the cache; None: passthrough from the beginning.
    @param passthrough: makes the producer that goes on from a cursor.
    @param retry_attempts: how often a failed range is fetched again before it is passed through.
    @param retry_timeout: seconds for each of these.
    @ivar bytes_by_source: what was written, by C{cache}, C{fill} and C{passthrough}.
    @ivar cause: why the cache was left, None where it was not.
    """

    def __init__(
        self,
        clock: IReactorTime,
        reader: Reader | None,
        cursor: int,
        stop: int | None,
        passthrough: Callable[[int], PassthroughProducer],
        retry_attempts: int,
        retry_timeout: float,
        accounts: Accounts,
    ) -> None:
        self._clock = clock
        self._reader = reader
        self._passthrough = passthrough
        self._retry_timeout = retry_timeout
        self._accounts = accounts
        self._position = Position.begin(cursor, stop, retry_attempts)
        if reader is None:
            self._position = advance(self._position, Event.NO_METADATA)
        self._producer: _Prepared | None = None
        self._prepared = False
        self._paused = False
        self._error: Exception | None = None
        self.bytes_by_source: Counter[str] = Counter()
        self.source = "cache"
        self._fetched = False
        self.cause: str | None = None
        self._log = make_logger()

    @property
    def fetched(self) -> bool:
        """Whether bytes of it were not in the cache when it came to them."""
        return self._fetched or (self._reader is not None and self._reader.waited)

    def delivered(self, count: int) -> None:
        """C{count} bytes are about to be written."""
        source = "passthrough"
        if self._position.state is State.TRY_CACHE and self._reader is not None:
            source = self._reader.source
        self._fetched = self._fetched or source == "passthrough"
        self._position = advance(self._position, Event.DELIVERED, count)
        self.source = source
        self.bytes_by_source[source] += count
        self._accounts.served[source] += count

    def foresee(self) -> None:
        """Another one is written before it: have its first bytes on their way."""
        if self._reader is not None:
            self._reader.foresee()

    async def prepare(self) -> None:
        """Go through the states until the first byte is in hand.

        @raise OriginError: the origin failed for good.
        @raise ObjectChanged: begin anew, with the version of today.
        """
        while not self._prepared:
            await self._step(None)
            if self._position.state is State.ABORTED:
                assert self._error is not None
                raise self._error

    async def run(self, consumer: IConsumer) -> None:
        """Write the range to C{consumer}, at which this is registered as a push producer.

        @raise OriginError: the origin failed for good; the body is incomplete.
        @raise ObjectChanged: the version that was begun cannot be completed.
        """
        counting = _CountingConsumer(self, consumer)
        if self._reader is not None:
            self._reader.begin()
        while self._position.state not in TERMINAL:
            await self._step(counting)
        if self._position.state is State.ABORTED:
            assert self._error is not None
            raise self._error

    async def _step(self, consumer: IConsumer | None) -> None:
        """One state's work: only prepared where there is no consumer yet, else to its end."""
        event = Event.COMPLETE
        try:
            match self._position.state:
                case State.RETRY_DOWNLOAD:
                    event = await self._retry()
                case _:
                    if self._producer is None:
                        self._producer = self._next_producer()
                        self._prepared = False
                    if not self._prepared:
                        await self._producer.prepare()
                        self._prepared = True
                    if consumer is None:
                        return
                    await self._produce(self._producer, consumer)
        except CancelledError:
            self.stopProducing()
            raise
        except Exception as error:
            event = self._event(error)
        if event is not Event.COMPLETE:
            self._drop_producer()
        self._position = advance(self._position, event)

    def _next_producer(self) -> _Prepared:
        if self._position.state is State.TRY_CACHE:
            assert self._reader is not None
            return ChunkProducer(self._reader)
        if self._reader is not None:
            self.cause = "retry-failed"
            self._accounts.passthroughs[self.cause] += 1
        return self._passthrough(self._position.cursor)

    async def _produce(self, producer: _Prepared, consumer: IConsumer) -> None:
        if self._paused:
            producer.pauseProducing()
        await producer.startProducing(consumer)

    def _event(self, error: Exception) -> Event:
        """What an error means in this state."""
        self._error = error
        if self._is_enough(error):
            return Event.ORIGIN_FAILED
        if isinstance(error, ObjectChanged):
            if self._reader is not None:
                self._reader.generation.changed()
            return Event.CHANGED
        if self._position.state is State.TRY_CACHE:
            if isinstance(error, CacheReadFailed):
                assert self._reader is not None
                self._reader.generation.invalidate(error)
                return Event.READ_FAILED
            if isinstance(error, OriginError):
                if self._reader is not None and isinstance(error, OriginStatus):
                    self._reader.distrusts_freshest = True
                return Event.FILL_FAILED
            self._log.failure("reading from the cache failed unexpectedly")
            return Event.FILL_FAILED
        if not isinstance(error, OriginError):
            self._log.failure("passing through failed unexpectedly")
        return Event.ORIGIN_FAILED

    def _is_enough(self, error: Exception) -> bool:
        """Whether a client that has nothing yet is told: it has waited out a deadline, or nothing better would come."""
        refused = isinstance(error, OriginStatus) and error.refused
        return (refused or isinstance(error, (OriginSilent, MalformedAnswer))) and not self.bytes_by_source

    async def _retry(self) -> Event:
        """Fetch the range again, at HIGH priority, within the deadline."""
        assert self._reader is not None
        self._accounts.retries += 1
        reader = self._reader
        reader.priority = Priority.HIGH
        waiter = reader.wait()
        deadline = self._clock.callLater(self._retry_timeout, _give_up, waiter, self._retry_timeout)
        try:
            await waiter
        except (ObjectChanged, CancelledError):
            raise
        except Exception as error:
            self._error = error
            return Event.ORIGIN_FAILED if self._is_enough(error) else Event.RETRY_FAILED
        finally:
            if deadline.active():
                deadline.cancel()
            reader.priority = Priority.CRITICAL
        return Event.REFETCHED

    # Backpressure from the client's connection

    def pauseProducing(self) -> None:
        """The client's connection has enough."""
        self._paused = True
        if self._producer is not None:
            self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        """It wants more."""
        self._paused = False
        if self._producer is not None:
            self._producer.resumeProducing()

    def stopProducing(self) -> None:
        """The client is gone."""
        self._drop_producer()

    def close(self) -> None:
        """Give up what is held, whatever the state."""
        self._drop_producer()
        if self._reader is not None:
            self._fetched = self.fetched
            self._reader.close()
            self._reader = None

    def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        self._prepared = False
        if producer is not None:
            producer.stopProducing()


def _give_up(waiter: Deferred[None], seconds: float) -> None:
    try:
        waiter.errback(OriginTimeout(f"not fetched again within {seconds:g} s"))
    except AlreadyCalled:
        pass
