"""The file of the SQLite database: its schema, made and upgraded; whether it is whole; how it is set aside and shrinks.

All of it blocks, and is called at the start or in a thread.
"""

from __future__ import annotations

import glob
import os
import sqlite3
from importlib.resources import files
from pathlib import Path
from threading import Event

from proxycache.errors import UnknownSchema

from .private import close_to_strangers, make_directory, make_file

BUSY_TIMEOUT_SECONDS = 0.5
"""How long SQLite waits for a lock."""

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


def schema_steps() -> list[str]:
    """The scripts of schema/, in their order: each upgrades from the version before it."""
    folder = files("proxycache.store.schema")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [folder.joinpath(name).read_text("utf-8") for name in names]


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        configure(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def configure(connection: sqlite3.Connection) -> None:
    """Of every connection, before it is used."""
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
    known = len(schema_steps())
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
    steps = schema_steps()
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
            rewrite(connection.cursor())
        except sqlite3.OperationalError as error:
            return str(error)
        return None
    finally:
        connection.close()


def rewrite(cursor: sqlite3.Cursor) -> None:
    """Write what is there already: fails wherever a record would.

    C{BEGIN IMMEDIATE} alone does not where the file is open for reading only, nor does a statement that finds nothing
    to do where the disk is full.
    """
    cursor.execute(f"PRAGMA user_version={len(schema_steps())}")


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
