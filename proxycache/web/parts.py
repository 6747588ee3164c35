"""The body of an answer from the cache: its parts one after the other, the next ones being fetched meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from attrs import evolve
from twisted.internet.task import deferLater

from proxycache.fill.generation import Generation
from proxycache.interfaces import OriginRequest
from proxycache.policy.responding import Part
from proxycache.stream.passthrough import PassthroughProducer
from proxycache.stream.servestream import ServeStream

from .exchange import Exchange

AHEAD = 8
"""Parts that are asked for while one is written, at most."""

AHEAD_BYTES = 8 * 1024 * 1024
"""In chunks, since each may hold one in memory that is not complete."""

AT_ONCE = 32
"""Parts that are written before others have their turn, although nothing is waited for."""


class Parts:
    """The parts of one answer.

    @param sparse: for each whether no more than itself is to be fetched for it.
    """

    def __init__(
        self,
        exchange: Exchange,
        generation: Generation,
        request: OriginRequest,
        parts: Sequence[Part],
        sparse: Sequence[bool],
    ) -> None:
        self._exchange = exchange
        self._serving = exchange.serving
        self._generation = generation
        self._request = request
        self._parts = parts
        self._sparse = sparse
        self._ahead = max(1, min(AHEAD, AHEAD_BYTES // generation.chunking.size))
        self._opened: deque[ServeStream] = deque()
        self._next = 0
        self._token = object()

    async def prepare(self) -> str | None:
        """Have the first byte in hand; why the cache was passed by for it, None where it was not.

        @raise OriginError: it could not be had.
        @raise ObjectChanged: likewise.
        """
        self._open()
        first = self._opened[0]
        self._look_ahead()
        await first.prepare()
        return first.cause

    async def write(self) -> None:
        """Write them all.

        @raise OriginError: the body is incomplete.
        @raise ObjectChanged: likewise.
        """
        for number, part in enumerate(self._parts, 1):
            stream = self._opened.popleft()
            self._look_ahead()
            if part.head:
                self._exchange.write(part.head)
            await self._exchange.write_stream(stream)
            if number % AT_ONCE == 0:
                await deferLater(self._serving.clock, 0.0)

    def _look_ahead(self) -> None:
        while self._next < len(self._parts) and len(self._opened) <= self._ahead:
            self._open().foresee()

    def _open(self) -> ServeStream:
        part, sparse = self._parts[self._next], self._sparse[self._next]
        self._next += 1
        start, stop = part.start_and_stop
        generation = self._generation
        request = evolve(self._request, begun=self._exchange.started)
        reader = generation.open_reader(start, stop, request, sparse=sparse, by=self._token)

        def passthrough(cursor: int) -> PassthroughProducer:
            return PassthroughProducer(
                self._serving.origin,
                evolve(request, begun=self._exchange.started),
                cursor,
                stop,
                generation.representation,
                self._serving.accounts,
                self._serving.clock,
            )

        stream = self._exchange.open_stream(reader, start, stop, passthrough)
        self._opened.append(stream)
        return stream
