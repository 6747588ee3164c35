"""A file that lines are appended to: whoever has one to write waits for nothing and is told of no failure."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from proxycache.accounts import Accounts
from proxycache.interfaces import IDiskReactor
from proxycache.log import make_logger

from .disk import Disk, told
from .private import make_directory

FLUSH_SECONDS = 0.1
"""How long lines are gathered: then they are written at once."""

MAX_WAITING = 4 * 1024 * 1024
"""Bytes that wait for a disk that is slow; what comes beyond is lost."""

FILE_MODE = 0o640
"""Whoever evaluates logs reads them by their group."""


class LineFile:
    """See the module. One thread at a time writes, all that has come meanwhile.

    @param disk: threads of its own: what hangs here is to hold up nothing else.
    @param accounts: counts lines that are lost, for want of space or of patience.
    @ivar writing: whether a thread does.
    """

    def __init__(self, reactor: IDiskReactor, path: Path, disk: Disk, accounts: Accounts) -> None:
        self._reactor = reactor
        self._path = path
        self._disk = disk
        self._accounts = accounts
        self._log = make_logger()
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._flush: IDelayedCall | None = None
        self.writing = False
        self._failing = False
        self._stopping = False
        self._reopen = False
        self._descriptor: int | None = None
        self._torn = False

    def write(self, line: str) -> None:
        """Append a line of ASCII, given without its end."""
        data = line.encode("ascii") + b"\n"
        if self._waiting_bytes + len(data) > MAX_WAITING:
            self._accounts.lost_log_lines += 1
            return
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        self._flush_soon()

    def reopen(self) -> None:
        """The file was renamed: what is written from now on goes to a new one."""
        self._reopen = True
        self._flush_soon()

    def stop(self) -> Deferred[None]:
        """Write what waits, if the disk lets us within a few seconds."""
        self._stopping = True
        if self._flush is not None:
            self._flush.cancel()
            self._write_on()
        return self._disk.stop().addCallback(self._close)

    def _close(self, _: object) -> None:
        if self._descriptor is not None and not self.writing:
            os.close(self._descriptor)
            self._descriptor = None

    def _flush_soon(self) -> None:
        if self._flush is None and not self.writing:
            self._flush = self._reactor.callLater(0 if self._stopping else FLUSH_SECONDS, self._write_on)

    def _write_on(self) -> None:
        self._flush = None
        self.writing = True
        data = b"".join(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        self._disk.run_patiently(lambda: self._append(data), "writing lines").addBoth(self._written)

    def _written(self, result: tuple[int, OSError | None] | Failure) -> None:
        self.writing = False
        if isinstance(result, Failure):
            self._log.failure("writing lines failed unexpectedly", result)
        else:
            lost, error = result
            self._accounts.lost_log_lines += lost
            if error is not None and not self._failing:
                self._log.warn("{path}: lines are lost: {why}", path=self._path, why=told(error))
            self._failing = error is not None
        if self._waiting and self._stopping:
            self._write_on()
        elif self._waiting or self._reopen:
            self._flush_soon()

    # In the thread

    def _append(self, data: bytes) -> tuple[int, OSError | None]:
        """Gives the number of lines that were lost, and why."""
        done = 0
        try:
            descriptor = self._open()
            if self._torn:
                os.write(descriptor, b"\n")
                self._torn = False
            while done < len(data):
                done += os.write(descriptor, memoryview(data)[done:])
        except OSError as error:
            # What comes next is not to go on in the middle of a line.
            self._torn = self._torn or (done > 0 and not data[:done].endswith(b"\n"))
            return data.count(b"\n", done), error
        return 0, None

    def _open(self) -> int:
        if self._reopen:
            self._reopen = False
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
        if self._descriptor is None:
            make_directory(self._path.parent)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, FILE_MODE)
            self._torn = False
        return self._descriptor
