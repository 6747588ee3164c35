"""Fetching, beside a client that is served past the cache, what that client asked for: so that the next one hits."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from proxycache.interfaces import OriginRequest, Priority
from proxycache.log import make_logger
from proxycache.policy.amplification import read_limit
from proxycache.policy.byterange import RangeSpec, wanted
from proxycache.policy.origins import ObjectTarget

from .chunkmanager import ChunkManager
from .question import Obtained, Question, Relayed


def refill(manager: ChunkManager, target: ObjectTarget, request: OriginRequest, asked: RangeSpec | None) -> None:
    """Make the entry, and fetch C{asked} of it (None: all). Failures are logged.

    Not for a request that goes out as it came.
    """
    if request.exact:
        return
    log = make_logger()
    Deferred.fromCoroutine(_refilling(manager, target, request, asked)).addErrback(
        lambda failure: log.info("refill: {why}", why=failure.getErrorMessage())
    )


async def _entry(
    manager: ChunkManager, target: ObjectTarget, request: OriginRequest, asked: RangeSpec | None
) -> Obtained | None:
    """The entry; its range first, then the whole, since a part need not tell how long the whole is."""
    for attempt in (asked, None):
        got = await manager.obtain(Question(target, request, attempt, priority=Priority.MEDIUM))
        if isinstance(got, Obtained):
            return got
        if isinstance(got, Relayed) and got.response is not None:
            got.response.abort()
    return None


async def _refilling(
    manager: ChunkManager, target: ObjectTarget, request: OriginRequest, asked: RangeSpec | None
) -> None:
    got = await _entry(manager, target, request, asked)
    if got is None:
        return
    start, stop = wanted(asked, got.generation.length)
    limit = read_limit(asked) if stop is None else None
    reader = got.generation.open_reader(start, stop, request, Priority.MEDIUM)
    try:
        while not reader.at_end and (limit is None or reader.position < limit):
            await reader.wait()
            reached = got.generation.reach(reader.position, reader.limit(reader.position + reader.window.size))
            reader.moved(reached - reader.position)
    finally:
        reader.close()
