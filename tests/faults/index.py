"""The product's database from outside: what is in it, and what an operator or a bug may do to it."""

import contextlib
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

SHM_FIRST_LOCK, SHM_LOCKS = 120, 8
"""Where in the -shm file the locks lie that a reader, writer or checkpointer of a WAL takes (SQLite: walformat)."""


class Index:
    """Looks into the database file at a path. Nothing here is kept open."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def chunks(self, source_url: str) -> set[int]:
        """The recorded chunks of an object."""
        sql = "SELECT idx FROM chunk JOIN entry ON entry.id = entry_id WHERE source_url = ?"
        return {int(str(index)) for (index,) in self._rows(sql, source_url)}

    def entries(self, source_url: str) -> int:
        """How many of an object's variants have a recorded chunk."""
        sql = "SELECT DISTINCT entry_id FROM chunk JOIN entry ON entry.id = entry_id WHERE source_url = ?"
        return len(self._rows(sql, source_url))

    def id(self, source_url: str) -> str:
        """The id of an object's generation."""
        (found,) = self.ids(source_url)
        return found

    def ids(self, source_url: str) -> set[str]:
        """The ids of all that is recorded of it."""
        return {str(id) for (id,) in self._rows("SELECT id FROM entry WHERE source_url = ?", source_url)}

    def _rows(self, sql: str, source_url: str) -> list[tuple[object, ...]]:
        with contextlib.closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
            return connection.execute(sql, (source_url.encode(),)).fetchall()

    @property
    def version(self) -> int:
        """Of its schema."""
        with contextlib.closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
            ((version,),) = connection.execute("PRAGMA user_version").fetchall()
            return int(version)

    def copied(self, directory: Path) -> "Index":
        """A copy of the files as they lie there, to be looked into without touching them."""
        directory.mkdir()
        for suffix in ("", "-wal"):
            shutil.copy(f"{self.path}{suffix}", directory)
        return Index(directory / self.path.name)

    def execute(self, sql: str, *values: object) -> None:
        """Change it, as an operator might with the sqlite3 command."""
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute(sql, values)

    @contextlib.contextmanager
    def locked_for_writers(self) -> Iterator[None]:
        """Another program is in a long transaction."""
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield

    @contextlib.contextmanager
    def locked_for_all(self) -> Iterator[None]:
        """Another program has it for itself: SQLite grants that only while nobody else has it open."""
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            yield

    @contextlib.contextmanager
    def locked_in_use(self) -> Iterator[None]:
        """Keep out readers and writers that have it open already.

        No statement does that in WAL mode, only SQLite's own recovery, by these locks. A reader tries for 10 s.
        """
        shm = os.open(f"{self.path}-shm", os.O_RDWR)
        try:
            fcntl.lockf(shm, fcntl.LOCK_EX, SHM_LOCKS, SHM_FIRST_LOCK)
            yield
        finally:
            os.close(shm)

    def overwrite(self) -> None:
        """Garbage in place of every byte, in every file of the database."""
        for suffix in ("", "-wal", "-shm"):
            path = Path(f"{self.path}{suffix}")
            if path.exists():
                with path.open("r+b") as file:
                    file.write(os.urandom(path.stat().st_size))

    def overwrite_pages(self) -> None:
        """Garbage in place of every page but the first: it opens, but nothing can be read."""
        with self.path.open("r+b") as file:
            file.seek(4096)
            file.write(os.urandom(self.path.stat().st_size - 4096))

    def truncate(self) -> None:
        """The second half is gone, and so is the log."""
        os.truncate(self.path, self.path.stat().st_size // 2)
        wal = Path(f"{self.path}-wal")
        if wal.exists():
            os.truncate(wal, 0)

    def fill_with_text(self) -> None:
        """It is no database at all."""
        self.delete()
        self.path.write_text("Somebody's notes.\n" * 1000)

    def drop_table(self) -> None:
        """It is a database, and not ours."""
        self.execute("DROP TABLE chunk")

    def delete(self) -> None:
        """Remove the file, with its log."""
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def set_aside(self) -> set[int]:
        """The inodes of corrupt databases that were kept to be looked at."""
        return {
            path.stat().st_ino
            for path in self.path.parent.glob(f"{self.path.name}.corrupt-*")
            if not path.name.endswith(("-wal", "-shm"))
        }
