"""Who waits for which byte: each with a Deferred of its own."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable

from twisted.internet.defer import Deferred

from proxycache.accounts import Accounts


class Waiters:
    """Waiters by position, woken by progress and by failure alike. One who leaves disturbs nobody."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._waiting: dict[int, dict[Deferred[None], None]] = {}
        self._positions: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def positions(self) -> list[int]:
        """Where somebody waits, in order."""
        return list(self._positions)

    def any_in(self, start: int, stop: int | None) -> bool:
        """Whether anybody waits for a byte of C{[start, stop)}; C{stop} None: from C{start} on."""
        at = bisect_left(self._positions, start)
        return at < len(self._positions) and (stop is None or self._positions[at] < stop)

    def wait(self, position: int) -> Deferred[None]:
        """A new waiter for the byte at C{position}. Cancelling it concerns nobody else."""

        def leave(waiter: Deferred[None]) -> None:
            self._leave(waiter, position)

        waiter: Deferred[None] = Deferred(leave)
        if position not in self._waiting:
            self._waiting[position] = {}
            insort(self._positions, position)
        self._waiting[position][waiter] = None
        self._accounts.waiters += 1
        return waiter

    def wake(self, start: int, stop: int) -> None:
        """Bytes C{[start, stop)} can be read."""
        self._take(start, stop, lambda waiter: waiter.callback(None))

    def wake_all(self) -> None:
        """Everybody is to look again."""
        self._take(0, None, lambda waiter: waiter.callback(None))

    def fail(self, error: Exception, start: int, stop: int | None) -> None:
        """Bytes C{[start, stop)} will not come, and why. C{stop} None: to the end."""
        self._take(start, stop, lambda waiter: waiter.errback(error))

    def fail_one(self, waiter: Deferred[None], position: int, error: Exception) -> None:
        """The byte at C{position} will not come for this one, and why."""
        if self._leave(waiter, position):
            waiter.errback(error)

    def _leave(self, waiter: Deferred[None], position: int) -> bool:
        """Wait no longer; whether it did."""
        here = self._waiting.get(position, {})
        if waiter not in here:
            return False
        del here[waiter]
        self._accounts.waiters -= 1
        if not here:
            del self._waiting[position]
            del self._positions[bisect_left(self._positions, position)]
        return True

    def _take(self, start: int, stop: int | None, tell: Callable[[Deferred[None]], None]) -> None:
        first = bisect_left(self._positions, start)
        last = len(self._positions) if stop is None else bisect_left(self._positions, stop)
        positions = self._positions[first:last]
        del self._positions[first:last]
        taken = [waiter for position in positions for waiter in self._waiting.pop(position)]
        self._accounts.waiters -= len(taken)
        for waiter in taken:
            if not waiter.called:
                tell(waiter)
