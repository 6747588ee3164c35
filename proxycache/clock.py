"""The reactor's clock: it runs evenly whatever the time of day is set to, and stands still while the process does.

Twisted's reactor counts in wall time. Set back by an hour, a deadline is an hour late; put forward by a day, all have
passed at once. A process that was stopped, frozen with its container, or held up with its machine would find the same
of a monotonic clock: what its sockets hold by then has come in time, and what its threads and its origins were at stood
still as well, as far as it can know.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

STANDSTILL_SECONDS = 1.0
"""Later than this after it was due, the reactor's next turn tells that the process stood still."""


class ReactorClock:
    """Gives a reactor its time. To be made before anything is scheduled, in the reactor's thread.

    @param reactor: any of Twisted's.
    @param monotonic: seconds since whenever.
    """

    def __init__(self, reactor: Any, monotonic: Callable[[], float]) -> None:
        assert not reactor.getDelayedCalls(), "something was scheduled by another clock"
        self._monotonic = monotonic
        self._thread = threading.get_ident()
        self._counting = threading.Lock()
        self._stood_still = 0.0
        # Until when the reactor may be away without having stood still.
        self._back_by = monotonic()
        self._sockets_first = False
        self._run_until_current, self._timeout = reactor.runUntilCurrent, reactor.timeout
        reactor.seconds, reactor.runUntilCurrent, reactor.timeout = self.seconds, self._turn, self._may_sleep

    def seconds(self) -> float:
        """Seconds that the process was there; from any thread."""
        now = self._monotonic()
        if now - self._back_by > STANDSTILL_SECONDS:
            with self._counting:
                # Another thread may have counted it meanwhile.
                late = now - self._back_by
                if late > STANDSTILL_SECONDS:
                    self._stood_still += late
                    self._back_by = now
                    self._sockets_first = True
        if threading.get_ident() == self._thread:
            self._back_by = now
        return now - self._stood_still

    def _turn(self) -> None:
        """In place of C{runUntilCurrent}: calls that are due wait for one look at the sockets after a standstill."""
        self.seconds()
        if not self._sockets_first:
            self._run_until_current()

    def _may_sleep(self) -> float | None:
        """In place of C{timeout}: how long the reactor may wait for its sockets now."""
        if self._sockets_first:
            self._sockets_first = False
            return 0.0
        delay: float | None = self._timeout()
        self._back_by = math.inf if delay is None else self._monotonic() + delay
        return delay
