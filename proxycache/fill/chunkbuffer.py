"""A chunk in memory: arriving, or on its way to the disk."""

from __future__ import annotations

from enum import Enum, auto

from proxycache.policy.intervals import Intervals


class BufferState(Enum):
    """What becomes of the bytes."""

    ARRIVING = auto()
    WRITING = auto()
    KEPT = auto()
    """Complete, and kept for readers that are near: there was no room on the disk, or it fails."""


class ChunkBuffer:
    """Bytes of one chunk.

    @ivar start: position of its first byte in the object.
    """

    __slots__ = ("data", "filled", "start", "state")

    def __init__(self, start: int, size: int) -> None:
        self.start = start
        self.data = bytearray(size)
        self.filled = Intervals()
        self.state = BufferState.ARRIVING

    @property
    def stop(self) -> int:
        """One past its last byte."""
        return self.start + len(self.data)

    @property
    def complete(self) -> bool:
        """Whether every byte is here."""
        return self.filled.covers(0, len(self.data))

    def shorten(self, stop: int) -> None:
        """The object ends at C{stop}, as is known only now."""
        del self.data[stop - self.start :]

    def put(self, position: int, data: memoryview) -> None:
        """Bytes for C{position}, within the chunk: of the same version, so what is here already stays as it is."""
        offset = position - self.start
        self.data[offset : offset + len(data)] = data
        self.filled.add(offset, offset + len(data))

    def reach(self, position: int) -> int:
        """One past the last byte that can be read from C{position} on without a gap."""
        return self.start + self.filled.reach(position - self.start)

    def read(self, position: int, stop: int) -> bytes:
        """Bytes C{[position, stop)}, all of which are here."""
        return bytes(memoryview(self.data)[position - self.start : stop - self.start])
