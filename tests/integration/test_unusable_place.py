"""A cache that could never be written does not start, and check-config says why, in one line; nothing is left behind."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.starts import check_config, end, twistd
from tests.servers.ports import HOST, free_port

Place = tuple[Path, Path]
"""Of the cache files and of the database."""

NOBODY = 65534


def in_the_way(root: Path) -> Place:
    """A plain file where the directory should be."""
    (root / "cache").write_text("mine")
    return root / "cache", root / "index.sqlite"


def below_a_file(root: Path) -> Place:
    """A plain file where a folder above it should be."""
    (root / "plain").write_text("mine")
    return root / "plain" / "a" / "cache", root / "index.sqlite"


def leads_nowhere(root: Path) -> Place:
    """A symbolic link to nothing."""
    (root / "link").symlink_to(root / "nothing")
    return root / "link" / "cache", root / "index.sqlite"


def no_folder_for_the_database(root: Path) -> Place:
    """A plain file where the database's directory should be."""
    (root / "plain").write_text("mine")
    return root / "cache", root / "plain" / "index.sqlite"


def no_file_for_the_database(root: Path) -> Place:
    """A directory where the database should be."""
    (root / "index.sqlite").mkdir()
    return root / "cache", root / "index.sqlite"


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (in_the_way, "cache.directory: expected a directory that this user can write, got '{directory}': Not a dir"),
        (below_a_file, "cache.directory: expected a directory that this user can write, got '{directory}': {root}/p"),
        (leads_nowhere, "cache.directory: expected a directory that this user can write, got '{directory}': {root}/l"),
        (no_folder_for_the_database, "cache.database: expected a directory that this user can write, got '{root}/plai"),
        (no_file_for_the_database, "cache.database: expected a file that this user can write, got '{database}': Is a"),
    ],
)
def test_it_is_refused_with_one_line(tmp_path: Path, make: Callable[[Path], Place], told: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    directory, database = make(root)
    before = sorted(root.rglob("*"))
    file = tmp_path / "proxycache.toml"
    file.write_text(
        f"[server]\nlisten = ['tcp:{free_port()}:interface={HOST}']\nadmin = 'tcp:{free_port()}:interface={HOST}'\n"
        f"[cache]\ndirectory = '{directory}'\ndatabase = 'sqlite://{database}'\n"
        "[[origin]]\nname = 'films'\nurl = 'http://127.0.0.1:9/'\n"
    )
    expected = f"{file}: {told.format(root=root, directory=directory, database=database)}"
    running = [check_config(tmp_path, file), twistd(tmp_path, "--config", str(file))]
    ended = [end(process) for process in running]
    checked, started = [each.only_line for each in ended]
    assert checked.startswith(expected), checked
    assert started == f"proxycache: {checked}"
    assert sorted(root.rglob("*")) == before


def test_the_user_who_is_to_run_it_may_not_write(tmp_path: Path) -> None:
    """root starts it for somebody else, or somebody else starts it: who will write is asked, and no other."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o700 if os.geteuid() == 0 else 0o500)
    user = ["--uid", str(NOBODY), "--gid", str(NOBODY)] if os.geteuid() == 0 else []
    directory = locked / "cache"
    ended = end(twistd(tmp_path, "--origin", "http://127.0.0.1:9/", "--cache-dir", str(directory), twistd_options=user))
    line = ended.only_line
    assert line.startswith("proxycache: options: cache.directory: expected a directory that this user can write"), line
    assert str(directory) in line
    assert line.endswith("Permission denied")
    assert list(locked.iterdir()) == []


def test_what_is_not_there_yet_can_be_made(tmp_path: Path) -> None:
    """check-config says that it will be, and leaves that to the start."""
    file = tmp_path / "proxycache.toml"
    directory = tmp_path / "a" / "b"
    file.write_text(f"[cache]\ndirectory = '{directory}'\n[[origin]]\nname = 'films'\nurl = 'http://127.0.0.1:9/'\n")
    assert end(check_config(tmp_path, file)).status == 0
    assert not directory.parent.exists()
