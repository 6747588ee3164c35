"""Which chunk goes first when space is needed: the least recently used."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable

ChunkName = tuple[str, int]
"""Generation id and chunk index."""


class LeastRecentlyUsed:
    """An order of chunks with their sizes in bytes."""

    def __init__(self) -> None:
        self._order: OrderedDict[ChunkName, int] = OrderedDict()
        self._by_id: Counter[str] = Counter()
        self.total = 0

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, name: ChunkName) -> bool:
        return name in self._order

    def holds(self, id: str) -> bool:
        """Whether there is any chunk of a generation."""
        return id in self._by_id

    def items(self) -> list[tuple[ChunkName, int]]:
        """Chunks with their sizes, the least recently used first."""
        return list(self._order.items())

    def admit(self, name: ChunkName, size: int) -> None:
        """C{name} now takes C{size} bytes and is the most recently used."""
        self.remove(name)
        self.total += size
        self._by_id[name[0]] += 1
        self._order[name] = size

    def use(self, name: ChunkName) -> None:
        """C{name} was read; nothing where it is unknown."""
        if name in self._order:
            self._order.move_to_end(name)

    def remove(self, name: ChunkName) -> None:
        """C{name} takes no space any more; nothing where it is unknown."""
        size = self._order.pop(name, None)
        if size is None:
            return
        self.total -= size
        self._by_id[name[0]] -= 1
        if not self._by_id[name[0]]:
            del self._by_id[name[0]]

    def victims(self, needed: int, in_use: Callable[[ChunkName], bool]) -> list[ChunkName]:
        """Chunks to drop, in order, until C{needed} bytes are found. Those C{in_use} are passed over."""
        found = 0
        chosen: list[ChunkName] = []
        for name, size in self._order.items():
            if found >= needed:
                break
            if not in_use(name):
                found += size
                chosen.append(name)
        return chosen
