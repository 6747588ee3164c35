"""Cache files: one sparse file per generation.

Every request takes the whole chunk, verifies its checksum, and is served from that very buffer, piece by piece. What
was right on the disk a moment ago is not trusted: a long write by somebody else moves C{mtime} once, and bytes long
after. Pages in memory are read at once (C{preadv2} with C{RWF_NOWAIT}), others in a thread.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import stat
from collections.abc import Callable, Hashable
from pathlib import Path
from tempfile import TemporaryFile, mkstemp
from weakref import WeakValueDictionary

import xxhash
from twisted.internet.defer import Deferred, DeferredLock
from twisted.python.failure import Failure
from zope.interface import implementer

from proxycache.errors import CacheReadFailed, CacheWriteFailed, DamagedChunk
from proxycache.interfaces import ChunkSpan, FileSystemSpace, ICacheFile, ICacheFiles, StoredFile
from proxycache.log import make_logger

from .descriptors import Descriptor, Descriptors
from .disk import Disk, told
from .location import NOT_THERE, Location
from .private import make_directory
from .verified import Verified

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_CANNOT_PUNCH = (errno.EOPNOTSUPP, errno.ENOSYS)

_PUNCH_HOLE_KEEP_SIZE = 0x02 | 0x01
_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def checksum(data: bytes | bytearray | memoryview) -> int:
    """The checksum of a chunk: xxh3_64, unsigned."""
    return xxhash.xxh3_64_intdigest(data)


@implementer(ICacheFile)
class CacheFile:
    """See L{ICacheFile}.

    @param now_ns: wall clock in nanoseconds since the epoch, for the name of what is in the way.
    """

    def __init__(
        self,
        path: Path,
        disk: Disk,
        now_ns: Callable[[], int],
        descriptors: Descriptors,
        verified: Verified | None = None,
    ) -> None:
        self._location = Location(path)
        self._disk = disk
        self._now_ns = now_ns
        self._descriptors = descriptors
        self._verified = verified or Verified()
        self._removed = False
        self._changes = DeferredLock()

    def read(self, span: ChunkSpan, start: int, stop: int, by: Hashable = None) -> bytes | Deferred[bytes]:
        """See L{ICacheFile.read}."""
        try:
            found = self._location.look()
            descriptor = self._descriptors.get(self._location, found.st_ino)
        except OSError as error:
            if error.errno in NOT_THERE:
                raise CacheReadFailed(span.chunk, str(error), lost_from=0) from error
            raise CacheReadFailed(span.chunk, str(error), transient=error.errno != errno.EIO) from error
        if found.st_size < span.stop:
            raise DamagedChunk(span.chunk, f"file ends at {found.st_size}", lost_from=found.st_size)
        # The bytes in memory are right whatever became of the file; but who damages it is to be noticed.
        stamp = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        key = (by, self._location.path, span.start, span.stop, span.checksum, stamp)

        def piece(whole: bytearray | bytes) -> bytes:
            return bytes(memoryview(whole)[start - span.start : stop - span.start])

        def vouched(whole: bytearray | bytes) -> bytes:
            if len(whole) != span.stop - span.start:
                raise DamagedChunk(span.chunk, f"{len(whole)} bytes of {span.stop - span.start}")
            if checksum(whole) != span.checksum:
                raise DamagedChunk(span.chunk, "checksum differs")
            if by is not None and stop < span.stop:
                self._verified.keep(key, whole)
            return piece(whole)

        kept = None if by is None else self._verified.get(key)
        if kept is not None:
            return piece(kept)
        whole = _read_now(descriptor, span.start, span.stop)
        if whole is not None:
            return vouched(whole)
        return self._read_in_thread(descriptor, span).addCallback(vouched)

    def _read_in_thread(self, descriptor: Descriptor, span: ChunkSpan) -> Deferred[bytes]:
        def work() -> bytes:
            pieces = []
            position = span.start
            while position < span.stop:
                piece = os.pread(descriptor.number, span.stop - position, position)
                if not piece:
                    break
                pieces.append(piece)
                position += len(piece)
            return b"".join(pieces)

        def failed(failure: Failure) -> Failure:
            if failure.check(OSError):
                transient = getattr(failure.value, "errno", None) != errno.EIO
                return Failure(CacheReadFailed(span.chunk, failure.getErrorMessage(), transient=transient))
            return failure

        return self._disk.run(work, "reading").addErrback(failed)

    def write(self, start: int, data: bytes | bytearray, length: int | None) -> Deferred[int]:
        """See L{ICacheFile.write}."""

        def work() -> int:
            try:
                descriptor = self._open_to_write()
            except OSError as error:
                raise CacheWriteFailed(str(error), error.errno in _FULL, files=True) from error
            if length is not None and os.fstat(descriptor.number).st_size != length:
                os.ftruncate(descriptor.number, length)
            view = memoryview(data)
            done = 0
            while done < len(view):
                done += os.pwrite(descriptor.number, view[done:], start + done)
            return checksum(view)

        def over(result: object) -> object:
            if isinstance(result, Failure) and result.check(OSError):
                full = getattr(result.value, "errno", None) in _FULL
                return Failure(CacheWriteFailed(result.getErrorMessage(), full))
            return result

        writing: Deferred[int] = self._changes.run(self._disk.run, work, "writing")
        writing.addBoth(over)
        return writing

    def punch(self, start: int, stop: int) -> Deferred[None]:
        """See L{ICacheFile.punch}."""

        def work() -> None:
            # Held: it is closed when nobody does.
            descriptor = self._descriptors.open(self._location)
            _punch(descriptor.number, start, stop)

        # In line with the writes: a hole punched late would take what was written after it.
        punching: Deferred[None] = self._changes.run(self._disk.run, work, "punching a hole", droppable=False)
        return punching.addErrback(lambda _: None)

    def unlink(self) -> Deferred[None]:
        """See L{ICacheFile.unlink}."""
        self._removed = True

        def work() -> None:
            try:
                self._location.unlink()
            finally:
                # Last, for a write may have opened it meanwhile: what is open keeps its room on the disk.
                self.close()

        removing: Deferred[None] = self._changes.run(self._disk.run, work, "removing", droppable=False)
        return removing.addErrback(lambda _: None)

    def close(self) -> None:
        """See L{ICacheFile.close}."""
        self._descriptors.close(self._location)

    def _open_to_write(self) -> Descriptor:
        """In a thread; begins a new file where the old one was removed."""
        try:
            return self._descriptors.get(self._location, self._location.look().st_ino)
        except OSError as error:
            if self._removed or error.errno not in NOT_THERE:
                raise
            self._location.clear(self._now_ns())
            return self._descriptors.create(self._location)


def _punch(descriptor: int, start: int, stop: int) -> None:
    if _libc.fallocate(descriptor, _PUNCH_HOLE_KEEP_SIZE, start, stop - start):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _read_now(descriptor: Descriptor, start: int, stop: int) -> bytearray | None:
    """The bytes where all of them are in memory, else None."""
    buffer = bytearray(stop - start)
    try:
        count = os.preadv(descriptor.number, [buffer], start, os.RWF_NOWAIT)
    except OSError:
        return None
    return buffer if count == len(buffer) else None


@implementer(ICacheFiles)
class CacheFiles:
    """See L{ICacheFiles}. Files lie in C{directory/ab/abcdef…}, by the first two digits of their generation's id.

    @param database: whose log counts for what lies beside them.
    """

    def __init__(
        self,
        directory: Path,
        disk: Disk,
        now_ns: Callable[[], int],
        descriptors: Descriptors,
        database: Path | None = None,
    ) -> None:
        self.block_size = _block_size(directory)
        self.punches = True
        self._tried_to_punch = False
        self._log = make_logger()
        self._directory = directory
        self._database = database
        self._descriptors = descriptors
        self._disk = disk
        self._now_ns = now_ns
        self._opened: WeakValueDictionary[str, CacheFile] = WeakValueDictionary()
        self._verified = Verified()

    def open(self, id: str) -> CacheFile:
        """See L{ICacheFiles.open}."""
        file = self._opened.get(id)
        if file is None:
            path = self._directory / id[:2] / id
            file = self._opened[id] = CacheFile(path, self._disk, self._now_ns, self._descriptors, self._verified)
        return file

    def usable(self) -> Deferred[str | None]:
        """See L{ICacheFiles.usable}."""

        def work() -> str | None:
            try:
                make_directory(self._directory)
                probe, name = mkstemp(prefix=".probe-", dir=self._directory)
                try:
                    os.write(probe, b"x")
                finally:
                    os.close(probe)
                    os.unlink(name)
            except OSError as error:
                return told(error)
            return None

        return self._disk.run(work, "looking at the disk")

    def space(self) -> Deferred[FileSystemSpace]:
        """See L{ICacheFiles.space}."""

        def work() -> FileSystemSpace:
            self._try_to_punch()
            found = os.statvfs(self._directory)
            beside = [str(self._directory), *(entry.path for entry in self._folders())]
            if self._database is not None:
                beside += [f"{self._database}-wal", f"{self._database}-shm"]
            return FileSystemSpace(
                found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize, sum(map(_allocated, beside))
            )

        before = self.punches

        def found(space: FileSystemSpace) -> FileSystemSpace:
            if before and not self.punches:
                self._log.warn("{path}: holes cannot be punched here: entries go as a whole", path=self._directory)
            return space

        return self._disk.run(work, "looking at the disk").addCallback(found)

    def _try_to_punch(self) -> None:
        """Find out whether holes can be punched, in a thread; once."""
        if self._tried_to_punch:
            return
        try:
            with TemporaryFile(dir=self._directory) as probe:
                probe.truncate(self.block_size)
                _punch(probe.fileno(), 0, self.block_size)
        except OSError as error:
            # Of what cannot be written nothing is known yet.
            self._tried_to_punch = error.errno in _CANNOT_PUNCH
            self.punches = not self._tried_to_punch
        else:
            self._tried_to_punch = True

    def _folders(self) -> list[os.DirEntry[str]]:
        return [
            entry
            for entry in _entries(self._directory)
            if _FOLDER.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
        ]

    def list_files(self) -> Deferred[list[StoredFile]]:
        """See L{ICacheFiles.list_files}."""

        def work() -> list[StoredFile]:
            return [
                StoredFile(entry.name, found.st_size, found.st_blocks * _STAT_BLOCK)
                for folder in self._folders()
                for entry in _entries(folder.path)
                if entry.name.startswith(folder.name) and len(entry.name) == ID_DIGITS
                for found in _regular(entry)
            ]

        return self._disk.run_patiently(work, "listing the cache files")


def _block_size(directory: Path) -> int:
    """That of the file system on which a directory is, or is to be made."""
    for path in (directory, *directory.absolute().parents):
        try:
            size = os.statvfs(path).f_frsize
        except OSError:
            continue
        # File systems on the network tell what is good to send at once.
        return size if 512 <= size <= _LARGEST_BLOCK else _USUAL_BLOCK
    return _USUAL_BLOCK


def _allocated(path: str) -> int:
    try:
        return os.lstat(path).st_blocks * _STAT_BLOCK
    except OSError:
        return 0


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    """What lies in a folder; nothing where it is none, or gone by now."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _regular(entry: os.DirEntry[str]) -> list[os.stat_result]:
    """What C{lstat} tells of a regular file; nothing of anything else, or where it is gone by now."""
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return []
    return [found] if stat.S_ISREG(found.st_mode) else []


_FOLDER = re.compile("[0-9a-f]{2}")

_USUAL_BLOCK = 4096
_LARGEST_BLOCK = 64 * 1024

_STAT_BLOCK = 512
"""Unit of C{st_blocks}."""

ID_DIGITS = 32
"""A generation's id is a UUID in hexadecimal digits; nothing else in the directory is ours to remove."""
