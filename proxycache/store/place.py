"""The cache's place on the disk: this user can write there, and no other process does.

A place that is wrong for good stops the start: a plain file in the way, no permission. A disk in trouble (read-only,
full, failing) does not: it may come back, and the origin can serve meanwhile.

The locks are the kernel's (C{flock(2)}): they live as long as this process, pass to it from the one that twistd
forked it from, and are gone however it ends.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from tempfile import TemporaryFile

from proxycache.errors import PlaceInUse, UnusablePlace
from proxycache.log import make_logger

from .private import FILE_MODE, make_directory

LOCK_NAME = "proxycache.lock"

_FOR_GOOD = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ENOENT,
        errno.ELOOP,
        errno.ENAMETOOLONG,
    }
)

_log = make_logger()


def check_place(directory: Path, database: Path, access_log: Path | None) -> None:
    """See whether this user can write cache files, database and access log; nothing is left there.

    @raise UnusablePlace: not before somebody puts it right.
    """
    _check_writable(directory, "cache.directory")
    _check_writable(database.parent, "cache.database")
    _check_file(database, "cache.database", os.O_RDWR)
    if access_log is not None:
        # It may be a pipe that nobody reads yet, and its folder somebody else's.
        found = _check_file(access_log, "server.access_log", os.O_WRONLY | os.O_NONBLOCK)
        if not found:
            _check_writable(access_log.parent, "server.access_log")


def _check_file(path: Path, key: str, flags: int) -> bool:
    """Whether the file is there; it can be opened then."""
    try:
        os.close(os.open(path, flags | os.O_CLOEXEC))
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno in _FOR_GOOD:
            expected = f"{key}: expected a file that this user can write"
            raise UnusablePlace(f"{expected}, got '{path}': {error.strerror}") from error
    return True


def _check_writable(folder: Path, key: str) -> None:
    """The folder, or the nearest above it in which it can be made, takes a file, which never gets a name there."""
    existing = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    try:
        TemporaryFile(dir=existing).close()
    except OSError as error:
        if error.errno in _FOR_GOOD:
            expected = f"{key}: expected a directory that this user can write"
            where = "" if existing == folder else f"{existing}: "
            raise UnusablePlace(f"{expected}, got '{folder}': {where}{error.strerror}") from error


def occupy(directory: Path, database: Path) -> None:
    """Make the directory of the cache files and that of the database, and keep other processes out of both.

    That lasts until this process ends.

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
