"""Every read is vouched for by a checksum, unless nobody can have touched the bytes since the last look."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred

from proxycache.errors import CacheReadFailed, DamagedChunk
from proxycache.store.disk import TIMEOUT_SECONDS, Disk

from .asynchronous import asynchronous, until
from .cachedfile import CHUNK, CONTENT, FIRST, LAST, SECOND, SPANS, CachedFile, read
from .threadedclock import ThreadedClock


@pytest.fixture
def cached(tmp_path: Path, disk: Disk) -> CachedFile:
    return CachedFile(tmp_path, disk)


@pytest.fixture
def no_page_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every read had to go to the disk."""

    def preadv(*arguments: object) -> int:
        raise BlockingIOError(errno.EAGAIN, "not in memory")

    monkeypatch.setattr(os, "preadv", preadv)


@asynchronous
async def test_what_was_written(cached: CachedFile) -> None:
    await cached.fill()
    assert cached.path.read_bytes() == CONTENT
    for _ in range(2):
        for span in SPANS:
            assert await read(cached.file, span) == CONTENT[span.start : span.stop]
            part = await read(cached.file, span, span.start + 10, span.stop - 7)
            assert part == CONTENT[span.start + 10 : span.stop - 7]


@asynchronous
async def test_pages_that_are_not_in_memory_are_read_in_a_thread(cached: CachedFile, no_page_in_memory: None) -> None:
    await cached.fill()
    found = cached.file.read(SECOND, SECOND.start + 1, SECOND.start + 9)
    assert isinstance(found, Deferred)
    assert await found == CONTENT[SECOND.start + 1 : SECOND.start + 9]
    cached.flip(SECOND.start)
    with pytest.raises(DamagedChunk) as caught:
        await read(cached.file, SECOND)
    assert (caught.value.chunk, caught.value.lost_from) == (1, None)


