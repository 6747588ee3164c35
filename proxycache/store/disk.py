"""Work on the disk: in threads of its own, with a deadline, and given up for a while once one was missed.

A disk that hangs takes its threads with it, so those who come after do not even try until it is heard of again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from proxycache.interfaces import IDiskReactor

T = TypeVar("T")

TIMEOUT_SECONDS = 5.0
"""A disk that takes longer has failed, for whoever waits for it."""

STOP_SECONDS = 3.0
"""How long the end waits for work that is under way."""

GIVEN_UP_SECONDS = 30.0
"""How long a disk that hangs is left alone, unless it answers before."""


def told(error: BaseException) -> str:
    """What the system says of an error, and of which file."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"


class DaemonThread(threading.Thread):
    """A thread that hangs in the kernel must not keep the process from ending."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named, daemon=True)


class Disk:
    """Threads for one disk.

    @param threads: how many pieces of work may be under way at once.
    """

    def __init__(self, reactor: IDiskReactor, threads: int) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(minthreads=0, maxthreads=threads, name="disk")
        self._pool.threadFactory = DaemonThread
        self._given_up_until = float("-inf")
        self._under_way = 0
        self._idle: Deferred[None] | None = None

    @property
    def hangs(self) -> bool:
        """Whether it was given up for now."""
        return self._reactor.seconds() < self._given_up_until

    def start(self) -> None:
        """Begin."""
        self._pool.start()

    def settle(self) -> Deferred[None]:
        """Wait for what is under way, until those who asked for it were told; not for long."""
        idle: Deferred[None] = Deferred()
        if self._under_way and not self.hangs:
            self._idle = idle
            idle.addTimeout(STOP_SECONDS, self._reactor, onTimeoutCancel=lambda *_: None)
        else:
            idle.callback(None)
        return idle

    def stop(self) -> Deferred[None]:
        """Wait for what is under way; a thread that hangs is left to the end of the process."""

        def stopped(_: object) -> None:
            if not self._under_way:
                self._pool.stop()

        return self.settle().addCallback(stopped)

    def run(self, work: Callable[[], T], what: str, patient: bool = False) -> Deferred[T]:
        """Do C{work} in a thread. Fails with what it raises, or with a TimeoutError after L{TIMEOUT_SECONDS}.

        @param patient: it may take longer; no client waits for it.
        """
        if self.hangs:
            return fail(TimeoutError(f"{what}: the disk does not answer"))
        late = False
        # Cancelling it lets go of the result; the thread goes on.
        told: Deferred[T] = Deferred(lambda _: None)

        def over(result: T | Failure) -> None:
            self._under_way -= 1
            if late:
                self._given_up_until = float("-inf")
            if not told.called:
                told.callback(result)
            if not self._under_way and self._idle is not None and not self._idle.called:
                self._idle.callback(None)

        def give_up(value: T | Failure, seconds: float) -> T | Failure:
            nonlocal late
            late = True
            self._given_up_until = self._reactor.seconds() + GIVEN_UP_SECONDS
            return Failure(TimeoutError(f"{what} took more than {seconds:g} s"))

        self._under_way += 1
        deferToThreadPool(self._reactor, self._pool, work).addBoth(over)
        if patient:
            return told
        return told.addTimeout(TIMEOUT_SECONDS, self._reactor, onTimeoutCancel=give_up)
