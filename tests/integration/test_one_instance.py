"""Cache files and database are one process's: another one on them is refused with one line, and harms nothing."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.rig import MIB, Rig
from tests.integration.starts import end, twistd
from tests.servers.deadline import until
from tests.servers.origin import Origin
from tests.servers.ports import HOST, free_port
from tests.servers.proxycache import Proxycache


def refused(directory: Path, cache: Path, database: Path | None = None) -> str:
    """What a second product on a cache directory says of why it does not start."""
    options = [f"--{name}=tcp:{free_port()}:interface={HOST}" for name in ("listen", "admin")]
    if database is not None:
        options.append(f"--database=sqlite:///{database}")
    ended = end(twistd(directory, "--origin", "http://127.0.0.1:9/", "--cache-dir", str(cache), *options))
    assert ended.status == 1, ended.output
    return ended.only_line


@pytest.fixture
def living(tmp_path: Path, origin: Origin) -> Iterator[Rig]:
    """A product that runs, and is to go on running well."""
    proxy = Proxycache(tmp_path, origin.url)
    with proxy:
        rig = Rig(origin, proxy)
        film = rig.put(3 * MIB)
        film.get_whole()
        yield rig
        assert film.get_whole().cache_status.startswith("proxycache; hit")
    proxy.assert_clean_log()


def test_the_same_directory(living: Rig, tmp_path: Path) -> None:
    """Under whatever name, and wherever the other's database is."""
    cache = living.proxy.cache_dir
    link = tmp_path / "link"
    link.symlink_to(cache)
    before = sorted(cache.rglob("*"))
    for name in (cache, link):
        line = refused(tmp_path, name, tmp_path / "elsewhere" / "index.sqlite")
        assert line.startswith(f"proxycache: cache directory {name} is in use"), line
    assert sorted(cache.rglob("*")) == before
    assert not (tmp_path / "elsewhere").exists()


def test_the_same_database(living: Rig, tmp_path: Path) -> None:
    database = living.proxy.database
    line = refused(tmp_path, tmp_path / "elsewhere", database)
    assert line.startswith(f"proxycache: database {database} is in use"), line


def test_whoever_comes_after_its_end_is_let_in(living: Rig, tmp_path: Path) -> None:
    """However it ended, and at once."""
    living.proxy.stop()
    living.proxy.start()
    living.proxy.kill()
    living.proxy.start()
    assert "is in use" in refused(tmp_path, living.proxy.cache_dir)


def test_one_that_goes_into_the_background_keeps_others_out(tmp_path: Path, origin: Origin) -> None:
    """twistd forks then, after the locks were taken."""
    proxy = Proxycache(tmp_path, origin.url)
    pid_file = tmp_path / "twistd.pid"
    words = proxy.command()
    background = [words[0], f"--pidfile={pid_file}", f"--logfile={proxy.log_file}", *words[words.index("proxycache") :]]
    proxy.command = lambda: background  # type: ignore[method-assign]
    parent = proxy.launch()
    until(lambda: parent.poll() is not None, "the parent to end")
    pid = int(pid_file.read_text())
    try:
        assert "is in use" in refused(tmp_path, proxy.cache_dir)
    finally:
        os.kill(pid, signal.SIGTERM)
        until(lambda: not pid_file.exists(), "it to end")
    proxy.kill()
    proxy.assert_clean_log()
