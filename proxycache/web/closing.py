"""The end of a listener: what is idle is closed, and answers that were begun get a time to finish."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime


class Closing(Protocol):
    """What is asked of a client's connection."""

    def finish(self) -> None:
        """Close once the present answer is given; at once where there is none."""

    def abort(self) -> None:
        """End it, whatever is under way."""


class Connections:
    """Those of a site.

    @ivar finishing: whether no further request is taken.
    """

    def __init__(self) -> None:
        self.finishing = False
        self._open: set[Closing] = set()
        self._empty: Deferred[None] | None = None

    def opened(self, connection: Closing) -> None:
        """A client has connected."""
        self._open.add(connection)
        if self.finishing:
            connection.finish()

    def closed(self, connection: Closing) -> None:
        """Its connection is over."""
        self._open.discard(connection)
        if not self._open and self._empty is not None:
            empty, self._empty = self._empty, None
            empty.callback(None)

    async def finish(self, clock: IReactorTime, seconds: float) -> int:
        """Fires when all are closed; tells how many were cut off, since they took longer than C{seconds}."""
        self.finishing = True
        for connection in list(self._open):
            connection.finish()
        late = 0

        def too_long() -> None:
            nonlocal late
            late = len(self._open)
            for connection in list(self._open):
                connection.abort()

        timer = clock.callLater(seconds, too_long)
        if self._open:
            self._empty = Deferred()
            await self._empty
        if timer.active():
            timer.cancel()
        return late
