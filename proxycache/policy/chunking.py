"""Chunk arithmetic: a chunk is an aligned piece of an object, the last one shorter."""

from __future__ import annotations

from attrs import frozen


@frozen
class Chunking:
    """@ivar size: bytes per chunk, all but the last one."""

    size: int

    def index(self, position: int) -> int:
        """The chunk that holds the byte at C{position}."""
        return position // self.size

    def start(self, index: int) -> int:
        """First byte of chunk C{index}."""
        return index * self.size

    def stop(self, index: int, length: int | None) -> int:
        """One past the last byte of chunk C{index} of an object of C{length} (None: not known yet)."""
        stop = (index + 1) * self.size
        return stop if length is None else min(stop, length)

    def count(self, length: int) -> int:
        """How many chunks an object of C{length} bytes has; an empty one has none."""
        return -(-length // self.size)

    def ceil(self, position: int, length: int | None) -> int:
        """C{position} moved up to the end of a chunk, or of the object."""
        aligned = -(-position // self.size) * self.size
        return aligned if length is None else min(aligned, length)
