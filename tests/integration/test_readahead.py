"""Whoever reads on is fetched ahead for; whoever jumps about is not."""

import random

import pytest

from tests.integration.rig import KIB, MIB, Rig, Thing
from tests.servers.deadline import until
from tests.servers.fetch import same_stream


def fetched_to(film: Thing) -> int:
    """One past the last byte the origin was asked for."""
    return max(int((range or "bytes=0-0").split("-")[1]) + 1 for range in film.ranges)


@pytest.mark.parametrize("step", [64 * KIB, 256 * KIB, MIB])
def test_sequential_small_ranges_stay_behind(rig: Rig, step: int) -> None:
    """After a while hardly a request needs a byte that the origin was not asked for before.

    What a client that has just left had in the queue goes with it, and is asked for by its next request.
    """
    film = rig.put(200 * MIB)
    ahead = []
    for start in range(0, 8 * MIB, step):
        film.get_part(start, start + step)
        if start >= 2 * MIB:
            ahead.append(fetched_to(film) > start + step)
    assert ahead.count(True) > len(ahead) / 2, ahead
    assert film.sent <= 8 * MIB + 17 * MIB


def test_it_grows(rig: Rig) -> None:
    """By and by up to a limit, as long as the client reads on."""
    film = rig.put(200 * MIB)
    ahead = []
    for start in range(0, 16 * MIB, MIB):
        film.get_part(start, start + MIB)
        ahead.append(fetched_to(film) - start - MIB)
    assert ahead[0] <= 0
    assert max(ahead[:4]) < max(ahead)
    assert 4 * MIB <= max(ahead) <= 17 * MIB


def test_random_small_ranges_do_not(rig: Rig) -> None:
    film = rig.put(200 * MIB)
    chunks = random.Random(1).sample(range(200), 40)
    for chunk in chunks:
        start = chunk * MIB + 1000
        film.get_part(start, start + 1000)
    rig.origin.wait_for(lambda log: all(served.done for served in log))
    assert film.sent <= len(chunks) * MIB


def test_the_first_range_does_not(rig: Rig) -> None:
    film = rig.put(200 * MIB)
    film.get_part(0, MIB)
    film.get_part(100 * MIB, 101 * MIB)
    assert film.sent == 2 * MIB


def test_a_seek_ends_it(rig: Rig) -> None:
    film = rig.put(200 * MIB)
    for number in range(6):
        film.get_part(number * MIB, (number + 1) * MIB)
    rig.origin.wait_for(lambda log: all(served.done for served in log))
    before = film.sent
    film.get_part(150 * MIB, 150 * MIB + 1000)
    rig.origin.wait_for(lambda log: all(served.done for served in log))
    assert film.sent <= before + MIB


def test_a_player_is_fetched_ahead_for_as_far_as_it_goes(rig: Rig) -> None:
    """Bounded by what it consumes: a slow reader of a range without an end does not pull in the whole."""
    film = rig.put(200 * MIB)
    with film.stream("0-", buffer=64 * KIB) as playing:
        same_stream(film.body, 0, 8 * MIB, playing)
        rig.origin.wait_for(lambda log: all(served.done for served in log))
        assert 8 * MIB < film.sent <= 8 * MIB + 24 * MIB


def test_a_slow_reader_of_the_whole_does_not_pull_it_in(rig: Rig) -> None:
    film = rig.put(200 * MIB)
    with film.stream(buffer=64 * KIB) as playing:
        same_stream(film.body, 0, MIB, playing)
        sent = -1

        def settled() -> bool:
            nonlocal sent
            before, sent = sent, film.sent
            return before == sent

        until(settled, "the origin to be held up")
        assert film.sent <= 48 * MIB
        same_stream(film.body, MIB, 2 * MIB, playing)


def test_an_object_is_not_read_past_its_end(rig: Rig) -> None:
    film = rig.put(5 * MIB + 17)
    for start in range(0, film.length, 256 * KIB):
        film.get_part(start, min(film.length, start + 256 * KIB))
    film.assert_sent_once()
