"""The SQLite database behind C{adbapi}: queries with deadlines; what failed or is gone is opened anew.

One writer connection and a few readers. A failure never reaches further than the Deferred it belongs to.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, TypeVar, cast

from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall, IReactorCore
from twisted.python.failure import Failure

from proxycache.accounts import Accounts
from proxycache.errors import MetadataUnavailable
from proxycache.interfaces import IDiskReactor
from proxycache.log import make_logger

from .databasefile import (
    BUSY_TIMEOUT_SECONDS,
    check_file,
    configure,
    is_corruption,
    prepare_file,
    rewrite,
    set_aside,
)
from .disk import DaemonThread, Disk, told
from .job import Job

T = TypeVar("T")

CAUSE = "database-unavailable"

READERS = 3

ANSWER_TIMEOUT_SECONDS = 1.0
"""How long a client waits for the database, his turn included, before it is served without."""

HANG_SECONDS = 1.5
"""Where a query is at work for longer, and no other was answered since it began, the database hangs."""

WRITE_SECONDS = 10.0
"""A batch that is at work for longer is told of: meanwhile nothing else is recorded."""

CLOSE_SECONDS = 1.0
"""How long the next opening waits until what was open is closed. What hangs is left to the end of the process."""

LOOK_SECONDS = 1.0
"""Between two looks: whether a database that failed can be had again, and whether the file is still the one we opened,
since what is written to another goes nowhere."""


def _is_unlike_ours(error: BaseException) -> bool:
    """Whether a statement makes no sense there: a table was changed. What is read when it is opened tells more."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR


class _FileGone(Exception):
    """The file was unlinked or replaced under us: writes would go nowhere."""


