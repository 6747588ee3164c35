"""A byte that is not cached comes one origin round trip after it was asked for, whatever else is being fetched."""

import time
from collections.abc import Iterator

import pytest

from tests.integration.rig import KIB, MIB, Rig, Thing, exact_part
from tests.servers.fetch import Stream, same_stream
from tests.servers.proxycache import Config

GIB = 1 << 30
RATE = 32 * KIB
"""Bytes per second of each of the origin's answers: who waits for a chunk waits half a minute."""
PROMPT = 10.0
"""Seconds; far less than a chunk takes, and far more than a round trip does on a busy machine."""


@pytest.fixture(scope="module")
def config() -> Config:
    """Fills go on for a while, as they do for a user."""
    return {"fetch": {"idle_timeout": 5, "linger": 10}}


@pytest.fixture
def film(rig: Rig) -> Thing:
    """An object that is far, and too large to wait for."""
    film = rig.put(GIB)
    rig.origin.throttle(film.path, RATE)
    return film


@pytest.fixture
def playing(film: Thing) -> Iterator[Stream]:
    """Another client that plays it from the start."""
    with film.stream(buffer=64 * KIB) as playing:
        same_stream(film.body, 0, KIB, playing)
        yield playing
        same_stream(film.body, KIB, 2 * KIB, playing)


def sought(film: Thing, start: int) -> int:
    """What was fetched from a place on that the player is far from."""
    return sum(
        served.sent
        for served in film.requests
        if int((served.range or "bytes=0-").split("=")[1].split("-")[0]) >= start
    )


def beginnings(film: Thing) -> list[int]:
    """Where the origin was asked to begin."""
    return [int((range or "bytes=0-").split("=")[1].split("-")[0]) for range in film.ranges]


CENTRE = 700 * MIB
PLACES = {
    "aligned": CENTRE,
    "middle of a chunk": CENTRE + 333_333,
    "end of a chunk": CENTRE + MIB - 100,
    "across a border": CENTRE + MIB - 50,
    "end of the object": GIB - 100,
}


@pytest.mark.parametrize("start", PLACES.values(), ids=PLACES.keys())
def test_a_small_read_far_away(rig: Rig, film: Thing, playing: Stream, start: int) -> None:
    stop = start + 100
    before = time.monotonic()
    with film.stream(f"{start}-{stop - 1}") as seeking:
        same_stream(film.body, start, start + 1, seeking)
        assert time.monotonic() - before < PROMPT
        same_stream(film.body, start + 1, stop, seeking)
        assert seeking.answer.complete
    rig.origin.throttle(film.path, None)
    # The first request after the player's begins at the very byte.
    assert beginnings(film)[1] == start
    rig.origin.wait_for(lambda log: all(served.done for served in log if served.range))
    assert sought(film, CENTRE - 2 * MIB) <= 2 * MIB


def test_a_suffix_far_away(rig: Rig, film: Thing, playing: Stream) -> None:
    before = time.monotonic()
    exact_part(film.get("-100"), film.body, GIB - 100, GIB)
    assert time.monotonic() - before < PROMPT
    rig.origin.throttle(film.path, None)
    assert beginnings(film)[1] == GIB - 100
    rig.origin.wait_for(lambda log: all(served.done for served in log if served.range))
    assert sought(film, CENTRE) <= 2 * MIB


def test_a_player_that_seeks(film: Thing, playing: Stream) -> None:
    """It opens a range without an end at each place, and leaves it for the next one."""
    for start in (CENTRE + 5, 100 * MIB + 7, 1000 * MIB, 3 * MIB, 500 * MIB + 1):
        before = time.monotonic()
        with film.stream(f"{start}-", buffer=64 * KIB) as seeking:
            same_stream(film.body, start, start + 1, seeking)
            assert time.monotonic() - before < PROMPT
            same_stream(film.body, start + 1, start + KIB, seeking)
        assert start in beginnings(film)


def test_what_was_left_is_not_fetched_to_the_end(rig: Rig, film: Thing) -> None:
    """A range without an end, of which little is read."""
    rig.origin.throttle(film.path, None)
    with film.stream(f"{CENTRE}-", buffer=64 * KIB) as seeking:
        same_stream(film.body, CENTRE, CENTRE + 1000, seeking)
        rig.origin.wait_for(lambda log: all(served.done for served in log))
    assert film.sent <= 8 * MIB


def test_backwards(film: Thing, playing: Stream) -> None:
    start = CENTRE
    for number in range(5):
        start -= 10 * MIB + number
        before = time.monotonic()
        film.get_part(start, start + 100)
        assert time.monotonic() - before < PROMPT


def test_twice_to_the_same_place(film: Thing, playing: Stream) -> None:
    film.get_part(CENTRE, CENTRE + 100)
    asked = len(film.requests)
    film.get_part(CENTRE, CENTRE + 100)
    assert [start for start in beginnings(film)[asked:] if start == CENTRE] == []


def test_two_small_reads_of_a_cold_object(rig: Rig) -> None:
    film = rig.put(2 * GIB)
    film.get_part(0, 64 * KIB)
    film.get_part(1_500_000_000, 1_500_000_000 + 64 * KIB)
    rig.origin.wait_for(lambda log: all(served.done for served in log))
    assert film.sent <= 2 * MIB
