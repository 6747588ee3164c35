"""A symbolic link at the place of a cache file, or of its folder, is not followed."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from proxycache.errors import CacheReadFailed
from proxycache.store.cachefile import CacheFiles
from proxycache.store.descriptors import Descriptors
from proxycache.store.disk import Disk

from .asynchronous import asynchronous
from .cachedfile import CHUNK, CONTENT, FIRST, SECOND, CachedFile, read


@pytest.fixture
def cached(tmp_path: Path, disk: Disk) -> CachedFile:
    return CachedFile(tmp_path / "cache", disk)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Somebody's folder."""
    made = tmp_path / "elsewhere"
    made.mkdir()
    return made


async def linked_file(cached: CachedFile, elsewhere: Path) -> Path:
    """The right bytes are where a link at the file's place leads."""
    await cached.fill()
    target = elsewhere / "file"
    cached.path.rename(target)
    cached.path.symlink_to(target)
    return target


async def linked_folder(cached: CachedFile, elsewhere: Path) -> Path:
    """The right bytes, in another file, are where a link at the folder's place leads."""
    await cached.fill()
    target = elsewhere / cached.path.name
    target.write_bytes(CONTENT)
    cached.path.unlink()
    cached.path.parent.rmdir()
    cached.path.parent.symlink_to(elsewhere)
    return target


Link = Callable[[CachedFile, Path], Awaitable[Path]]
LINKS: list[Link] = [linked_file, linked_folder]


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("opened", [True, False])
@asynchronous
async def test_reading(cached: CachedFile, elsewhere: Path, link: Link, opened: bool) -> None:
    await link(cached, elsewhere)
    if not opened:
        cached.file.close()
    with pytest.raises(CacheReadFailed) as caught:
        await read(cached.file, SECOND)
    assert caught.value.lost_from == 0
    assert not caught.value.transient


@pytest.mark.parametrize("link", LINKS)
@asynchronous
async def test_writing_makes_way(cached: CachedFile, elsewhere: Path, link: Link) -> None:
    target = await link(cached, elsewhere)
    other = bytes(CHUNK)
    await cached.file.write(FIRST.start, other, len(CONTENT))
    assert target.read_bytes() == CONTENT
    assert not cached.path.is_symlink()
    assert not cached.path.parent.is_symlink()
    assert cached.path.read_bytes()[:CHUNK] == other
    (kept,) = cached.path.parent.parent.rglob("*.in-the-way-*")
    assert kept.is_symlink()


@asynchronous
async def test_writing_through_a_link_that_leads_nowhere(cached: CachedFile, elsewhere: Path) -> None:
    cached.path.parent.mkdir(parents=True)
    cached.path.symlink_to(elsewhere / "not there")
    await cached.file.write(FIRST.start, CONTENT[:CHUNK], len(CONTENT))
    assert list(elsewhere.iterdir()) == []
    assert await read(cached.file, FIRST) == CONTENT[:CHUNK]


@pytest.mark.parametrize("link", LINKS)
@asynchronous
async def test_punching_and_removing(cached: CachedFile, elsewhere: Path, link: Link) -> None:
    target = await link(cached, elsewhere)
    await cached.file.punch(0, len(CONTENT))
    assert target.read_bytes() == CONTENT
    await cached.file.unlink()
    assert target.read_bytes() == CONTENT


@asynchronous
async def test_what_links_lead_to_is_not_listed(tmp_path: Path, disk: Disk, elsewhere: Path) -> None:
    files = CacheFiles(tmp_path / "cache", disk, lambda: 0, Descriptors(64))
    ours, linked, behind = (digits + "0" * 30 for digits in ("ab", "ac", "ad"))
    for id in (ours, linked):
        await files.open(id).write(0, b"x", 1)
    place = tmp_path / "cache" / "ac" / linked
    place.rename(elsewhere / behind)
    place.symlink_to(elsewhere / behind)
    (tmp_path / "cache" / "ad").symlink_to(elsewhere)
    assert [file.id for file in await files.list_files()] == [ours]


@asynchronous
async def test_the_probe_of_the_disk(tmp_path: Path, disk: Disk, elsewhere: Path) -> None:
    (elsewhere / "file").write_bytes(b"somebody's")
    directory = tmp_path / "cache"
    directory.mkdir()
    (directory / ".probe").symlink_to(elsewhere / "file")
    assert await CacheFiles(directory, disk, lambda: 0, Descriptors(64)).usable() is None
    assert (elsewhere / "file").read_bytes() == b"somebody's"
    assert os.listdir(directory) == [".probe"]


@asynchronous
async def test_a_fifo_is_no_file(cached: CachedFile) -> None:
    await cached.fill()
    cached.path.unlink()
    os.mkfifo(cached.path)
    with pytest.raises(CacheReadFailed) as caught:
        await read(cached.file, FIRST)
    assert caught.value.lost_from == 0
    await cached.file.write(FIRST.start, CONTENT[:CHUNK], len(CONTENT))
    assert await read(cached.file, FIRST) == CONTENT[:CHUNK]
