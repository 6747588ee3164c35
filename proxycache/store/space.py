"""How much may lie on the disk, and what goes when it is too much.

The limit is the smaller of C{max_size} and what keeps C{min_free}, looked at as the disk changes. Room is made before
it is needed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial

from attrs import frozen
from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.internet.interfaces import IReactorTime

from proxycache.accounts import Accounts
from proxycache.interfaces import FileSystemSpace, ICacheFiles, StoredEntry
from proxycache.policy.eviction import ENTRY, ChunkName, LeastRecentlyUsed

LOOK_SECONDS = 1.0
"""Between two looks at the file system's free space, while something is written."""


@frozen
class SpaceLimits:
    """@ivar max_size: bytes of all that is stored.
    @ivar min_free: bytes of the file system that stay free; where C{min_free_fraction} is set, that part of it.
    """

    max_size: int
    min_free: int = 0
    min_free_fraction: float = 0.0


class Space:
    """Room for chunks and for what is known of entries.

    A chunk counts for whole blocks of the file system, and for its record.

    @param in_use: whether a chunk, or an entry, has a reader; such a one is never evicted.
    @param evict: drops a chunk's bytes and its record, or an entry; fires when its space is given back.
    @param chunk_room: bytes that a chunk's record counts for.
    """

    def __init__(
        self,
        clock: IReactorTime,
        files: ICacheFiles,
        limits: SpaceLimits,
        accounts: Accounts,
        in_use: Callable[[ChunkName], bool],
        evict: Callable[[ChunkName], Deferred[None]],
        chunk_room: int = 0,
    ) -> None:
        self._clock = clock
        self._files = files
        self._limits = limits
        self._accounts = accounts
        self._in_use = in_use
        self._evict = evict
        self._chunk_room = chunk_room
        self._beside = 0
        self._order = LeastRecentlyUsed()
        self._reserved = 0
        self._leaving = 0
        self._waiting: deque[tuple[int, Deferred[bool]]] = deque()
        self._still_waiting = 0
        self._early: list[tuple[int, Deferred[bool]]] | None = []
        self._free_limit: int | None = None
        self._looked = float("-inf")
        self._looking = False

    @property
    def used(self) -> int:
        """Bytes that count by now."""
        return self._order.total

    @property
    def limit(self) -> int:
        """Bytes that may count now."""
        limit = max(0, self._limits.max_size - self._beside)
        return limit if self._free_limit is None else min(limit, self._free_limit)

    def _whole(self, size: int) -> int:
        """What a chunk of C{size} bytes counts for."""
        block: int = self._files.block_size
        return -(-size // block) * block + self._chunk_room

    def __contains__(self, name: ChunkName) -> bool:
        return name in self._order

    def holds(self, id: str) -> bool:
        """Whether any chunk of a generation is on disk."""
        return self._order.holds(id)

    def restore(self, entries: Iterable[StoredEntry]) -> None:
        """Take over what the database knows, the least recently used first, after those of earlier calls."""
        for entry in entries:
            self._order.restore(entry.id, entry.size, entry.count, partial(self._members, entry))

    def _members(self, entry: StoredEntry) -> dict[int, int]:
        return {index: self._whole(size) for index, size in entry.chunks().items()} | {ENTRY: entry.room}

    def retain(self, ids: Collection[str]) -> None:
        """All other generations are gone."""
        self._order.retain(ids)

    def begin(self) -> None:
        """Room may be had from now on: what was on the disk before is known, or never will be. Idempotent."""
        early, self._early = self._early, None
        for size, granted in early or ():
            self.reserve(size).chainDeferred(granted)

    def look(self) -> Deferred[None]:
        """Look at the file system. Never fails."""
        self._looking = True
        self._looked = self._clock.seconds()

        def found(space: FileSystemSpace) -> None:
            keep = max(self._limits.min_free, int(space.total * self._limits.min_free_fraction))
            # What is on its way off the disk is not free yet, and will be.
            self._free_limit = max(0, self._order.total + self._leaving + space.free - keep)
            self._beside = space.beside

        def over(result: object) -> None:
            self._looking = False

        return self._files.space().addCallbacks(found, lambda _: None).addBoth(over)

    def _look_at_times(self) -> None:
        if not self._looking and self._clock.seconds() - self._looked >= LOOK_SECONDS:
            self.look()

    def reserve(self, size: int) -> Deferred[bool]:
        """Make room for a chunk of C{size} bytes, to be admitted or released. Waits for L{begin}.

        @return: fires with True when the bytes of what had to go are given back; with False where all that could go
            is in use.
        """
        if self._early is not None:
            early: Deferred[bool] = Deferred()
            self._early.append((size, early))
            return early
        self._look_at_times()
        whole = self._whole(size)
        if not self._fits(whole):
            return succeed(False)
        self._reserved += whole
        granted: Deferred[bool] = Deferred()
        self._waiting.append((whole, granted))
        self._still_waiting += whole
        self._grant()
        return granted

    def _fits(self, size: int) -> bool:
        self.make_room(size)
        return self._order.total + self._reserved + size <= self.limit

    def _grant(self) -> None:
        """Those who wait get their room in order, as what was evicted leaves the disk."""
        while self._waiting:
            size, granted = self._waiting[0]
            taken = self._order.total + self._reserved - self._still_waiting + self._leaving
            if self._leaving and taken + size > self.limit:
                return
            self._waiting.popleft()
            self._still_waiting -= size
            granted.callback(True)

    def make_room(self, size: int) -> None:
        """Evict until C{size} more bytes fit, or nothing more can go."""
        self._evict_some(self._order.total + self._reserved + size - self.limit, not self._files.punches)

    def give_way(self, size: int, entries: bool) -> Deferred[None]:
        """The file system has no room, though the limit leaves some (a quota, no inodes): what is oldest goes.

        @param size: bytes that are to go, where as many may.
        @param entries: whether nothing helps but whole files.
        @return: fires once what went is off the disk.
        """
        going = self._evict_some(size, entries or not self._files.punches)
        return DeferredList(going).addCallback(lambda _: None)

    def _evict_some(self, needed: int, entries: bool) -> list[Deferred[None]]:
        chosen = self._order.victims(needed, self._entry_in_use if entries else self._in_use)
        if entries:
            return [self._evict_entry(members) for members in self._order.members({id for id, _ in chosen}).values()]
        going = []
        for name in chosen:
            freed = self._order.size(name)
            # Else it went with its last chunk.
            if freed is not None:
                self._order.remove(name)
                going.append(self._evict_now(name, freed))
        return going

    def _entry_in_use(self, name: ChunkName) -> bool:
        return self._in_use((name[0], ENTRY))

    def _evict_entry(self, members: Sequence[tuple[ChunkName, int]]) -> Deferred[None]:
        """An entry goes with all its chunks."""
        for (_, chunk), _ in members:
            self._accounts.evicted_chunks += chunk != ENTRY
        for name, _ in members:
            self._order.remove(name)
        return self._evict_now((members[0][0][0], ENTRY), sum(size for _, size in members))

    def _evict_now(self, name: ChunkName, freed: int) -> Deferred[None]:
        self._leaving += freed
        if name[1] == ENTRY:
            self._accounts.evicted_entries += 1
        else:
            self._accounts.evicted_chunks += 1
        return self._evict(name).addBoth(self._left, freed)

    def _left(self, _: object, size: int) -> None:
        self._leaving -= size
        self._grant()

    def release(self, size: int) -> None:
        """The chunk for which room was reserved was not written."""
        self._reserved -= self._whole(size)
        self._grant()

    def admit(self, name: ChunkName, size: int) -> None:
        """A chunk for which room was reserved was written."""
        whole = self._whole(size)
        self._reserved -= whole
        self._order.admit(name, whole)

    def admit_entry(self, id: str, room: int) -> bool:
        """An entry is to be recorded, or recorded anew, and counts for C{room} bytes.

        @return: False where all that could go is in use: it is not to be recorded.
        """
        name = (id, ENTRY)
        before = self._order.size(name)
        if self._early is None:
            self._look_at_times()
            self._order.use(name)
            fits = self._fits(room - (before or 0))
            if name not in self._order if before is not None else not fits:
                return False
        self._order.admit(name, room)
        return True

    def use(self, name: ChunkName) -> None:
        """A chunk was read, or what is known of an entry."""
        self._order.use(name)

    def remove(self, name: ChunkName) -> None:
        """A chunk is gone, or what was known of an entry."""
        self._order.remove(name)
