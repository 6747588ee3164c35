"""The chunks that were verified last, in memory: a reader takes a chunk in several pieces."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

KEPT_BYTES = 4 * 1024 * 1024
"""All of them together; but never fewer than L{KEPT_CHUNKS}, however large chunks are."""

KEPT_CHUNKS = 2


class Verified:
    """Chunks by whatever tells one version of their bytes from another."""

    def __init__(self) -> None:
        self._chunks: OrderedDict[Hashable, bytearray | bytes] = OrderedDict()
        self._size = 0

    def get(self, key: Hashable) -> bytearray | bytes | None:
        """The chunk, or None."""
        chunk = self._chunks.get(key)
        if chunk is not None:
            self._chunks.move_to_end(key)
        return chunk

    def keep(self, key: Hashable, chunk: bytearray | bytes) -> None:
        """Keep it, in place of those that were not read for longest."""
        if key in self._chunks:
            return
        self._chunks[key] = chunk
        self._size += len(chunk)
        while self._size > KEPT_BYTES and len(self._chunks) > KEPT_CHUNKS:
            _, dropped = self._chunks.popitem(last=False)
            self._size -= len(dropped)
