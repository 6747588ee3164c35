"""However many clients ask for a byte, the origin sends it once, and every one of them reads it as it arrives."""

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from urllib.parse import urlsplit

import pytest

from tests.integration.rig import KIB, MIB, Rig, Thing, at_once, at_once_held
from tests.servers.fetch import Stream, same, same_stream
from tests.servers.origin import Fault

SLOWLY = 100 * KIB
"""Bytes a second of an origin that needs ten seconds for a chunk."""


def read_whole(film: Thing) -> None:
    """Read all of it, checking every byte."""
    with film.stream() as reading:
        read_on(film, reading, 0)


def read_first(film: Thing) -> Stream:
    """Begin to read it, and have the first byte."""
    reading = film.stream()
    same_stream(film.body, 0, 1, reading)
    return reading


def read_on(film: Thing, reading: Stream, at: int = 1) -> None:
    """Read it to its end."""
    while piece := reading.recv(MIB):
        (expected, *more) = film.body.pieces(at, at + len(piece))
        # A bytearray is compared as memory, which for a hundred clients matters.
        if more or bytearray(piece) != expected:
            same(film.body, at, piece)
        at += len(piece)
    assert (reading.answer.status, at, reading.answer.complete) == (200, film.length, True)


def leave_after(film: Thing, count: int) -> None:
    """Read so much, and hang up."""
    with film.stream(buffer=64 * KIB) as reading:
        same_stream(film.body, 0, count, reading)


def test_a_hundred_clients_at_once(rig: Rig) -> None:
    film = rig.put(16 * MIB)
    at_once([partial(read_whole, film)] * 100)
    film.assert_sent_once()
    assert len(film.requests) == 1


def test_they_read_as_it_arrives(rig: Rig) -> None:
    """Nobody waits for a chunk, still less for all of it: all have their first byte before the origin sent so much."""
    film = rig.put(2 * MIB)
    rig.origin.throttle(film.path, SLOWLY)
    with ExitStack() as stack:
        readings = [stack.enter_context(reading) for reading in at_once([partial(read_first, film)] * 30)]
        assert film.sent < MIB
        rig.origin.throttle(film.path, None)
        at_once([partial(read_on, film, reading) for reading in readings])
    film.assert_sent_once()


def test_late_ones_join_in(rig: Rig) -> None:
    film = rig.put(4 * MIB)
    rig.origin.throttle(film.path, 4 * MIB)
    with film.stream() as first, ExitStack() as stack:
        same_stream(film.body, 0, 2 * MIB, first)
        rig.origin.throttle(film.path, SLOWLY)
        late = [stack.enter_context(reading) for reading in at_once([partial(read_first, film)] * 20)]
        assert film.sent < film.length
        rig.origin.throttle(film.path, None)
        at_once([partial(read_on, film, reading) for reading in late])
        same_stream(film.body, 2 * MIB, film.length, first)
    film.assert_sent_once()
    assert len(film.requests) == 1


def test_leaving_disturbs_nobody(rig: Rig) -> None:
    """Not that of whose request it was, nor of others, at any time."""
    film = rig.put(16 * MIB)
    rig.origin.throttle(film.path, 16 * MIB)
    calls: list[Callable[[], None]] = []
    for number in range(20):
        calls += [partial(leave_after, film, number * 500 * KIB), partial(read_whole, film)]
    with film.stream() as first, ThreadPoolExecutor(1) as pool:
        same_stream(film.body, 0, 100, first)
        leaving = pool.submit(first.close)
        at_once(calls)
        leaving.result()
    film.assert_sent_once()
    assert len(film.requests) == 1


def test_leaving_before_the_answer_disturbs_nobody(rig: Rig) -> None:
    film = rig.put(3 * MIB)
    gate = rig.origin.gate(film.path)
    with gate:
        waiting = [ask_only(film) for _ in range(3)]
        gate.wait_held(1)
        waiting[0].close()
        waiting[2].close()
        gate.release()
        assert b"206 Partial" in waiting[1].recv(1000)
        waiting[1].close()
    film.get_whole()
    assert film.sent <= film.length + MIB


def ask_only(film: Thing) -> socket.socket:
    """Ask, and do not wait for the answer."""
    parts = urlsplit(film.url)
    sock = socket.create_connection((parts.hostname, parts.port), timeout=10)
    sock.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: a\r\nRange: bytes=0-99\r\n\r\n".encode())
    return sock


def test_the_last_one_to_leave_leaves_a_fill(rig: Rig) -> None:
    """A client that comes back within `linger` finds it going."""
    film = rig.put(4 * MIB)
    rig.origin.throttle(film.path, 4 * MIB)
    leave_after(film, MIB)
    read_whole(film)
    film.assert_sent_once()
    assert len(film.requests) == 1


def test_different_clients_are_still_one(rig: Rig) -> None:
    film = rig.put(3 * MIB)
    headers = [(("User-Agent", f"player/{number}"), ("X-Number", str(number))) for number in range(30)]
    at_once_held(film, [partial(film.get_whole, *each) for each in headers])
    assert len(film.requests) == 1
    film.assert_sent_once()


@pytest.mark.parametrize("known", [False, True])
def test_overlapping_ranges_at_once(rig: Rig, known: bool) -> None:
    """They share what they have in common, but for what was on its way when another was asked for ahead of it."""
    film = rig.put(32 * MIB)
    if known:
        film.get_part(film.length - 10, film.length)
    at_once([partial(film.get_part, k * MIB + 7 * k, (k + 4) * MIB) for k in range(28)])
    assert film.sent <= 1.5 * film.length, film.ranges


def test_the_same_small_range_at_once(rig: Rig) -> None:
    film = rig.put(32 * MIB)
    at_once([partial(film.get_part, 5 * MIB + 5, 5 * MIB + 105)] * 50)
    assert film.ranges.count(film.ranges[0]) == 1
    assert film.sent <= MIB


def test_many_objects_at_once(rig: Rig) -> None:
    films = [rig.put(MIB + number) for number in range(60)]
    at_once([film.get_whole for film in films for _ in range(2)])
    for film in films:
        film.assert_sent_once()


@pytest.mark.parametrize("cut", [1000, MIB + 5])
def test_a_crowd_survives_the_failure_of_its_fetch(rig: Rig, cut: int) -> None:
    film = rig.put(4 * MIB)
    film.fault(Fault(cut_after=cut), 3)
    at_once([partial(read_whole, film)] * 20)
    film.assert_sent_once()
