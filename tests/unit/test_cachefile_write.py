"""Writing, punching and removing cache files happen in the order in which they were asked for."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from threading import Event

import pytest

from proxycache.errors import CacheWriteFailed, DamagedChunk
from proxycache.store.cachefile import CacheFiles, checksum
from proxycache.store.descriptors import Descriptors
from proxycache.store.disk import TIMEOUT_SECONDS, Disk

from .asynchronous import asynchronous, until
from .cachedfile import CHUNK, CONTENT, FIRST, LAST, SECOND, CachedFile, read
from .threadedclock import ThreadedClock


@pytest.fixture
def cached(tmp_path: Path, disk: Disk) -> CachedFile:
    return CachedFile(tmp_path, disk)


@asynchronous
async def test_a_chunk_alone_makes_a_sparse_file_of_the_complete_length(cached: CachedFile) -> None:
    large = 1 << 30
    written = await cached.file.write(SECOND.start, bytearray(CONTENT[SECOND.start : SECOND.stop]), large)
    assert written == SECOND.checksum == checksum(CONTENT[SECOND.start : SECOND.stop])
    found = cached.path.stat()
    assert found.st_size == large
    assert found.st_blocks * 512 < 4 * CHUNK
    assert found.st_mode & 0o077 == 0


@asynchronous
async def test_of_unknown_length_the_file_ends_with_its_last_chunk(cached: CachedFile) -> None:
    await cached.file.write(0, CONTENT[:CHUNK], None)
    assert cached.path.stat().st_size == CHUNK


@asynchronous
async def test_a_removed_file_is_begun_anew(cached: CachedFile) -> None:
    await cached.fill()
    cached.path.unlink()
    await cached.file.write(FIRST.start, CONTENT[:CHUNK], len(CONTENT))
    assert await read(cached.file, FIRST) == CONTENT[:CHUNK]
    with pytest.raises(DamagedChunk):
        await read(cached.file, SECOND)


@asynchronous
async def test_punching_gives_space_back_and_leaves_the_neighbours(cached: CachedFile) -> None:
    await cached.fill()
    with cached.path.open("rb") as file:
        os.fsync(file.fileno())
    blocks = cached.path.stat().st_blocks
    await cached.file.punch(SECOND.start, SECOND.stop)
    assert cached.path.stat().st_size == len(CONTENT)
    assert cached.path.stat().st_blocks <= blocks - CHUNK // 512
    assert await read(cached.file, FIRST) == CONTENT[:CHUNK]
    assert await read(cached.file, LAST) == CONTENT[LAST.start :]
    with pytest.raises(DamagedChunk):
        await read(cached.file, SECOND)


@asynchronous
async def test_a_hole_is_noticed_after_a_read(cached: CachedFile) -> None:
    await cached.fill()
    await read(cached.file, SECOND)
    cached.later()
    await cached.file.punch(SECOND.start, SECOND.stop)
    with pytest.raises(DamagedChunk):
        await read(cached.file, SECOND)


@asynchronous
async def test_a_hole_asked_for_before_a_write_does_not_take_it(cached: CachedFile, disk: Disk, stuck: Event) -> None:
    await cached.fill()
    held = disk.run(stuck.wait, "waiting")
    punching = cached.file.punch(SECOND.start, SECOND.stop)
    writing = cached.file.write(SECOND.start, CONTENT[SECOND.start : SECOND.stop], len(CONTENT))
    stuck.set()
    await held
    await punching
    await writing
    assert await read(cached.file, SECOND) == CONTENT[SECOND.start : SECOND.stop]


@asynchronous
async def test_a_hole_asked_for_after_a_write_takes_it(cached: CachedFile, disk: Disk, stuck: Event) -> None:
    await cached.fill()
    held = disk.run(stuck.wait, "waiting")
    writing = cached.file.write(SECOND.start, CONTENT[SECOND.start : SECOND.stop], len(CONTENT))
    punching = cached.file.punch(SECOND.start, SECOND.stop)
    stuck.set()
    await held
    await punching
    await writing
    with pytest.raises(DamagedChunk):
        await read(cached.file, SECOND)


@asynchronous
async def test_reading_goes_on_while_writing(cached: CachedFile, disk: Disk, stuck: Event) -> None:
    await cached.fill()
    held = disk.run(stuck.wait, "waiting")
    writing = cached.file.write(SECOND.start, CONTENT[SECOND.start : SECOND.stop], len(CONTENT))
    assert cached.file.read(FIRST, 0, CHUNK) == CONTENT[:CHUNK]
    stuck.set()
    await held
    await writing


@asynchronous
async def test_punching_what_is_not_there_never_fails(cached: CachedFile) -> None:
    await cached.file.punch(0, CHUNK)
    assert not cached.path.exists()


@asynchronous
async def test_open_readers_keep_an_unlinked_file(cached: CachedFile) -> None:
    await cached.fill()
    with cached.path.open("rb") as reader:
        await cached.file.unlink()
        assert not cached.path.exists()
        assert reader.read() == CONTENT


@asynchronous
async def test_unlink_while_writing(cached: CachedFile, disk: Disk, stuck: Event) -> None:
    await cached.fill()
    held = disk.run(stuck.wait, "waiting")
    before = cached.file.write(FIRST.start, CONTENT[:CHUNK], len(CONTENT))
    removing = cached.file.unlink()
    after = cached.file.write(SECOND.start, CONTENT[SECOND.start : SECOND.stop], len(CONTENT))
    stuck.set()
    await held
    assert await before == FIRST.checksum
    await removing
    with pytest.raises(CacheWriteFailed):
        await after
    assert not cached.path.exists()


@asynchronous
async def test_unlinking_before_the_first_write_leaves_no_file(cached: CachedFile, disk: Disk, stuck: Event) -> None:
    held = disk.run(stuck.wait, "waiting")
    writing = cached.file.write(FIRST.start, CONTENT[:CHUNK], len(CONTENT))
    removing = cached.file.unlink()
    stuck.set()
    await held
    with pytest.raises(CacheWriteFailed):
        await writing
    await removing
    await cached.file.unlink()
    assert not cached.path.exists()


@pytest.mark.parametrize(
    ("number", "full"),
    [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EFBIG, True), (errno.EIO, False), (errno.EROFS, False)],
)
@asynchronous
async def test_a_failed_write_says_whether_it_was_the_space(
    cached: CachedFile, monkeypatch: pytest.MonkeyPatch, number: int, full: bool
) -> None:
    def pwrite(*arguments: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(CacheWriteFailed) as caught:
        await cached.file.write(0, CONTENT[:CHUNK], len(CONTENT))
    assert caught.value.full is full


@asynchronous
async def test_a_short_write_is_completed(cached: CachedFile, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda number, data, at: pwrite(number, data[:1000], at))
    await cached.file.write(0, CONTENT[:CHUNK], None)
    assert cached.path.read_bytes() == CONTENT[:CHUNK]


@asynchronous
async def test_a_directory_that_cannot_be_made(tmp_path: Path, disk: Disk) -> None:
    (tmp_path / "file").write_bytes(b"a file")
    cached = CachedFile(tmp_path / "file", disk)
    with pytest.raises(CacheWriteFailed) as caught:
        await cached.file.write(0, CONTENT[:CHUNK], None)
    assert not caught.value.full


@asynchronous
async def test_what_lies_in_the_way_is_kept_under_another_name(tmp_path: Path, disk: Disk) -> None:
    cached = CachedFile(tmp_path, disk)
    cached.path.parent.write_bytes(b"somebody's")
    await cached.file.write(0, CONTENT[:CHUNK], None)
    assert cached.path.read_bytes() == CONTENT[:CHUNK]
    (renamed,) = tmp_path.glob("ab.*")
    assert renamed.read_bytes() == b"somebody's"


@asynchronous
async def test_a_disk_that_does_not_write_has_failed(
    cached: CachedFile, disk: Disk, clock: ThreadedClock, stuck: Event
) -> None:
    held = disk.run(stuck.wait, "waiting")
    writing = cached.file.write(0, CONTENT[:CHUNK], None)
    clock.advance(TIMEOUT_SECONDS)
    with pytest.raises(CacheWriteFailed, match="5 s"):
        await writing
    stuck.set()
    held.addErrback(lambda _: None)
    await until(lambda: not disk.hangs)


@asynchronous
async def test_the_directory(tmp_path: Path, disk: Disk) -> None:
    files = CacheFiles(tmp_path / "cache", disk, lambda: 0, Descriptors(64))
    assert await files.usable() is None
    assert list((tmp_path / "cache").iterdir()) == []
    assert await files.list_files() == []
    ids = ["ab" + "0" * 30, "ff" + "1" * 30]
    for id in ids:
        await files.open(id).write(0, b"x", 1)
    assert (tmp_path / "cache" / "ab" / ids[0]).read_bytes() == b"x"
    for foreign in ("ab/short", "ab/" + "c" * 32, "index.sqlite", "zz/" + "z" * 32):
        path = tmp_path / "cache" / foreign
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"not ours")
    found = await files.list_files()
    assert sorted((file.id, file.size) for file in found) == [(id, 1) for id in ids]
    assert all(0 <= file.allocated <= 64 * 1024 for file in found)
    space = await files.space()
    assert 0 < space.free <= space.total
    assert files.block_size == os.statvfs(tmp_path).f_frsize


@asynchronous
async def test_a_directory_that_cannot_be_used(tmp_path: Path, disk: Disk) -> None:
    (tmp_path / "cache").write_bytes(b"a file")
    files = CacheFiles(tmp_path / "cache", disk, lambda: 0, Descriptors(64))
    assert "cache" in (await files.usable() or "")
