"""A cache that is smaller than what is asked for: nobody loses what he is reading, also where nothing binds parts."""

import pytest

from tests.integration.rig import KIB, MIB, Rig, Thing, at_once, exact
from tests.servers.deadline import until
from tests.servers.fetch import same_stream
from tests.servers.proxycache import Config

MAX_SIZE = 16 * MIB
UNBOUND = [None, 'W/"v1"']


@pytest.fixture(scope="module")
def config() -> Config:
    """Little room."""
    return {"cache": {"max_size": MAX_SIZE}}


def other_things(rig: Rig) -> list[Thing]:
    """Objects that take all the room there is, one by one."""
    things = [rig.put(MAX_SIZE - MIB) for _ in range(3)]
    for thing in things:
        thing.get_whole()
    return things


@pytest.mark.parametrize("etag", UNBOUND)
def test_a_slow_reader_is_not_outrun(rig: Rig, etag: str | None) -> None:
    """What there is no room for would be gone when he comes to it."""
    film = rig.put(4 * MAX_SIZE, etag=etag)
    with film.stream(buffer=32 * KIB) as slow:
        same_stream(film.body, 0, 100 * KIB, slow)
        for answer in at_once([film.get] * 2):
            exact(answer, film.body)
        same_stream(film.body, 100 * KIB, film.length, slow)
        assert slow.answer.complete


@pytest.mark.parametrize("etag", [*UNBOUND, '"v1"'])
def test_what_he_still_needs_stays_or_comes_again(rig: Rig, etag: str | None) -> None:
    film = rig.put(MAX_SIZE - 2 * MIB, etag=etag)
    film.get_whole()
    until(lambda: film.get_whole().cache_status == "proxycache; hit", "all of it to be stored")
    with film.stream(buffer=32 * KIB) as slow:
        same_stream(film.body, 0, 100 * KIB, slow)
        other_things(rig)
        same_stream(film.body, 100 * KIB, film.length, slow)
        assert slow.answer.complete
