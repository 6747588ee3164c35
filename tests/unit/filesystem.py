"""A file system, as far as the space on it is concerned."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from proxycache.interfaces import FileSystemSpace, ICacheFile, ICacheFiles, StoredFile


@implementer(ICacheFiles)
class FileSystem:
    """Knows only how large it is."""

    def __init__(self, total: int = 0, free: int = 0) -> None:
        self.answer: Deferred[FileSystemSpace] | None = None
        self.block_size = 1
        self.punches = True
        self.beside = 0
        self.total = total
        self.free = free
        self.looks = 0

    def space(self) -> Deferred[FileSystemSpace]:
        self.looks += 1
        return succeed(FileSystemSpace(self.total, self.free, self.beside)) if self.answer is None else self.answer

    def open(self, id: str) -> ICacheFile:
        raise NotImplementedError

    def usable(self) -> Deferred[str | None]:
        return succeed(None)

    def list_files(self) -> Deferred[list[StoredFile]]:
        return succeed([])
