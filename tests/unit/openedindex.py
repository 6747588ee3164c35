"""A database in a directory of a test, with what it needs."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from proxycache.accounts import Accounts
from proxycache.store.database import LOOK_SECONDS, Database
from proxycache.store.disk import Disk
from proxycache.store.metadata import MetadataStore

from .threadedclock import ThreadedClock


class Index:
    """A database and the records in it, both with one clock.

    @ivar openings: how often it was opened.
    @ivar rebuilt: how often a new file took the place of a bad or lost one.
    """

    def __init__(self, path: Path, disk: Disk, clock: ThreadedClock) -> None:
        self.path = path
        self.disk = disk
        self.clock = clock
        self.accounts = Accounts()
        self.openings = 0
        self.rebuilt = 0
        self.database = Database(self.clock, path, disk, self.accounts, self.now, self._opened)
        self.metadata = MetadataStore(self.clock, self.database, self.now)

    def now(self) -> float:
        return 1_700_000_000.0 + self.clock.seconds()

    def _opened(self, fresh: bool) -> None:
        self.openings += 1
        self.rebuilt += fresh
        self.metadata.flush()

    async def recover(self) -> None:
        """Let the time until the next look pass, and wait for what comes of it."""
        self.clock.advance(LOOK_SECONDS)
        await self.disk.settle()

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """What another process reads."""
        connection = sqlite3.connect(self.path)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()
