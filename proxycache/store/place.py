"""The cache's place on the disk: cache files and database are one process's, and no other may write among them.

The locks are the kernel's (C{flock(2)}): they live as long as this process, pass to it from the one that twistd
forked it from, and are gone however it ends.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from proxycache.errors import PlaceInUse
from proxycache.log import make_logger

from .private import FILE_MODE, make_directory

LOCK_NAME = "proxycache.lock"

_log = make_logger()


def occupy(directory: Path, database: Path) -> None:
    """Keep others out of the directory of the cache files and out of the database, until this process ends.

    @raise PlaceInUse: another process has one of them; nothing was written.
    """
    _lock(directory / LOCK_NAME, f"cache directory {directory}")
    _lock(database.with_name(f"{database.name}.lock"), f"database {database}")


def _lock(path: Path, what: str) -> None:
    """Where the disk has no locks, or is in trouble, we go on without: the origin can serve."""
    try:
        make_directory(path.parent)
        _take(path)
    except BlockingIOError:
        raise PlaceInUse(f"{what} is in use by another process, which has {path} locked") from None
    except OSError as error:
        _log.warn("{what} cannot be locked, going on without: {why}", what=what, why=error)


def _take(path: Path) -> None:
    """Lock the file at C{path}, by a descriptor that is never closed."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
    except OSError:
        # A disk that is read-only for now still tells who has the file.
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
