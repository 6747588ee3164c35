"""SIGTERM: nothing new is begun, and what was begun gets a time to finish."""

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.rig import KIB, MIB, Rig, aborted
from tests.servers.byhand import connect
from tests.servers.deadline import until
from tests.servers.fetch import same_stream
from tests.servers.origin import Origin
from tests.servers.proxycache import Proxycache

ENDED = -15
"""twistd ends by the very signal, once all has stopped."""
TIMEOUT = 1.0


def started(origin: Origin, directory: Path, timeout: float) -> Rig:
    """One that is stopped in the test."""
    proxy = Proxycache(directory, origin.url, config={"server": {"stop_timeout": timeout}})
    proxy.start()
    return Rig(origin, proxy)


@pytest.fixture
def rig(origin: Origin, tmp_path: Path) -> Iterator[Rig]:
    """All the time in the world."""
    rig = started(origin, tmp_path, 15)
    yield rig
    rig.proxy.kill()


@pytest.fixture
def hasty(origin: Origin, tmp_path: Path) -> Iterator[Rig]:
    """Little of it."""
    rig = started(origin, tmp_path, TIMEOUT)
    yield rig
    rig.proxy.kill()


@contextlib.contextmanager
def stopping(rig: Rig) -> Iterator["Future[int]"]:
    """Stopped at the same time; the port is closed already."""
    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(rig.proxy.stop)
        until(lambda: refused(rig), "the port to be closed")
        yield ending
        assert ending.result() == ENDED
    rig.proxy.assert_clean_log()


def refused(rig: Rig) -> bool:
    """Whether nobody can connect any more."""
    try:
        connect(rig.proxy.port).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("cache_control", ["max-age=3600", "no-store"])
def test_an_answer_is_finished(rig: Rig, cache_control: str) -> None:
    film = rig.put(64 * MIB, cache_control=cache_control)
    with film.stream(buffer=64 * KIB) as reading:
        same_stream(film.body, 0, MIB, reading)
        with stopping(rig) as ending:
            same_stream(film.body, MIB, film.length, reading)
            assert not ending.done() or reading.ended
        assert reading.answer.complete


def test_a_request_that_waits_for_its_answer_gets_it(rig: Rig) -> None:
    """And is told that it is the last one on its connection."""
    film = rig.put(MIB)
    request = f"GET /{film.path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    with rig.origin.gate(film.path) as gate, connect(rig.proxy.port) as client:
        client.send(request)
        gate.wait_held(1)
        with stopping(rig):
            client.send(request)
            gate.release()
            head = client.head()
            assert (head.status, head.field("Connection")) == (200, b"close")
            assert len(client.body(head)) == MIB
            assert client.rest() == b""


def test_what_is_idle_is_closed_at_once(rig: Rig) -> None:
    film = rig.put(1000)
    request = f"GET /{film.path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    with connect(rig.proxy.port) as idle, connect(rig.proxy.port) as silent, connect(rig.proxy.port) as begun:
        idle.send(request)
        idle.body(idle.head())
        begun.send(request[:20])
        before = time.monotonic()
        with stopping(rig):
            for client in (idle, silent, begun):
                assert client.rest() == b""
        assert time.monotonic() - before < 20


def test_what_takes_too_long_is_cut_off(hasty: Rig) -> None:
    """A client that takes nothing, and one whose origin says nothing."""
    film, stalled = hasty.put(64 * MIB), hasty.put(MIB)
    with hasty.origin.gate(stalled.path) as gate, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(stalled.get)
        gate.wait_held(1)
        with film.stream(buffer=64 * KIB) as reading:
            same_stream(film.body, 0, MIB, reading)
            with stopping(hasty) as ending:
                ending.result()
            reading.answer.body = reading.rest()
            aborted(reading.answer, film.body, MIB)
        aborted(waiting.result(), stalled.body)
    assert "2 answers cut off: they took more than 1 s" in hasty.proxy.log()
