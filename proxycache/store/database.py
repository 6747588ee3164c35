"""The SQLite database behind C{adbapi}: opened, checked, upgraded, set aside when corrupt, opened anew when gone.

One writer connection and a few readers. A failure never reaches further than the Deferred it belongs to.
"""

from __future__ import annotations

import glob
import os
import sqlite3
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, cast

from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet.defer import Deferred, DeferredList, fail
from twisted.internet.interfaces import IDelayedCall, IReactorCore
from twisted.python.failure import Failure

from proxycache.accounts import Accounts
from proxycache.errors import MetadataUnavailable, UnknownSchema
from proxycache.interfaces import IDiskReactor
from proxycache.log import make_logger

from .disk import DaemonThread, Disk, told
from .private import close_to_strangers, make_directory, make_file

T = TypeVar("T")

CAUSE = "database-unavailable"

READERS = 3
BUSY_TIMEOUT_SECONDS = 0.5
"""How long SQLite waits for a lock."""

ANSWER_TIMEOUT_SECONDS = 1.0
"""How long a client waits for the database before it is served without."""

LOOK_SECONDS = 1.0
"""Between two looks: whether a database that failed can be had again, and whether the file is still the one we opened,
since what is written to another goes nowhere."""

_KINDS = ("", "-wal", "-shm", ".corrupt-*", ".schema-*")
"""What is ours beside a database, by the end of its name."""

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
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"database disk image is malformed: {verdict}")
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
        self._close_pools()
        if self._again is not None:
            self._again.cancel()
            self._again = None

    def read(self, work: Callable[[sqlite3.Cursor], T]) -> Deferred[T]:
        """Run C{work} on a reader connection.

        @return: its result, within L{ANSWER_TIMEOUT_SECONDS}; fails with L{MetadataUnavailable}.
        """
        return self._run(0, work, ANSWER_TIMEOUT_SECONDS)

    def maintain(self, work: Callable[[sqlite3.Cursor], T]) -> Deferred[T]:
        """Run C{work} on a reader connection for as long as it takes. That it fails says nothing to clients.

        @return: its result; fails with L{MetadataUnavailable}.
        """
        return self._run(0, work, None, vital=False)

    def write(self, work: Callable[[sqlite3.Cursor], T]) -> Deferred[T]:
        """Run C{work} in one transaction on the writer connection; fails with L{MetadataUnavailable}."""

        def transaction(cursor: sqlite3.Cursor) -> T:
            cursor.execute("BEGIN IMMEDIATE")
            return work(cursor)

        return self._run(1, transaction, None).addCallbacks(self._written, self._not_written)

    def try_writing(self) -> Deferred[None]:
        """Find out whether it takes records, while there are none; fails as L{write}."""
        return self.write(_rewrite)

    def _written(self, result: T) -> T:
        self._write_failure = None
        return result

    def _not_written(self, failure: Failure) -> Failure:
        """Reads go on where only writing fails: another writer's lock, a full disk."""
        if self._write_failure is None:
            self._log.warn("database takes no records: {why}", why=failure.getErrorMessage())
        self._write_failure = failure.getErrorMessage()
        return failure

    def _run(
        self, pool: int, work: Callable[[sqlite3.Cursor], T], timeout: float | None, vital: bool = True
    ) -> Deferred[T]:
        if self._pools is None or self._failure is not None:
            return fail(MetadataUnavailable(CAUSE, self._failure or "closed"))
        identity = self._identity

        def checked(cursor: sqlite3.Cursor) -> T:
            try:
                if self._look() != identity:
                    raise _FileGone(f"{self._path} was removed or replaced")
                return work(cursor)
            except BaseException:
                # A failure in a thread is part of a cycle, with all frames: until that is collected, SQLite would keep
                # the file open for a cursor in one of them, and open it for reading only where it once had to.
                cursor.close()
                raise

        pending: Deferred[T] = self._pools[pool].runInteraction(checked)

        if timeout is not None:

            def late(value: T | Failure, seconds: float) -> T | Failure:
                return Failure(TimeoutError(f"no answer from the database in {seconds:g} s"))

            pending.addTimeout(timeout, self._reactor, onTimeoutCancel=late)
        return pending.addErrback(self._classify, vital and pool == 0)

    def _classify(self, failure: Failure, reading: bool) -> Failure:
        error = failure.value
        if isinstance(error, MetadataUnavailable) or not isinstance(
            error, (sqlite3.Error, OSError, _FileGone, TimeoutError)
        ):
            return failure
        if reading or isinstance(error, _FileGone) or is_corruption(error):
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
            return self._disk.run(self._open_file, "opening the database", patient=True)

        self._repair = self._close_pools().addCallback(reopen)
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
        try:
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
        return had is not None and (new or had != self._identity)

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
        self._opened(fresh)

    def _watch(self) -> None:
        self._again = None
        if self._look() == self._identity:
            if self._write_failure is not None and "readonly" in self._write_failure:
                # As it was when it was opened, and stays for all who share it: only a new beginning can tell.
                self._recover()
                return
            self._again = self._reactor.callLater(LOOK_SECONDS, self._watch)
        else:
            self._failed(f"{self._path} was removed or replaced")

    def _close_pools(self) -> Deferred[Any]:
        """Close them in threads: joining one that waits for a lock, or hangs, would hold up the reactor.

        @return: fires when that was tried.
        """
        pools, self._pools = self._pools, None
        return DeferredList([self._close(pool) for pool in pools or ()])

    def _close(self, pool: ConnectionPool) -> Deferred[None]:
        if pool.shutdownID is not None:
            self._triggers.removeSystemEventTrigger(pool.shutdownID)
            pool.shutdownID = None
        closing: Deferred[None] = self._disk.run(pool.finalClose, "closing the database")
        return closing.addErrback(lambda _: None)


__all__ = ["CAUSE", "Database", "check_version", "is_corruption", "prepare_file", "set_aside"]
