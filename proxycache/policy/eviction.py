"""What goes first when space is needed: the least recently used.

Members are the chunks of an entry, and the entry itself: what is known of it takes up room as well.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterator

from attrs import define

ChunkName = tuple[str, int]
"""Generation id and chunk index, or L{ENTRY}."""

ENTRY = -1
"""In place of a chunk's index: the entry itself. It never goes before a chunk of it that may go."""

MOST_PASSED = 1000
"""Members in use that are passed over at once. What may go behind these is found the next time."""


@define
class _Stored:
    """Members of an entry that nobody used since the start.

    @ivar size: bytes of all of them.
    @ivar chunks: how many of them are chunks.
    @ivar members: their sizes by index, in order; found out where one is asked for.
    """

    size: int
    chunks: int
    expand: Callable[[], dict[int, int]]
    members: dict[int, int] | None = None

    def expanded(self) -> dict[int, int]:
        if self.members is None:
            self.members = self.expand()
        return self.members

    def pop(self, index: int) -> int | None:
        size = self.expanded().pop(index, None)
        if size is not None:
            self.size -= size
            self.chunks -= index != ENTRY
        return size


class LeastRecentlyUsed:
    """An order of members with their sizes in bytes.

    What was there at the start is older than all that was used since, and known by the entry.
    """

    def __init__(self) -> None:
        self._stored: OrderedDict[str, _Stored] = OrderedDict()
        self._order: OrderedDict[ChunkName, int] = OrderedDict()
        self._chunks: Counter[str] = Counter()
        self.total = 0

    def __contains__(self, name: ChunkName) -> bool:
        return self.size(name) is not None

    def size(self, name: ChunkName) -> int | None:
        """Bytes that C{name} takes, None where it is unknown."""
        size = self._order.get(name)
        if size is None and (stored := self._stored.get(name[0])) is not None:
            size = stored.expanded().get(name[1])
        return size

    def holds(self, id: str) -> bool:
        """Whether there is any chunk of a generation."""
        return id in self._chunks or (id in self._stored and self._stored[id].chunks > 0)

    def items(self) -> list[tuple[ChunkName, int]]:
        """Members with their sizes, the least recently used first."""
        return list(self._items())

    def _items(self) -> Iterator[tuple[ChunkName, int]]:
        for id, stored in self._stored.items():
            for index, size in stored.expanded().items():
                yield (id, index), size
        yield from self._order.items()

    def restore(self, id: str, size: int, chunks: int, expand: Callable[[], dict[int, int]]) -> None:
        """An entry was there at the start; those restored before were used before. What is known already is newer.

        @param size: bytes of all its members.
        @param chunks: how many of them are chunks.
        @param expand: their sizes by index, in the order in which they go.
        """
        before = self._stored.pop(id, None)
        if before is not None:
            self.total -= before.size
        stored = _Stored(size, chunks, expand)
        if id in self._chunks or (id, ENTRY) in self._order:
            for index in list(stored.expanded()):
                if (id, index) in self._order:
                    stored.pop(index)
            room = stored.pop(ENTRY)
            if room is not None:
                self._put((id, ENTRY), room)
        if stored.size or stored.chunks:
            self._stored[id] = stored
            self.total += stored.size

    def admit(self, name: ChunkName, size: int) -> None:
        """C{name} now takes C{size} bytes and is the most recently used."""
        self.remove(name)
        self._put(name, size)
        self._move((name[0], ENTRY))

    def use(self, name: ChunkName) -> None:
        """C{name} was read; nothing where it is unknown."""
        self._move(name)
        self._move((name[0], ENTRY))

    def _move(self, name: ChunkName) -> None:
        if name in self._order:
            self._order.move_to_end(name)
            return
        size = self._take_stored(name)
        if size is not None:
            self._put(name, size)

    def _put(self, name: ChunkName, size: int) -> None:
        self.total += size
        self._order[name] = size
        if name[1] != ENTRY:
            self._chunks[name[0]] += 1

    def _take_stored(self, name: ChunkName) -> int | None:
        stored = self._stored.get(name[0])
        size = None if stored is None else stored.pop(name[1])
        if stored is not None and size is not None:
            self.total -= size
            if not stored.expanded():
                del self._stored[name[0]]
        return size

    def remove(self, name: ChunkName) -> None:
        """C{name} takes no space any more; nothing where it is unknown."""
        size = self._order.pop(name, None)
        if size is None:
            self._take_stored(name)
            return
        self.total -= size
        if name[1] != ENTRY:
            self._chunks[name[0]] -= 1
            if not self._chunks[name[0]]:
                del self._chunks[name[0]]

    def retain(self, ids: Collection[str]) -> None:
        """All other entries are gone."""
        for id in [id for id in self._stored if id not in ids]:
            self.total -= self._stored.pop(id).size
        for name in [name for name in self._order if name[0] not in ids]:
            self.remove(name)

    def members(self, ids: Collection[str]) -> dict[str, list[tuple[ChunkName, int]]]:
        """All members of some entries, with their sizes."""
        found: dict[str, list[tuple[ChunkName, int]]] = {id: [] for id in ids}
        for id in found:
            if id in self._stored:
                found[id] += [((id, index), size) for index, size in self._stored[id].expanded().items()]
        for name, size in self._order.items():
            if name[0] in found:
                found[name[0]].append((name, size))
        return found

    def victims(self, needed: int, in_use: Callable[[ChunkName], bool]) -> list[ChunkName]:
        """Members to drop, in order, until C{needed} bytes are found.

        Those C{in_use} are passed over, and count as used just now: else they would be passed over again and again.
        """
        found = 0
        chosen: list[ChunkName] = []
        passed: list[ChunkName] = []
        for name, size in self._items() if needed > 0 else ():
            if in_use(name):
                passed.append(name)
                if len(passed) == MOST_PASSED:
                    break
            else:
                found += size
                chosen.append(name)
                if found >= needed:
                    break
        for name in passed:
            self.use(name)
        return chosen
