"""The facts, in memory."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from proxycache.interfaces import IMetadataStore, StoredEntry
from proxycache.policy.entry import Representation, StoredRepresentation


@implementer(IMetadataStore)
class MemoryStore:
    """Remembers at once.

    @ivar writes: what it was told of entries, one word each.
    @ivar chunks: checksum by generation and index.
    @ivar entry_room: bytes that the record of an entry counts for.
    @ivar failure: why nothing can be written, as a test wants it.
    @ivar unwritten: generations that then count as not recorded.
    """

    def __init__(self) -> None:
        self.writes: list[str] = []
        self.saved: dict[str, Representation] = {}
        self.chunks: dict[tuple[str, int], int] = {}
        self.entry_room = 0
        self.failure: str | None = None
        self.unwritten: set[str] = set()

    def load(self, key: bytes) -> Deferred[Sequence[StoredRepresentation]]:
        return succeed(
            [
                StoredRepresentation(saved, {chunk: sum for (id, chunk), sum in self.chunks.items() if id == saved.id})
                for saved in reversed(self.saved.values())
                if saved.key == key
            ]
        )

    def save(self, representation: Representation) -> None:
        self.writes.append("save")
        self.saved[representation.id] = representation

    def record_chunk(self, id: str, chunk: int, checksum: int, size: int) -> None:
        self.chunks[id, chunk] = checksum

    def forget_chunks(self, id: str, chunks: Sequence[int]) -> None:
        for chunk in chunks:
            self.chunks.pop((id, chunk), None)

    def remove_key(self, key: bytes) -> None:
        for id in [id for id, saved in self.saved.items() if saved.key == key]:
            del self.saved[id]

    def remove(self, id: str) -> None:
        self.saved.pop(id, None)

    def used(self, id: str, when: float) -> None:
        self.writes.append("used")

    def room(self, representation: Representation) -> int:
        return self.entry_room

    def stock(self, block: int) -> Deferred[list[StoredEntry]]:
        return succeed([])

    def useless(self, now: float, block: int) -> Deferred[list[StoredEntry]]:
        return succeed([])

    def known_ids(self) -> Deferred[set[str]]:
        return succeed(set(self.saved))

    def sync(self) -> Deferred[None]:
        return succeed(None)

    def state(self) -> str | None:
        return self.failure

    def is_unwritten(self, id: str) -> bool:
        return id in self.unwritten
