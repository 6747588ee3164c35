"""The limit holds for all that is stored: tiny objects, header fields, and entries without a byte of a body."""

import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import MakeRig
from tests.faults.rig import HIT, MIB, Config, Rig, cache_status
from tests.servers.deadline import until
from tests.servers.fetch import fetch
from tests.servers.origin import Fault

LIMIT = 4 * MIB
WIDE = tuple((f"X-Wide-{number}", "x" * 12_000) for number in range(2))
"""Fields of 24 kB."""
FRESH = ("Cache-Control", "max-age=3600")

Make = Callable[[Rig, int], str]
"""Puts something at the origin; its path."""


@pytest.fixture(scope="module")
def config() -> Config:
    """Little room, and visits that are over at once."""
    return {"cache": {"max_size": "4MiB"}, "fetch": {"linger": 0.1}}


def tiny(rig: Rig, number: int) -> str:
    """One byte, which takes a block on the disk."""
    rig.origin.put(f"tiny{number}", b"x")
    return f"tiny{number}"


def missing(rig: Rig, number: int) -> str:
    """Nothing, in many words."""
    path = f"missing{number}"
    rig.origin.fault(path, Fault(status=404, headers=(FRESH, ("ETag", '"gone"'), *WIDE)), None)
    return path


def empty(rig: Rig, number: int) -> str:
    """No body, and many fields."""
    rig.origin.put(f"empty{number}", b"", headers=WIDE)
    return f"empty{number}"


def allocated(directory: Path) -> int:
    """What `du` tells of a directory: blocks of all files and folders."""
    total = 0
    for path in (directory, *directory.rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            total += path.lstat().st_blocks * 512
    return total


def within_limit(rig: Rig) -> bool:
    """Whether no more is stored than may be, and the product knows: at one moment, for the limit moves as the log does."""
    metrics = rig.proxy.metrics()
    known = metrics["proxycache_cached_bytes"] <= metrics["proxycache_cache_limit_bytes"] <= LIMIT
    return known and allocated(rig.proxy.cache_dir) <= LIMIT


@pytest.mark.parametrize(("make", "count"), [(missing, 150), (tiny, 500), (empty, 150)])
def test_more_than_there_is_room_for(rig: Rig, make: Make, count: int) -> None:
    """One after the other, each in the room of what was there before."""
    urls = [rig.proxy.url + make(rig, number) for number in range(count)]
    for url in urls:
        answer = fetch(url)
        assert answer.status in (200, 404)
        assert answer.complete
    until(lambda: within_limit(rig), "what is stored to be within the limit")
    # It is used, too: most of it, and for what was asked for last.
    assert rig.metric("cached_bytes") > rig.metric("cache_limit_bytes") / 2
    assert cache_status(fetch(urls[-1])) == HIT
    assert cache_status(fetch(urls[0])) != HIT
    assert rig.metric("evicted_entries_total") + rig.metric("evicted_chunks_total") > 0


def entries(database: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        ((found,),) = connection.execute("SELECT count(*) FROM entry").fetchall()
        return int(found)


def test_what_cannot_be_used_any_more_goes(make_rig: MakeRig) -> None:
    """Out of date, nothing to revalidate it by, and not to be served stale: it goes, and what can be used stays."""
    rig = make_rig({})
    rig.proxy.start()
    stale = "max-age=1, must-revalidate"
    rig.origin.put("useless", b"x" * 1000, etag=None, cache_control=stale)
    rig.origin.put("revalidated", b"x" * 1000, cache_control=stale)
    rig.origin.put("for-bad-days", b"x" * 1000, etag=None, cache_control="max-age=1")
    for path in ("useless", "revalidated", "for-bad-days"):
        assert fetch(rig.proxy.url + path).complete
    stored = time.time()
    until(lambda: entries(rig.proxy.database) == 3, "all to be recorded")
    rig.proxy.stop()
    before = cache_files(rig)
    until(lambda: time.time() > stored + 2, "the answers to be out of date")
    rig.proxy.start()
    until(lambda: entries(rig.proxy.database) == 2, "one of them to go")
    until(lambda: cache_files(rig) == before - 1, "its file to go")
    for path in ("revalidated", "for-bad-days"):
        assert fetch(rig.proxy.url + path).complete
    assert rig.origin.requests("revalidated")[-1].status == 304


def cache_files(rig: Rig) -> int:
    return sum(1 for _ in rig.proxy.cache_dir.glob("??/*"))