class Database:
    """A database that may fail and comes back by itself.

    @param disk: threads for opening and repairing.
    @param opened: called in the reactor's thread whenever it was opened; with True where a new, empty file took the
        place of a bad or lost one.
    """

    def __init__(
        self,
        reactor: IDiskReactor,
        path: Path,
        disk: Disk,
        accounts: Accounts,
        now: Callable[[], float],
        opened: Callable[[bool], None],
    ) -> None:
        self._reactor = reactor
        self._triggers = cast(IReactorCore, reactor)
        self._path = path
        self._disk = disk
        self._accounts = accounts
        self._now = now
        self._opened = opened
        self._log = make_logger()
        self._pools: tuple[ConnectionPool, ConnectionPool] | None = None
        self._identity: tuple[int, int] | None = None
        self._failure: str | None = "not opened yet"
        self._write_failure: str | None = None
        self._no_records: str | None = None
        self._repair: Deferred[bool] | None = None
        self._again: IDelayedCall | None = None
        self._running = False
        self._answered_at = float("-inf")
        self._batch: Job[Any] | None = None
        self._bad: str | None = None
        self._unchecked = True
        self._suspected = False
        self._checking: tuple[Event, Deferred[None]] | None = None

    def state(self) -> str | None:
        """None where it answers and takes records, else why not."""
        return self._failure or self._write_failure

    def start(self) -> None:
        """Open it, blocking: nobody is served yet. A failure is logged and mended later.

        @raise UnknownSchema: refused.
        """
        self._running = True
        try:
            fresh = self._open_file()
        except (OSError, sqlite3.Error) as error:
            self._failed(told(error))
            return
        self._open_pools(fresh)

    def stop(self) -> None:
        """Close the pools. A statement that hangs is left to the end of the process."""
        self._running = False
        self._close()
        if self._again is not None:
            self._again.cancel()
            self._again = None

    def read(self, work: Callable[[sqlite3.Cursor], T]) -> Deferred[T]:
        """Run C{work} on a reader connection.

        @return: its result, within L{ANSWER_TIMEOUT_SECONDS}; fails with L{MetadataUnavailable}.
        """
        job: Job[T] = Job(self._reactor, HANG_SECONDS, self._watcher())
        self._run(0, work, job)
        return job.hurry(
            ANSWER_TIMEOUT_SECONDS,
            lambda seconds: MetadataUnavailable(CAUSE, f"no answer from the database in {seconds:g} s"),
        )

    def maintain(self, work: Callable[[sqlite3.Cursor], T]) -> Deferred[T]:
        """Run C{work} on a reader connection for as long as it takes. That it fails says nothing to clients.

        @return: its result; fails with L{MetadataUnavailable}.
        """
        job: Job[T] = Job(self._reactor)
        self._run(0, work, job, vital=False)
        return job.told

    def write(self, work: Callable[[sqlite3.Cursor], T]) -> Deferred[T]:
        """Run C{work} in one transaction on the writer connection; fails with L{MetadataUnavailable}."""

        def transaction(cursor: sqlite3.Cursor) -> T:
            cursor.execute("BEGIN IMMEDIATE")
            return work(cursor)

        job: Job[T] = Job(self._reactor)
        self._batch = job
        self._run(1, transaction, job)
        return job.told.addCallbacks(self._written, self._not_written)

    def try_writing(self) -> Deferred[None]:
        """Find out whether it takes records, while there are none; fails as L{write}."""
        return self.write(rewrite)

    def _written(self, result: T) -> T:
        self._write_failure = None
        return result

    def _not_written(self, failure: Failure) -> Failure:
        """Reads go on where only writing fails: another writer's lock, a full disk."""
        self._takes_none(failure.getErrorMessage())
        return failure

    def _takes_none(self, why: str) -> None:
        if self._write_failure is None:
            self._log.warn("database takes no records: {why}", why=why)
        self._write_failure = why

    def _run(self, pool: int, work: Callable[[sqlite3.Cursor], T], job: Job[T], vital: bool = True) -> None:
        pools, identity = self._pools, self._identity
        if pools is None or self._failure is not None:
            job.finish(Failure(MetadataUnavailable(CAUSE, self._failure or "closed")))
            return

        def checked(cursor: sqlite3.Cursor) -> T:
            try:
                job.begin()
                if self._look() != identity:
                    raise _FileGone(f"{self._path} was removed or replaced")
                return work(cursor)
            except BaseException:
                # A failure in a thread is part of a cycle, with all frames: until that is collected, SQLite would keep
                # the file open for a cursor in one of them, and open it for reading only where it once had to.
                cursor.close()
                raise

        def over(result: T | Failure) -> None:
            dropped = isinstance(result, Failure) and result.check(CancelledError)
            if pools is self._pools and not dropped:
                self._answered_at = self._reactor.seconds()
            if isinstance(result, Failure):
                result = self._classify(result, vital and pool == 0, pools is self._pools)
            job.finish(result)

        pools[pool].runInteraction(checked).addBoth(over)

    def _watcher(self) -> Callable[[Job[T]], None]:
        """What to do when a query hangs that is asked of the pools of now."""
        pools = self._pools

        def hung(job: Job[T]) -> None:
            # One that is slow among others that are answered is its own client's affair.
            if pools is self._pools and job.began is not None and self._answered_at < job.began:
                self._failed(f"a query has been at work for {HANG_SECONDS:g} s")

        return hung

    def _classify(self, failure: Failure, reading: bool, present: bool) -> Failure:
        """@param present: whether what failed is what is open now."""
        error = failure.value
        if not isinstance(error, (sqlite3.Error, OSError, _FileGone)):
            return failure
        if present and is_corruption(error):
            # While all of it is read, the others are served of what can be.
            if self._checking is None or not self._suspected:
                self._unchecked = self._suspected = True
                self._failed(str(error))
        elif present and (reading or isinstance(error, _FileGone) or _is_unlike_ours(error)):
            self._failed(str(error))
        return Failure(MetadataUnavailable(CAUSE, str(error)))

    def _failed(self, why: str) -> None:
        self._accounts.database_failures += 1
        if self._failure is None or self._failure == "not opened yet":
            self._log.warn("database unavailable, serving without: {why}", why=why)
        failed_before, self._failure = self._failure is not None, why
        if failed_before and self._again is not None:
            return
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if self._running and self._repair is None:
            self._again = self._reactor.callLater(LOOK_SECONDS, self._recover)

    def _recover(self) -> None:
        """Open the file again, in a thread; set it aside where it is corrupt."""
        self._again = None

        def reopen(_: object) -> Deferred[bool]:
            return self._disk.run_patiently(self._open_file, "opening the database")

        self._repair = self._close().addCallback(reopen)
        self._repair.addCallbacks(self._recovered, self._not_recovered)

    def _recovered(self, fresh: bool) -> None:
        self._repair = None
        if self._running:
            if self._failure is not None:
                self._log.info("database available again")
            self._open_pools(fresh)

    def _not_recovered(self, failure: Failure) -> None:
        self._repair = None
        self._failed(told(cast(BaseException, failure.value)))

    def _look(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _open_file(self) -> bool:
        """Prepare the file; true where it is a new one that replaces one we had."""
        had = self._identity
        new = not self._path.exists()
        bad, self._bad = self._bad, None
        try:
            if bad is not None:
                raise sqlite3.DatabaseError(f"database disk image is malformed: {bad}")
            self._no_records = prepare_file(self._path)
        except sqlite3.DatabaseError as error:
            if not is_corruption(error):
                raise
            aside = set_aside(self._path, self._now())
            self._log.error("database is corrupt ({why}); set aside as {aside}", why=error, aside=aside)
            self._no_records = prepare_file(self._path)
            new = True
        self._identity = self._look()
        # A new file may get the number of the one that was removed.
        another = new or had != self._identity
        if another:
            self._unchecked, self._suspected = not new, False
        return had is not None and another

    def _pool(self, most: int) -> ConnectionPool:
        made = ConnectionPool(
            "sqlite3",
            # Never made anew by a connection: an empty file is no database of ours.
            f"{self._path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cp_min=1,
            cp_max=most,
            cp_openfun=configure,
            cp_reactor=self._reactor,
            cp_noisy=False,
        )
        made.threadpool.threadFactory = DaemonThread
        made.start()
        return made

    def _open_pools(self, fresh: bool) -> None:
        self._pools = (self._pool(READERS), self._pool(1))
        self._failure, self._write_failure = None, self._no_records
        self._again = self._reactor.callLater(LOOK_SECONDS, self._watch)
        if self._unchecked and self._no_records is None:
            self._check()
        self._opened(fresh)

    def _check(self) -> None:
        """Look whether the file is whole, in a thread, while it serves."""
        stop, pools = Event(), self._pools

        def over(verdict: str | Failure | None) -> None:
            self._checking = None
            if isinstance(verdict, Failure) or pools is not self._pools:
                # It was stopped, or could not be read: the next opening has it done.
                return
            if verdict is None:
                self._unchecked = self._suspected = False
            else:
                self._bad = verdict
                self._failed(verdict)

        work = partial(check_file, self._path, stop, self._suspected)
        checking: Deferred[str | None] = self._disk.run_patiently(work, "checking the database")
        self._checking = stop, checking.addBoth(over)

    def _watch(self) -> None:
        self._again = None
        if self._batch is not None and self._batch.at_work(WRITE_SECONDS):
            self._takes_none(f"a batch has been at work for {WRITE_SECONDS:g} s")
        if self._look() == self._identity:
            if self._write_failure is not None and "readonly" in self._write_failure:
                # As it was when it was opened, and stays for all who share it: only a new beginning can tell.
                self._recover()
                return
            self._again = self._reactor.callLater(LOOK_SECONDS, self._watch)
        else:
            self._failed(f"{self._path} was removed or replaced")

    def _close(self) -> Deferred[Any]:
        """Close all that is open, in threads: joining one that waits for a lock, or hangs, would hold up the reactor.

        @return: fires when it is closed, or hangs.
        """
        pools, self._pools = self._pools, None
        closing: list[Deferred[None]] = [self._close_pool(pool) for pool in pools or ()]
        if self._checking is not None:
            stop, checking = self._checking
            stop.set()
            closing.append(checking)
        return DeferredList(closing).addTimeout(CLOSE_SECONDS, self._reactor, onTimeoutCancel=lambda *_: None)

    def _close_pool(self, pool: ConnectionPool) -> Deferred[None]:
        if pool.shutdownID is not None:
            self._triggers.removeSystemEventTrigger(pool.shutdownID)
            pool.shutdownID = None
        closing: Deferred[None] = self._disk.run_patiently(pool.finalClose, "closing the database")
        return closing.addErrback(lambda _: None)
