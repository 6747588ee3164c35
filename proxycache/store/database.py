"""The SQLite database behind C{adbapi}: opened, checked, upgraded, set aside when corrupt, opened anew when gone.

One writer connection and a few readers. A failure never reaches further than the Deferred it belongs to.
"""

from __future__ import annotations

import glob
import os
import sqlite3
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from pathlib import Path
from threading import Event
from typing import Any, TypeVar, cast

from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall, IReactorCore
from twisted.python.failure import Failure

from proxycache.accounts import Accounts
from proxycache.errors import MetadataUnavailable, UnknownSchema
from proxycache.interfaces import IDiskReactor
from proxycache.log import make_logger

from .disk import DaemonThread, Disk, told
from .job import Job
from .private import close_to_strangers, make_directory, make_file

T = TypeVar("T")

CAUSE = "database-unavailable"

READERS = 3
BUSY_TIMEOUT_SECONDS = 0.5
"""How long SQLite waits for a lock."""

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

PAGE = 4096
"""Bytes of a page."""

LOG_PAGES = 256
"""Written to the log before they go to the file; one batch of records may exceed it."""

GIVEN_BACK_PAGES = 512
"""Given back at once: some ten milliseconds."""

FREE_PAGES = 64
"""Pages that may be free in any case, for what comes next, and otherwise an eighth of them; see L{give_back_pages}."""

_KINDS = ("", "-wal", "-shm", ".corrupt-*", ".schema-*")
"""What is ours beside a database, by the end of its name."""

_STEPS_BETWEEN_LOOKS = 10_000
"""Of SQLite's virtual machine: some milliseconds."""

_CORRUPT = ("malformed", "not a database", "corrupt")


def _steps() -> list[str]:
    folder = files("proxycache.store.schema")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [folder.joinpath(name).read_text("utf-8") for name in names]


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """Runs for every connection. C{cp_openfun} of the pools."""
    connection.execute(f"PRAGMA busy_timeout={int(BUSY_TIMEOUT_SECONDS * 1000)}")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint={LOG_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit={LOG_PAGES * PAGE}")


def _statements(script: str) -> list[str]:
    statements: list[str] = []
    current = ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return statements


def _schema(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    return set(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))


def _schema_of(steps: list[str]) -> set[tuple[str, str]]:
    """What a database made by C{steps} holds."""
    connection = sqlite3.connect(":memory:")
    try:
        for step in steps:
            connection.executescript(step)
        return _schema(connection)
    finally:
        connection.close()


def check_version(path: Path) -> None:
    """Refuse a database of a version that this program does not know.

    @raise UnknownSchema: with one line. A file that is missing or corrupt is none of this function's business.
    """
    if not path.exists():
        return
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_SECONDS)
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        finally:
            connection.close()
    except sqlite3.Error:
        return
    known = len(_steps())
    if version > known:
        raise UnknownSchema(f"{path}: written by a newer proxycache (schema {version}, this one knows up to {known})")


def prepare_file(path: Path) -> str | None:
    """Make the file at C{path} a database of the newest schema, upgrading step by step after a backup.

    @return: why it takes no records for now, None where it does: SQLite opens a file for reading where it has to.
    @raise sqlite3.DatabaseError: corrupt.
    @raise sqlite3.OperationalError: locked, full, unreadable.
    @raise UnknownSchema: from the future.
    """
    make_directory(path.parent)
    for kind in _KINDS:
        for left in path.parent.glob(glob.escape(path.name) + kind):
            close_to_strangers(left)
    if not path.exists():
        # SQLite would let everybody read it. Its log is made in its image.
        make_file(path)
    steps = _steps()
    connection = _connect(path)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(steps):
            raise UnknownSchema(f"{path}: schema {version}, this proxycache knows up to {len(steps)}")
        if not version:
            # Before anything else: it stays as it is then.
            connection.execute(f"PRAGMA page_size={PAGE}")
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
        if 0 < version < len(steps):
            copy = path.with_name(f"{path.name}.schema-{version}")
            copy.unlink(missing_ok=True)
            make_file(copy)
            backup = sqlite3.connect(copy)
            try:
                connection.backup(backup)
            finally:
                backup.close()
        if version < len(steps):
            connection.execute("BEGIN IMMEDIATE")
            try:
                for step in steps[version:]:
                    for statement in _statements(step):
                        connection.execute(statement)
                connection.execute(f"PRAGMA user_version={len(steps)}")
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        if not _schema_of(steps) <= _schema(connection):
            raise sqlite3.DatabaseError("the database's schema is malformed")
        try:
            _rewrite(connection.cursor())
        except sqlite3.OperationalError as error:
            return str(error)
        return None
    finally:
        connection.close()


def _rewrite(cursor: sqlite3.Cursor) -> None:
    """Write what is there already: fails wherever a record would.

    C{BEGIN IMMEDIATE} alone does not where the file is open for reading only, nor does a statement that finds nothing
    to do where the disk is full.
    """
    cursor.execute(f"PRAGMA user_version={len(_steps())}")


def check_file(path: Path, stop: Event, thorough: bool) -> str | None:
    """Read all of the database at C{path}, unless C{stop} is set meanwhile.

    @param thorough: compare the indices with their tables as well.
    @return: what is wrong with it; None where that is nothing.
    @raise sqlite3.OperationalError: it was stopped, or could not be read.
    """
    connection = _connect(path)
    try:
        connection.set_progress_handler(stop.is_set, _STEPS_BETWEEN_LOOKS)
        (verdict,) = connection.execute(f"PRAGMA {'integrity' if thorough else 'quick'}_check(1)").fetchone()
        return None if verdict == "ok" else str(verdict)
    except sqlite3.DatabaseError as error:
        if not is_corruption(error):
            raise
        return str(error)
    finally:
        connection.close()


def give_back_pages(cursor: sqlite3.Cursor) -> None:
    """Make the file smaller where much of it is free, a little at a time.

    Nothing in a database that was made by a former version.
    """
    (free,), (pages,) = (cursor.execute(f"PRAGMA {name}").fetchone() for name in ("freelist_count", "page_count"))
    if free > max(FREE_PAGES, pages // 8):
        for _ in range(min(free, GIVEN_BACK_PAGES)):
            # The module makes one step of a statement without columns, and one step gives one page back.
            cursor.execute("PRAGMA incremental_vacuum(1)").fetchall()


def set_aside(path: Path, now: float) -> Path:
    """Rename a corrupt database, with its log, so that it can be looked at; returns its new name."""
    when = int(now)
    while (aside := path.with_name(f"{path.name}.corrupt-{when}")).exists():
        when += 1
    for suffix in ("", "-wal", "-shm"):
        try:
            os.replace(f"{path}{suffix}", f"{aside}{suffix}")
        except OSError:
            continue
    return aside


def is_corruption(error: BaseException) -> bool:
    """Whether an error means that the file itself is bad."""
    return isinstance(error, sqlite3.DatabaseError) and any(word in str(error).lower() for word in _CORRUPT)


def is_refusal(error: BaseException) -> bool:
    """Whether an error concerns one statement and its values, and says nothing of the database."""
    if isinstance(error, sqlite3.DatabaseError):
        return isinstance(
            error, (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.NotSupportedError)
        )
    # A value that cannot be bound: sqlite3.InterfaceError, OverflowError, UnicodeEncodeError.
    return not isinstance(error, (OSError, MemoryError))


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
        return self.write(_rewrite)

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
            cp_openfun=_prepare,
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


__all__ = ["CAUSE", "Database", "check_file", "check_version", "is_corruption", "prepare_file", "set_aside"]