@asynchronous
async def test_an_error_in_the_thread_is_a_failed_read(
    cached: CachedFile, no_page_in_memory: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cached.fill()

    def pread(*arguments: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pread", pread)
    with pytest.raises(CacheReadFailed, match="Input/output error") as caught:
        await read(cached.file, SECOND)
    assert (caught.value.chunk, caught.value.lost_from) == (1, None)


@asynchronous
async def test_a_disk_that_does_not_answer_has_failed(
    cached: CachedFile, disk: Disk, clock: ThreadedClock, no_page_in_memory: None, stuck: Event
) -> None:
    await cached.fill()
    begun = Event()

    def hang() -> None:
        begun.set()
        stuck.wait()

    held = disk.run(hang, "waiting")
    await until(begun.is_set)
    pending = cached.file.read(SECOND, SECOND.start, SECOND.stop)
    assert isinstance(pending, Deferred)
    clock.advance(TIMEOUT_SECONDS)
    with pytest.raises(CacheReadFailed, match="does not answer"):
        await pending
    stuck.set()
    held.addErrback(lambda _: None)
    await until(lambda: not disk.hangs)


@asynchronous
async def test_missing(cached: CachedFile) -> None:
    with pytest.raises(CacheReadFailed) as caught:
        await read(cached.file, FIRST)
    assert (caught.value.chunk, caught.value.lost_from) == (0, 0)
    await cached.fill()
    await read(cached.file, FIRST)
    cached.path.unlink()
    with pytest.raises(CacheReadFailed) as caught:
        await read(cached.file, SECOND)
    assert (caught.value.chunk, caught.value.lost_from) == (1, 0)


@asynchronous
async def test_truncated(cached: CachedFile) -> None:
    await cached.fill()
    for span in SPANS:
        await read(cached.file, span)
    os.truncate(cached.path, CHUNK + 100)
    assert await read(cached.file, FIRST) == CONTENT[:CHUNK]
    for span in (SECOND, LAST):
        with pytest.raises(DamagedChunk) as caught:
            await read(cached.file, span)
        assert (caught.value.chunk, caught.value.lost_from) == (span.chunk, CHUNK + 100)


@asynchronous
async def test_a_hole_is_no_content(cached: CachedFile) -> None:
    await cached.file.write(SECOND.start, CONTENT[SECOND.start : SECOND.stop], len(CONTENT))
    assert cached.path.stat().st_size == len(CONTENT)
    assert await read(cached.file, SECOND) == CONTENT[SECOND.start : SECOND.stop]
    for span in (FIRST, LAST):
        with pytest.raises(DamagedChunk):
            await read(cached.file, span)


@pytest.mark.parametrize("position", [SECOND.start, SECOND.start + 12345, SECOND.stop - 1])
@asynchronous
async def test_a_flipped_bit(cached: CachedFile, position: int) -> None:
    await cached.fill()
    cached.flip(position)
    with pytest.raises(DamagedChunk) as caught:
        await read(cached.file, SECOND, SECOND.start + 5, SECOND.start + 6)
    assert (caught.value.chunk, caught.value.lost_from) == (1, None)
    assert await read(cached.file, FIRST) == CONTENT[:CHUNK]


@asynchronous
async def test_every_read_is_verified(cached: CachedFile) -> None:
    await cached.fill()
    wrong = evolve(SECOND, checksum=SECOND.checksum ^ 1)
    for _ in range(3):
        assert await read(cached.file, SECOND) == CONTENT[SECOND.start : SECOND.stop]
        for start, stop in ((SECOND.start, SECOND.stop), (SECOND.start + 5, SECOND.start + 6)):
            with pytest.raises(DamagedChunk):
                await read(cached.file, wrong, start, stop)


@asynchronous
async def test_the_pieces_of_one_reader_are_verified_once(cached: CachedFile, monkeypatch: pytest.MonkeyPatch) -> None:
    await cached.fill()
    preadv, reads = os.preadv, []

    def counting(*arguments: Any) -> int:
        reads.append(arguments)
        return preadv(*arguments)

    monkeypatch.setattr(os, "preadv", counting)
    for by, expected in (("one", 1), ("one", 1), ("other", 2), (None, 3), (None, 4), ("one", 4)):
        data = cached.file.read(SECOND, SECOND.start + 3, SECOND.start + 7, by)
        assert data == CONTENT[SECOND.start + 3 : SECOND.start + 7]
        assert len(reads) == expected


@asynchronous
async def test_the_pieces_of_one_reader_notice_a_change(cached: CachedFile) -> None:
    await cached.fill()
    cached.file.read(SECOND, SECOND.start, SECOND.start + 1, "one")
    cached.flip_unseen(SECOND.start + 5)
    with pytest.raises(DamagedChunk):
        cached.file.read(SECOND, SECOND.start + 1, SECOND.start + 2, "one")


@asynchronous
async def test_a_change_after_verification_is_noticed(cached: CachedFile) -> None:
    await cached.fill()
    await read(cached.file, SECOND)
    cached.later()
    cached.flip(SECOND.start + 5)
    with pytest.raises(DamagedChunk):
        await read(cached.file, SECOND)


@asynchronous
async def test_a_change_is_noticed_although_mtime_was_set_back(cached: CachedFile) -> None:
    await cached.fill()
    await read(cached.file, SECOND)
    cached.flip_unseen(SECOND.start + 5)
    with pytest.raises(DamagedChunk):
        await read(cached.file, SECOND, SECOND.start, SECOND.start + 1)


@asynchronous
async def test_a_change_during_the_read_is_noticed(cached: CachedFile, monkeypatch: pytest.MonkeyPatch) -> None:
    await cached.fill()
    await read(cached.file, SECOND)
    cached.later()
    preadv = os.preadv

    def changed_meanwhile(*arguments: Any) -> int:
        monkeypatch.setattr(os, "preadv", preadv)
        cached.flip(SECOND.start + 5)
        return preadv(*arguments)

    monkeypatch.setattr(os, "preadv", changed_meanwhile)
    with pytest.raises(DamagedChunk):
        await read(cached.file, SECOND)


@asynchronous
async def test_replaced_by_other_bytes(cached: CachedFile) -> None:
    await cached.fill()
    await read(cached.file, SECOND)
    other = cached.path.with_name("other")
    other.write_bytes(bytes(len(CONTENT)))
    other.replace(cached.path)
    with pytest.raises(DamagedChunk):
        await read(cached.file, SECOND)


@asynchronous
async def test_replaced_by_the_same_bytes(cached: CachedFile) -> None:
    await cached.fill()
    await read(cached.file, SECOND)
    other = cached.path.with_name("other")
    other.write_bytes(CONTENT)
    other.replace(cached.path)
    assert await read(cached.file, SECOND) == CONTENT[SECOND.start : SECOND.stop]


@asynchronous
async def test_closed_and_opened_again(cached: CachedFile) -> None:
    await cached.fill()
    await read(cached.file, SECOND)
    cached.file.close()
    assert await read(cached.file, SECOND) == CONTENT[SECOND.start : SECOND.stop]


@asynchronous
async def test_without_descriptors_the_file_is_not_lost(cached: CachedFile, monkeypatch: pytest.MonkeyPatch) -> None:
    await cached.fill()
    cached.file.close()

    def refuse(*arguments: object, **others: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as without:
        without.setattr(os, "open", refuse)
        with pytest.raises(CacheReadFailed) as caught:
            await read(cached.file, SECOND)
    assert caught.value.lost_from is None
    assert caught.value.transient
