"""Who waits for which byte: each with a Deferred of its own."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from proxycache.accounts import Accounts


class Waiters:
    """Waiters by position, woken by progress and by failure alike. One who leaves disturbs nobody."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._waiting: dict[int, list[Deferred[None]]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def positions(self) -> list[int]:
        """Where somebody waits."""
        return list(self._waiting)

    def wait(self, position: int) -> Deferred[None]:
        """A new waiter for the byte at C{position}. Cancelling it concerns nobody else."""

        def leave(waiter: Deferred[None]) -> None:
            here = self._waiting.get(position, [])
            if waiter in here:
                here.remove(waiter)
                self._accounts.waiters -= 1
            if not here:
                self._waiting.pop(position, None)

        waiter: Deferred[None] = Deferred(leave)
        self._waiting.setdefault(position, []).append(waiter)
        self._accounts.waiters += 1
        return waiter

    def wake(self, start: int, stop: int) -> None:
        """Bytes C{[start, stop)} can be read."""
        self._take(lambda position: start <= position < stop, lambda waiter: waiter.callback(None))

    def wake_all(self) -> None:
        """Everybody is to look again."""
        self._take(lambda position: True, lambda waiter: waiter.callback(None))

    def fail(self, error: Exception, start: int, stop: int | None) -> None:
        """Bytes C{[start, stop)} will not come, and why. C{stop} None: to the end."""
        self._take(
            lambda position: start <= position and (stop is None or position < stop),
            lambda waiter: waiter.errback(error),
        )

    def fail_one(self, waiter: Deferred[None], position: int, error: Exception) -> None:
        """The byte at C{position} will not come for this one, and why."""
        here = self._waiting.get(position, [])
        if waiter in here:
            here.remove(waiter)
            self._accounts.waiters -= 1
            if not here:
                del self._waiting[position]
            waiter.errback(error)

    def _take(self, chosen: Callable[[int], bool], tell: Callable[[Deferred[None]], None]) -> None:
        taken = [waiter for position in self.positions if chosen(position) for waiter in self._waiting.pop(position)]
        self._accounts.waiters -= len(taken)
        for waiter in taken:
            if not waiter.called:
                tell(waiter)
