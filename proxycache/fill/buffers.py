"""The chunks of a generation that are in memory, by their place and by what becomes of them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from .chunkbuffer import BufferState, ChunkBuffer


class Buffers:
    """L{ChunkBuffer}s by index. Their state is changed here alone, so that nobody has to look for those in one."""

    def __init__(self) -> None:
        self._buffers: dict[int, ChunkBuffer] = {}
        self._in_state: dict[BufferState, list[int]] = {state: [] for state in BufferState}

    def __len__(self) -> int:
        return len(self._buffers)

    def __contains__(self, index: int) -> bool:
        return index in self._buffers

    def __iter__(self) -> Iterator[int]:
        return iter(self._buffers)

    def get(self, index: int) -> ChunkBuffer | None:
        """The one of a chunk, or None."""
        return self._buffers.get(index)

    def add(self, index: int, buffer: ChunkBuffer) -> None:
        """One more."""
        self._buffers[index] = buffer
        insort(self._in_state[buffer.state], index)

    def drop(self, index: int) -> None:
        """The bytes of a chunk are needed no more."""
        self._take_out(index, self._buffers.pop(index).state)

    def turn(self, index: int, buffer: ChunkBuffer, state: BufferState) -> None:
        """C{buffer} comes into another state; it may have been dropped, and another be in its place."""
        if self._buffers.get(index) is buffer:
            self._take_out(index, buffer.state)
            insort(self._in_state[state], index)
        buffer.state = state

    def count(self, state: BufferState) -> int:
        """How many are in a state."""
        return len(self._in_state[state])

    def those(self, state: BufferState) -> list[tuple[int, ChunkBuffer]]:
        """Those in a state with their indices, in order."""
        return [(index, self._buffers[index]) for index in self._in_state[state]]

    def between(self, first: int, stop: int) -> list[ChunkBuffer]:
        """Those of the chunks C{[first, stop)}, in order."""
        found: list[int] = []
        for indices in self._in_state.values():
            found += indices[bisect_left(indices, first) : bisect_left(indices, stop)]
        return [self._buffers[index] for index in sorted(found)]

    def _take_out(self, index: int, state: BufferState) -> None:
        indices = self._in_state[state]
        del indices[bisect_left(indices, index)]
