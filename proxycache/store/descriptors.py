"""Cache files that are open: those read last, as many as the process has descriptors for.

One that is closed costs its next reader an C{open}. Where none are left, nobody is served at all.
"""

from __future__ import annotations

import errno
import os
import resource
from collections import OrderedDict
from pathlib import Path
from threading import Lock

from .location import Location

PART = 4
"""Of the descriptors that the process may have, cache files take one in so many while nobody reads them."""

NONE_LEFT = frozenset({errno.EMFILE, errno.ENFILE})


def descriptor_limit() -> int:
    """How many descriptors this process may have."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if limit == resource.RLIM_INFINITY else limit


class Descriptor:
    """An open file that closes once nobody holds it: a thread that still works on it never meets its successor."""

    __slots__ = ("inode", "number")

    def __init__(self, location: Location, create: bool) -> None:
        self.number = location.open(create)
        self.inode = os.fstat(self.number).st_ino

    def __del__(self) -> None:
        if hasattr(self, "number"):
            os.close(self.number)


class Descriptors:
    """May be called from any thread.

    @param limit: descriptors of the process.
    @param reserved: so many of them stay free of clients, for what clients need.
    """

    def __init__(self, limit: int, reserved: int = 0) -> None:
        self._most = max(1, limit // PART)
        self._full = limit - min(reserved, limit // PART)
        self._open: OrderedDict[Path, Descriptor] = OrderedDict()
        self._lock = Lock()

    def get(self, location: Location, inode: int) -> Descriptor:
        """The file at C{location}, as C{lstat} has just found it.

        @raise OSError: it cannot be opened.
        """
        with self._lock:
            found = self._open.get(location.path)
            if found is not None and found.inode == inode:
                self._open.move_to_end(location.path)
                return found
        return self._keep(location, self.open(location))

    def create(self, location: Location) -> Descriptor:
        """A new file at C{location}.

        @raise OSError: it cannot be made.
        """
        return self._keep(location, self.open(location, create=True))

    def open(self, location: Location, create: bool = False) -> Descriptor:
        """As the two above, for one piece of work: it is closed when the caller lets it go."""
        try:
            opened = Descriptor(location, create)
        except OSError as error:
            if error.errno not in NONE_LEFT:
                raise
            self._close_all()
            opened = Descriptor(location, create)
        self.has_room(opened.number)
        return opened

    def _keep(self, location: Location, opened: Descriptor) -> Descriptor:
        # Closed where the list ends, outside of the lock: a disk may take its time.
        closed = []
        with self._lock:
            closed.append(self._open.pop(location.path, None))
            self._open[location.path] = opened
            while len(self._open) > self._most:
                closed.append(self._open.popitem(last=False)[1])
        return opened

    def close(self, location: Location) -> None:
        """Close a file; the next read opens it again."""
        with self._lock:
            closed = self._open.pop(location.path, None)
        del closed

    def _close_all(self) -> bool:
        with self._lock:
            closed = list(self._open.values())
            self._open.clear()
        return bool(closed)

    def has_room(self, number: int) -> bool:
        """Close cache files where descriptors become few; whether there is room for one more client then.

        @param number: of a descriptor that was opened just now: the lowest that was free, so all below are taken.
        """
        return number < self._full or self._close_all()
