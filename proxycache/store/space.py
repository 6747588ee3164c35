"""How much may lie on the disk, and what goes when it is too much.

The limit is the smaller of C{max_size} and what keeps C{min_free}, looked at as the disk changes. Room is made before
it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from attrs import frozen
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from proxycache.accounts import Accounts
from proxycache.interfaces import ChunkUse, ICacheFiles
from proxycache.log import make_logger
from proxycache.policy.eviction import ChunkName, LeastRecentlyUsed

LOOK_SECONDS = 1.0
"""Between two looks at the file system's free space, while something is written."""


@frozen
class SpaceLimits:
    """@ivar max_size: bytes of cached chunks.
    @ivar min_free: bytes of the file system that stay free; where C{min_free_fraction} is set, that part of it.
    """

    max_size: int
    min_free: int = 0
    min_free_fraction: float = 0.0


class Space:
    """Room for chunks.

    @param in_use: whether a chunk has a reader; such a one is never evicted.
    @param evict: drops a chunk's bytes and its record; fires when its space is given back.
    """

    def __init__(
        self,
        clock: IReactorTime,
        files: ICacheFiles,
        limits: SpaceLimits,
        accounts: Accounts,
        in_use: Callable[[ChunkName], bool],
        evict: Callable[[ChunkName], Deferred[None]],
    ) -> None:
        self._clock = clock
        self._files = files
        self._limits = limits
        self._accounts = accounts
        self._in_use = in_use
        self._evict = evict
        self._order = LeastRecentlyUsed()
        self._reserved = 0
        self._leaving = 0
        self._waiting: list[tuple[int, Deferred[bool]]] = []
        self._early: list[tuple[int, Deferred[bool]]] | None = []
        self._free_limit: int | None = None
        self._looked = float("-inf")
        self._looking = False
        self._log = make_logger()

    @property
    def used(self) -> int:
        """Bytes of chunks on disk."""
        return self._order.total

    @property
    def limit(self) -> int:
        """Bytes of chunks that may be on disk now."""
        if self._free_limit is None:
            return self._limits.max_size
        return min(self._limits.max_size, self._free_limit)

    def __contains__(self, name: ChunkName) -> bool:
        return name in self._order

    def holds(self, id: str) -> bool:
        """Whether any chunk of a generation is on disk."""
        return self._order.holds(id)

    def restore(self, uses: list[ChunkUse]) -> None:
        """Take over what the database knows, the least recently used first. What was used since stays newer."""
        newer = self._order
        self._order = LeastRecentlyUsed()
        for use in uses:
            self._order.admit((use.id, use.chunk), use.size)
        for name, size in newer.items():
            self._order.admit(name, size)
        self.begin()

    def retain(self, ids: Collection[str]) -> None:
        """The chunks of all other generations are gone."""
        for name, _ in self._order.items():
            if name[0] not in ids:
                self._order.remove(name)

    def begin(self) -> None:
        """Room may be had from now on: what was on the disk before is known, or never will be. Idempotent."""
        early, self._early = self._early, None
        for size, granted in early or ():
            self.reserve(size).chainDeferred(granted)

    def look(self) -> Deferred[None]:
        """Look at the file system. Never fails."""
        self._looking = True
        self._looked = self._clock.seconds()

        def found(space: tuple[int, int]) -> None:
            total, free = space
            keep = max(self._limits.min_free, int(total * self._limits.min_free_fraction))
            # What is on its way off the disk is not free yet, and will be.
            self._free_limit = max(0, self._order.total + self._leaving + free - keep)

        def over(result: object) -> None:
            self._looking = False

        return self._files.space().addCallbacks(found, lambda _: None).addBoth(over)

    def reserve(self, size: int) -> Deferred[bool]:
        """Make room for C{size} more bytes, to be admitted or released. Waits for L{begin}.

        @return: fires with True when the bytes of what had to go are given back; with False where all that could go
            is in use.
        """
        if self._early is not None:
            early: Deferred[bool] = Deferred()
            self._early.append((size, early))
            return early
        if not self._looking and self._clock.seconds() - self._looked >= LOOK_SECONDS:
            self.look()
        self.make_room(size)
        if self._order.total + self._reserved + size > self.limit:
            return succeed(False)
        self._reserved += size
        granted: Deferred[bool] = Deferred()
        self._waiting.append((size, granted))
        self._grant()
        return granted

    def _grant(self) -> None:
        """Those who wait get their room in order, as what was evicted leaves the disk."""
        while self._waiting:
            still_waiting = sum(size for size, _ in self._waiting)
            size, granted = self._waiting[0]
            taken = self._order.total + self._reserved - still_waiting + self._leaving
            if self._leaving and taken + size > self.limit:
                return
            del self._waiting[0]
            granted.callback(True)

    def make_room(self, size: int) -> None:
        """Evict until C{size} more bytes fit, or nothing more can go."""
        excess = self._order.total + self._reserved + size - self.limit
        if excess <= 0:
            return
        for name in self._order.victims(excess, self._in_use):
            before = self._order.total
            self._order.remove(name)
            freed = before - self._order.total
            self._leaving += freed
            self._accounts.evicted_chunks += 1
            self._evict(name).addBoth(self._left, freed)

    def _left(self, _: object, size: int) -> None:
        self._leaving -= size
        self._grant()

    def release(self, size: int) -> None:
        """What was reserved was not written."""
        self._reserved -= size
        self._grant()

    def admit(self, name: ChunkName, size: int) -> None:
        """A chunk for which room was reserved was written."""
        self._reserved -= size
        self._order.admit(name, size)

    def use(self, name: ChunkName) -> None:
        """A chunk was read."""
        self._order.use(name)

    def remove(self, name: ChunkName) -> None:
        """A chunk is gone."""
        self._order.remove(name)
