"""What is made is for its owner only, whatever the umask; what was there stays as it is."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxycache.store import databasefile
from proxycache.store.cachefile import CacheFiles
from proxycache.store.databasefile import prepare_file
from proxycache.store.descriptors import Descriptors
from proxycache.store.disk import Disk
from proxycache.store.private import make_directory

from .asynchronous import asynchronous


@pytest.fixture(autouse=True)
def no_umask() -> Iterator[None]:
    """Everybody may do everything with what is made without a thought."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_directory_and_those_above_it(tmp_path: Path) -> None:
    make_directory(tmp_path / "a" / "b" / "c")
    assert [mode(tmp_path / part) for part in ("a", "a/b", "a/b/c")] == [0o700] * 3


def test_a_directory_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir(mode=0o750)
    (tmp_path / "link").symlink_to("ours")
    for name in ("ours", "link"):
        make_directory(tmp_path / name)
    assert mode(tmp_path / "ours") == 0o750
    (tmp_path / "file").write_bytes(b"somebody's")
    with pytest.raises(FileExistsError):
        make_directory(tmp_path / "file")
    with pytest.raises(NotADirectoryError):
        make_directory(tmp_path / "file" / "below")


def written(path: Path) -> sqlite3.Connection:
    """A database with a log."""
    prepare_file(path)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE sample (value)")
    connection.commit()
    return connection


def test_a_database_with_its_log(tmp_path: Path) -> None:
    connection = written(tmp_path / "deep" / "index.sqlite")
    assert mode(tmp_path / "deep") == 0o700
    found = {path.name: mode(path) for path in (tmp_path / "deep").iterdir()}
    assert found == dict.fromkeys(("index.sqlite", "index.sqlite-wal", "index.sqlite-shm"), 0o600)
    connection.close()


def test_a_database_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").symlink_to(tmp_path / "other.sqlite")
    written(tmp_path / "index.sqlite").close()
    assert mode(tmp_path / "other.sqlite") == 0o600
    assert (tmp_path / "index.sqlite").is_symlink()


def test_the_copy_before_an_upgrade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = databasefile.schema_steps()
    path, target = tmp_path / "index.sqlite", tmp_path / "somebody's"
    copy = tmp_path / f"index.sqlite.schema-{len(steps)}"
    prepare_file(path)
    copy.symlink_to(target)
    target.write_bytes(b"somebody's")
    monkeypatch.setattr(databasefile, "schema_steps", lambda: [*steps, "CREATE TABLE later (value);"])
    prepare_file(path)
    assert mode(copy) == 0o600
    assert not copy.is_symlink()
    assert target.read_bytes() == b"somebody's"


def test_what_a_former_version_left_for_everybody_is_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    written(path).close()
    left = [path, *(tmp_path / f"index.sqlite.{kind}" for kind in ("corrupt-123", "corrupt-123-wal", "schema-1"))]
    for each in left[1:]:
        each.write_bytes(b"")
    for each in left:
        each.chmod(0o644)
    foreign = tmp_path / "index.sqlite.notes"
    foreign.write_bytes(b"")
    (tmp_path / "index.sqlite.corrupt-456").symlink_to(foreign)
    prepare_file(path)
    assert [mode(each) for each in left] == [0o600] * len(left)
    assert mode(foreign) == 0o666


def test_a_group_that_was_let_in_stays(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    written(path).close()
    path.chmod(0o640)
    prepare_file(path)
    assert mode(path) == 0o640


@asynchronous
async def test_cache_files(tmp_path: Path, disk: Disk) -> None:
    files, id = CacheFiles(tmp_path / "cache", disk, lambda: 0, Descriptors(64)), "ab" + "0" * 30
    assert await files.usable() is None
    await files.open(id).write(0, b"x", 1)
    assert [mode(tmp_path / "cache" / part) for part in ("", "ab", f"ab/{id}")] == [0o700, 0o700, 0o600]
