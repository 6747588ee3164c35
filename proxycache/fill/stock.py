"""Taking stock: what the database knows, what lies on the disk, and what of that belongs to nobody, or is of no use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

from proxycache.interfaces import ICacheFiles, IMetadataStore, StoredEntry
from proxycache.policy.intervals import Intervals
from proxycache.store.space import Space

from .chunkmanager import ChunkManager

T = TypeVar("T")

MARGIN = 64 * 1024
"""Bytes that a file may take up beyond its recorded chunks: file systems round up."""

SLICE = 1000
"""Entries that are looked at before others have their turn."""


def _slices(things: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(things), SLICE):
        yield things[start : start + SLICE]


async def take_stock(
    metadata: IMetadataStore,
    files: ICacheFiles,
    space: Space,
    manager: ChunkManager,
    turn: Callable[[], Awaitable[None]],
) -> None:
    """Load the eviction order, remove files that no record names, and give back chunks that were never recorded.

    @param turn: lets others do something.
    @raise MetadataUnavailable: half done; it may be done again.
    @raise OSError: the same.
    """
    entries = await metadata.stock(files.block_size)
    for some in _slices(entries):
        space.restore(some)
        manager.learn_chunk_sizes(some)
        await turn()
    space.begin()
    await space.look()
    space.make_room(0)
    recorded = {entry.id: entry for entry in entries}
    found = await files.list_files()
    known = await metadata.known_ids()
    for listed in _slices(found):
        for file in listed:
            if file.id not in known and not manager.knows(file.id):
                await files.open(file.id).unlink()
                continue
            entry = recorded.get(file.id)
            if file.allocated > (0 if entry is None else entry.size) + MARGIN:
                await manager.reclaim(file, Intervals() if entry is None else _spans(entry))
        await turn()


def _spans(entry: StoredEntry) -> Intervals:
    spans = Intervals()
    for index, size in entry.chunks().items():
        start = index * entry.chunk_size
        spans.add(start, start + size)
    return spans


async def drop_useless(metadata: IMetadataStore, files: ICacheFiles, manager: ChunkManager, now: float) -> None:
    """Drop what is long out of date and cannot be revalidated.

    @param now: seconds since the epoch.
    @raise MetadataUnavailable: half done; it may be done again.
    """
    for entry in await metadata.useless(now, files.block_size):
        manager.drop(entry)
