"""A cache file with content, and what may happen to it."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

from twisted.internet.defer import Deferred

from proxycache.interfaces import ChunkSpan
from proxycache.store.cachefile import CacheFile, checksum
from proxycache.store.descriptors import Descriptors
from proxycache.store.disk import Disk

CHUNK = 64 * 1024
CONTENT = Random(1).randbytes(2 * CHUNK + 1000)
SPANS = tuple(
    ChunkSpan(index, start, min(start + CHUNK, len(CONTENT)), checksum(CONTENT[start : start + CHUNK]))
    for index, start in enumerate(range(0, len(CONTENT), CHUNK))
)
FIRST, SECOND, LAST = SPANS


async def read(file: CacheFile, span: ChunkSpan, start: int | None = None, stop: int | None = None) -> bytes:
    """The bytes of C{span}, or of a part of it, whichever way they come."""
    begin, end = span.start if start is None else start, span.stop if stop is None else stop
    found = file.read(span, begin, end)
    return await found if isinstance(found, Deferred) else found


class CachedFile:
    """A file in a directory of its own."""

    def __init__(self, directory: Path, disk: Disk) -> None:
        self.path = directory / "ab" / "abcdef"
        self.file = CacheFile(self.path, disk, lambda: 0, Descriptors(64))

    async def fill(self) -> None:
        """Write all chunks."""
        for span in SPANS:
            written = await self.file.write(span.start, CONTENT[span.start : span.stop], len(CONTENT))
            assert written == span.checksum

    def later(self) -> None:
        """Wait for the file system's coarse clock to tick, so that the next change shows in C{ctime}."""
        before = os.stat(self.path).st_ctime_ns
        probe = self.path.with_name("probe")
        ticked = before
        while ticked <= before:
            probe.write_bytes(b"x")
            ticked = os.stat(probe).st_ctime_ns
        probe.unlink()

    def flip(self, position: int) -> None:
        """Change one bit, as a failing disk may."""
        with self.path.open("r+b") as file:
            file.seek(position)
            byte = file.read(1)[0]
            file.seek(position)
            file.write(bytes([byte ^ 1]))

    def flip_unseen(self, position: int) -> None:
        """Change one bit, and set C{mtime} back."""
        before = os.stat(self.path)
        self.later()
        self.flip(position)
        os.utime(self.path, ns=(before.st_atime_ns, before.st_mtime_ns))
        after = os.stat(self.path)
        assert (after.st_mtime_ns, after.st_size, after.st_ino) == (
            before.st_mtime_ns,
            before.st_size,
            before.st_ino,
        )
