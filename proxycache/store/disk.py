"""Work on the disk: in threads of its own, with a deadline, and given up for a while once one was missed.

A disk that hangs takes its threads with it, so those who come after do not even try until it is heard of again. One
that is only slow has a queue, and is not given up: whoever waits too long for his turn goes without.
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

from .job import Job

T = TypeVar("T")

TIMEOUT_SECONDS = 5.0
"""A disk that works on one thing for longer has failed. Nobody waits for longer either, his turn included."""

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

    @param threads: how many pieces of work may be under way at once, beside those that take as long as they take.
    """

    def __init__(self, reactor: IDiskReactor, threads: int) -> None:
        self._reactor = reactor
        self._threads = threads
        self._pool = ThreadPool(minthreads=0, maxthreads=threads, name="disk")
        self._pool.threadFactory = DaemonThread
        self._given_up_until = float("-inf")
        self._jobs: set[Job[Any]] = set()
        self._hanging: set[Job[Any]] = set()
        self._idle: Deferred[None] | None = None

    @property
    def hangs(self) -> bool:
        """Whether it was given up for now: for a while, and as long as it has all the threads."""
        return len(self._hanging) >= self._threads or self._reactor.seconds() < self._given_up_until

    def start(self) -> None:
        """Begin."""
        self._pool.start()

    def settle(self) -> Deferred[None]:
        """Wait for what is under way, until those who asked for it were told; not for long."""
        idle: Deferred[None] = Deferred()
        if self._jobs and not self.hangs:
            self._idle = idle
            idle.addTimeout(STOP_SECONDS, self._reactor, onTimeoutCancel=lambda *_: None)
        else:
            idle.callback(None)
        return idle

    def stop(self) -> Deferred[None]:
        """Wait for what is under way; a thread that hangs is left to the end of the process."""

        def stopped(_: object) -> None:
            if not self._jobs:
                self._pool.stop()

        return self.settle().addCallback(stopped)

    def run(self, work: Callable[[], T], what: str, droppable: bool = True) -> Deferred[T]:
        """Do C{work} in a thread. Fails with what it raises, or with a TimeoutError after L{TIMEOUT_SECONDS}, at once
        where the disk L{hangs}.

        @param droppable: it need not be done any more where its turn comes after that, or after it was cancelled.
        """
        if self.hangs:
            return fail(TimeoutError(f"{what}: the disk does not answer"))
        job: Job[T] = Job(self._reactor, TIMEOUT_SECONDS, self._hung, droppable)

        def in_turn() -> T:
            job.begin()
            return work()

        self._jobs.add(job)
        deferToThreadPool(self._reactor, self._pool, in_turn).addBoth(self._over, job)
        return job.hurry(TIMEOUT_SECONDS, lambda seconds: TimeoutError(f"{what} took more than {seconds:g} s"))

    def run_patiently(self, work: Callable[[], T], what: str) -> Deferred[T]:
        """Do C{work} in a thread of its own, for as long as it takes: no client waits for it.

        Fails with what it raises, and at once, with a TimeoutError, where the disk L{hangs}.
        """
        if self.hangs:
            return fail(TimeoutError(f"{what}: the disk does not answer"))
        job: Job[T] = Job(self._reactor)
        job.begin()

        def at_leisure() -> None:
            result: T | Failure
            try:
                result = work()
            except BaseException:
                result = Failure()
            self._reactor.callFromThread(self._over, result, job)

        self._jobs.add(job)
        DaemonThread(target=at_leisure, name=what).start()
        return job.told

    def _over(self, result: T | Failure, job: Job[T]) -> None:
        self._jobs.discard(job)
        if job in self._hanging:
            self._hanging.discard(job)
            self._given_up_until = float("-inf")
        job.finish(result)
        if not self._jobs and self._idle is not None and not self._idle.called:
            self._idle.callback(None)

    def _hung(self, job: Job[Any]) -> None:
        """Give it up. Who waits for his turn is told at once: it would be no earlier than that of those who come."""
        self._hanging.add(job)
        self._given_up_until = self._reactor.seconds() + GIVEN_UP_SECONDS
        for other in list(self._jobs):
            if other.began is None:
                other.give_up(TimeoutError("the disk does not answer"))
