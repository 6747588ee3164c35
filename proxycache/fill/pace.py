"""How long a disk that is behind what arrives may hold the origin up, and its clients with it."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

MAX_WRITING = 4
"""Chunks on their way to the disk before the origin is held up."""

HOLD_SECONDS = 1.0
"""How long it is held up at most; no pause at all would leave out what a disk is late for by a moment."""

HOLD_FRACTION = 0.1
"""The part of the time for which it may be held up beyond that."""


class Pace:
    """Whether chunks of a generation are written as they come.

    @ivar slow: the disk was behind for too long: what it has no time for goes unstored, until it has caught up.
    @param told: called when it turns out to be.
    """

    def __init__(self, clock: IReactorTime, told: Callable[[], None]) -> None:
        self.slow = False
        self._clock = clock
        self._told = told
        self._began: float | None = None
        self._since: float | None = None
        self._held = 0.0
        self._timer: IDelayedCall | None = None

    @property
    def holds(self) -> bool:
        """Whether the origin is to be held up now."""
        return self._since is not None

    def writing(self, count: int) -> None:
        """So many chunks are on their way to the disk now."""
        now = self._clock.seconds()
        if not count:
            self._go_on(now)
            self.slow, self._began, self._held = False, None, 0.0
            return
        if self._began is None:
            self._began = now
        if count < MAX_WRITING:
            self._go_on(now)
        elif self._since is None and not self.slow:
            self._since = now
            left = HOLD_SECONDS + HOLD_FRACTION * (now - self._began) - self._held
            self._timer = self._clock.callLater(max(0.0, left), self._too_slow)

    def _go_on(self, now: float) -> None:
        if self._since is not None:
            self._held += now - self._since
            self._since = None
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _too_slow(self) -> None:
        self.slow = True
        self._go_on(self._clock.seconds())
        self._told()
