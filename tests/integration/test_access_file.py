"""The access log as a file of its own: read by who reads such logs, rotated, and never in anybody's way."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.rig import Rig, at_once
from tests.integration.starts import check_config, end, twistd
from tests.integration.test_access_log import lines_of
from tests.servers.deadline import until
from tests.servers.fetch import fetch, raw
from tests.servers.origin import Fault, Origin
from tests.servers.ports import HOST
from tests.servers.proxycache import Proxycache

LOST = "proxycache_lost_log_lines_total"


@contextmanager
def running(directory: Path, origin: Origin, log: Path) -> Iterator[Rig]:
    """The product with an access log."""
    server = {"access_log": str(log), "trusted_proxies": ["127.0.0.1"]}
    config = {"server": server, "fetch": {"first_byte_timeout": 1}, "origin": {"ignore_query": ["token"]}}
    proxy = Proxycache(directory, origin.url, config=config)
    with proxy:
        yield Rig(origin, proxy)
    proxy.assert_clean_log()


def told(log: Path, uri: str, count: int) -> None:
    """Wait for lines about a target, of which there are no more than these."""

    def found() -> int:
        return len(lines_of(log.read_text(), uri)) if log.exists() else 0

    until(lambda: found() >= count, f"{count} lines about {uri}")
    assert found() == count


def test_goaccess_reads_it(tmp_path: Path, origin: Origin) -> None:
    """All lines, whatever clients send and become of."""
    log = tmp_path / "logs" / "access.log"
    with running(tmp_path, origin, log) as rig:
        film, failing = rig.put(3_000_000), rig.put(1000)
        failing.fault(Fault(refuse=True), None)
        film.get_whole()
        at_once([film.get_whole] * 8)
        film.get("0-9")
        film.get("9999999-")
        film.get(method="HEAD")
        film.get(method="POST")
        failing.get()
        ending = Fault(cut_after=1000)
        torn = rig.put(3000, etag=None)
        torn.fault(ending)
        torn.get()
        bad = 'x" 200 1 "y\\'
        for query in ('?a="b', "?token=s3cr3t", "?" + "z" * 5000, "?a b"):
            fetch(film.url + query, headers=[("User-Agent", bad), ("Referer", bad)])
        for address in ("198.51.100.7", "[2001:db8::7]:80", "nonsense"):
            film.get(None, ("X-Forwarded-For", address), ("User-Agent", "Mozilla/5.0 (X11) Firefox/1"))
        for data in (b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\xff\r\n\r\n", b"OPTIONS * HTTP/1.0\r\n\r\n"):
            raw(HOST, rig.proxy.port, data)
        with film.stream(buffer=65536):
            pass
        fetch(film.url + "?last")
        told(log, f"/{film.path}?last", 1)
        assert "s3cr3t" not in log.read_text()
        # It is there and nowhere else.
        assert f"GET /{film.path}" not in rig.proxy.log()
    count = len(log.read_text().splitlines())
    assert count >= 25
    command = ["goaccess", str(log), "--log-format=COMBINED", "--output=json", "--no-progress"]
    read = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    general = read["general"]
    assert (general["valid_requests"], general["failed_requests"]) == (count, 0), log.read_text()
    assert {each["data"] for each in read["hosts"]["data"]} == {"127.0.0.1", "198.51.100.7", "2001:db8::7"}
    assert general["bandwidth"] == sum(int(line.split('" ')[1].split(" ")[1]) for line in log.read_text().splitlines())


def test_it_is_rotated(tmp_path: Path, origin: Origin) -> None:
    """As logrotate does it: renamed, then USR1."""
    log, old = tmp_path / "access.log", tmp_path / "access.log.1"
    with running(tmp_path, origin, log) as rig:
        film = rig.put(1000)
        film.get_whole()
        told(log, f"/{film.path}", 1)
        log.rename(old)
        film.get_whole()
        told(old, f"/{film.path}", 2)
        os.kill(rig.proxy.pid, signal.SIGUSR1)
        until(log.exists, "a new file")
        film.get_whole()
        told(log, f"/{film.path}", 1)
        told(old, f"/{film.path}", 2)
    assert (log.stat().st_mode & 0o777) == 0o640


def test_what_is_written_last_is_there(tmp_path: Path, origin: Origin) -> None:
    log = tmp_path / "access.log"
    with running(tmp_path, origin, log) as rig:
        film = rig.put(1000)
        at_once([film.get_whole] * 20)
    assert len(lines_of(log.read_text(), f"/{film.path}")) == 20


def test_a_full_disk_loses_lines_and_no_answer(tmp_path: Path, origin: Origin) -> None:
    with running(tmp_path, origin, Path("/dev/full")) as rig:
        film = rig.put(1000)
        for _ in range(3):
            film.get_whole()
        until(lambda: rig.proxy.metrics()[LOST] == 3, "the loss to be counted")
        assert rig.proxy.log().count("/dev/full: lines are lost: No space left on device") == 1


def test_a_pipe_that_nobody_reads_holds_nobody_up(tmp_path: Path, origin: Origin) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with running(tmp_path, origin, pipe) as rig:
        film = rig.put(1000)
        film.get_whole()
        film.get_whole()
        assert rig.proxy.metrics()[LOST] == 0
        # Whoever comes to read finds what waited.
        with pipe.open() as reading:
            assert f"GET /{film.path} " in reading.readline()


def test_the_signal_harms_nobody_who_has_no_file(tmp_path: Path, origin: Origin) -> None:
    proxy = Proxycache(tmp_path, origin.url)
    with proxy:
        os.kill(proxy.pid, signal.SIGUSR1)
        Rig(origin, proxy).put(1000).get_whole()
        assert proxy.is_running


@pytest.mark.parametrize("name", ["plain/access.log", "folder"])
def test_one_that_cannot_be_written_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "plain").write_text("mine")
    (tmp_path / "folder").mkdir()
    file, log = tmp_path / "proxycache.toml", tmp_path / name
    file.write_text(
        f"[server]\naccess_log = '{log}'\n[cache]\ndirectory = '{tmp_path}/cache'\n"
        "[[origin]]\nname = 'films'\nurl = 'http://127.0.0.1:9/'\n"
    )
    ended = [end(process) for process in (check_config(tmp_path, file), twistd(tmp_path, "--config", str(file)))]
    checked, started = [each.only_line for each in ended]
    assert checked.startswith(f"{file}: server.access_log: expected a file that this user can write, got '{log}': ")
    assert started == f"proxycache: {checked}"
    assert not (tmp_path / "cache").exists()
