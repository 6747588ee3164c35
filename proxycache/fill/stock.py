"""Taking stock at the start: what the database knows, what lies on the disk, and what of that belongs to nobody."""

from __future__ import annotations

from proxycache.interfaces import ICacheFiles, IMetadataStore
from proxycache.policy.intervals import Intervals
from proxycache.store.space import Space

from .chunkmanager import ChunkManager

MARGIN = 64 * 1024
"""Bytes that a file may take up beyond its recorded chunks: file systems round up."""


async def take_stock(metadata: IMetadataStore, files: ICacheFiles, space: Space, manager: ChunkManager) -> None:
    """Load the eviction order, remove files that no record names, and give back chunks that were never recorded.

    @raise MetadataUnavailable: half done; it may be done again.
    @raise OSError: the same.
    """
    uses = await metadata.chunk_uses()
    space.restore(uses)
    manager.learn_chunk_sizes(uses)
    await space.look()
    space.make_room(0)
    recorded: dict[str, Intervals] = {}
    for use in uses:
        start = use.chunk * use.chunk_size
        recorded.setdefault(use.id, Intervals()).add(start, start + use.size)
    found = await files.list_files()
    known = await metadata.known_ids()
    for file in found:
        if file.id not in known and file.id not in manager.known_ids():
            await files.open(file.id).unlink()
            continue
        spans = recorded.get(file.id, Intervals())
        if file.allocated > spans.total + MARGIN:
            await manager.reclaim(file, spans)
