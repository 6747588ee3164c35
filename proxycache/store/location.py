"""Where a cache file lies, and the ways to it. No symbolic link is followed, neither for the file nor its folder.

What lies in the way is renamed, for it may be somebody's; what a link leads to is certainly nobody's of ours.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .private import FILE_MODE, make_directory

NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP})
"""Errors that say: there is no file of ours at this place."""


class Location:
    """A name in a folder. Whatever fails raises an OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def look(self) -> os.stat_result:
        """What lies here.

        @raise FileNotFoundError: nothing, or nothing of ours.
        """
        # One call, for it precedes each read. Where a link has taken the folder's place, it tells of somebody's file:
        # it is not the one that is open, and none can be opened.
        found = os.lstat(self.path)
        if not stat.S_ISREG(found.st_mode):
            raise FileNotFoundError(errno.ENOENT, "not a regular file", str(self.path))
        return found

    def open(self, create: bool) -> int:
        """Open the file for reading and writing; gives the descriptor."""
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if create else 0)
        with self._folder() as folder:
            return os.open(self.path.name, flags, FILE_MODE, dir_fd=folder)

    def unlink(self) -> None:
        """Remove the file; a link goes itself."""
        with self._folder() as folder:
            os.unlink(self.path.name, dir_fd=folder)

    def clear(self, when: int) -> None:
        """Make way for a folder and a file: what has their names and is neither gets another name.

        @param when: goes into the new name.
        """
        for path, belongs in ((self.path.parent, stat.S_ISDIR), (self.path, stat.S_ISREG)):
            try:
                found = os.lstat(path)
            except OSError:
                continue
            if not belongs(found.st_mode):
                path.rename(path.with_name(f"{path.name}.in-the-way-{when}"))
        make_directory(self.path.parent)

    @contextmanager
    def _folder(self) -> Iterator[int]:
        folder = os.open(self.path.parent, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            yield folder
        finally:
            os.close(folder)
