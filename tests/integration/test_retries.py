"""What fails before the first byte is tried again: in short order, three times at most."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.integration.rig import MIB, Rig, at_once, refused, told
from tests.integration.side_by_side import Running, Scenarios
from tests.servers.deadline import until
from tests.servers.fetch import fetch
from tests.servers.origin import Fault
from tests.servers.proxycache import Config

TEMPORARY = [500, 502, 503, 504]
SLOW = Scenarios()


@pytest.fixture(scope="module")
def config() -> Config:
    """Little patience, and connections for all."""
    return {
        "fetch": {
            "connect_timeout": 1,
            "first_byte_timeout": 2,
            "idle_timeout": 2,
            "connections": 256,
            "connections_per_origin": 256,
        }
    }


@SLOW
def once_is_not_noticed(rig: Rig) -> None:
    faults = [Fault(status=status) for status in TEMPORARY]
    faults += [
        Fault(refuse=True),
        Fault(refuse=True, reset=True),
        Fault(status=503, body=b"busy", stall_after=1),
    ]
    films = [rig.put(2 * MIB) for _ in faults]
    for film, fault in zip(films, faults, strict=True):
        film.fault(fault)
    wholes = [partial(film.get_whole) for film in films[::2]]
    at_once([*wholes, *(partial(film.get_part, 5, MIB) for film in films[1::2])])
    assert [len(film.requests) >= 2 for film in films] == [True] * len(films)


@SLOW
def twice_is_not_noticed(rig: Rig) -> None:
    faults = [Fault(status=status) for status in TEMPORARY] + [Fault(refuse=True)]
    films = [rig.put(1000) for _ in faults]
    for film, fault in zip(films, faults, strict=True):
        film.fault(fault, 2)
    at_once([film.get_whole for film in films])
    assert [len(film.requests) for film in films] == [3] * len(films)


@SLOW
def for_ever_is_passed_on(rig: Rig) -> None:
    """The origin's own answer, within seconds, and no attempt is made in vain."""
    statuses = TEMPORARY * 6
    films = [rig.put(1000) for _ in statuses]
    for film, status in zip(films, statuses, strict=True):
        film.fault(Fault(status=status, body=b"busy\n"), None)
    before = time.monotonic()
    for answer, status in zip(at_once([film.get for film in films]), statuses, strict=True):
        assert (answer.status, answer.body, answer.complete) == (status, b"busy\n", True), told(answer)
    assert time.monotonic() - before < 20
    assert [len(film.requests) for film in films] == [3] * len(films)


@SLOW
def for_ever_in_mid_object_is_told(rig: Rig) -> None:
    """Tried for the cache, tried again, and past the cache: then told, within seconds."""
    film = rig.put(8 * MIB)
    film.get_part(0, 100)
    film.fault(Fault(status=503), 9)
    before = time.monotonic()
    refused(film.get("5000000-5000099"), 502, 503)
    assert time.monotonic() - before < 15
    while len(film.requests) < 1 + 9:
        # It was not tried nine times, which is as well.
        fetch(f"{rig.origin.url}{film.path}")
    film.get_part(5_000_000, 5_000_100)


@SLOW
def a_failure_is_not_kept(rig: Rig) -> None:
    film = rig.put(1000)
    film.fault(Fault(status=503), 3)
    assert film.get().status == 503
    film.get_whole()


@SLOW
def a_crowd_shares_the_attempts(rig: Rig) -> None:
    film = rig.put(1000)
    film.fault(Fault(status=503), 2)
    at_once([film.get_whole] * 20)
    assert len(film.requests) == 3


@SLOW
def a_crowd_does_not_fall_upon_an_origin_that_fails(rig: Rig) -> None:
    """The answer is not kept, so each may ask for itself, but once."""
    film = rig.put(1000)
    film.fault(Fault(status=503), None)
    assert {answer.status for answer in at_once([film.get] * 20)} == {503}
    assert len(film.requests) <= 3 + 19


@SLOW
def a_slow_origin_is_told_and_not_asked_again(rig: Rig) -> None:
    """Who has nothing yet has waited long enough; once more where the connection was a kept one, and may be dead."""
    cold, part = rig.put(1000), rig.put(8 * MIB)
    part.get_part(0, 100)
    for film in (cold, part):
        film.fault(Fault(delay=60), None)
    for answer in at_once([partial(cold.get), partial(part.get, "5000000-5000099")]):
        refused(answer, 504)
    assert len(cold.requests) <= 2
    assert len(part.requests) <= 1 + 2


@pytest.mark.parametrize("name", SLOW.names)
def test_slow(running: Running, name: str) -> None:
    running[name].result()


def test_a_connection_refused_until_the_origin_is_up(rig: Rig) -> None:
    film = rig.put(3 * MIB)
    retries = rig.proxy.metrics()["proxycache_retries_total"]
    rig.origin.stop()
    try:
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(film.get_whole)
            until(lambda: rig.proxy.metrics()["proxycache_retries_total"] > retries, "a retry")
            rig.origin.start()
            waiting.result()
    finally:
        rig.origin.stop()
        rig.origin.start()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 451, 501])
def test_what_is_final_is_not_tried_again(rig: Rig, status: int) -> None:
    film = rig.put(1000)
    film.fault(Fault(status=status, body=b"no\n"), None)
    answer = fetch(film.url)
    assert (answer.status, answer.body) == (status, b"no\n"), told(answer)
    assert len(film.requests) == 1


def test_it_is_not_too_slow_as_long_as_it_answers(rig: Rig) -> None:
    film = rig.put(1000)
    film.fault(Fault(delay=0.5), None)
    film.get_whole()
    assert len(film.requests) == 1


def test_a_kept_connection_that_the_origin_dropped(rig: Rig) -> None:
    """Every connection in the pool is dead: the next request does not fail for it, nor wait."""
    films = [rig.put(1000) for _ in range(8)]
    at_once([film.get_whole for film in films])
    rig.origin.drop_connections()
    more = [rig.put(1000) for _ in range(8)]
    retries = rig.proxy.metrics()["proxycache_retries_total"]
    at_once([film.get_whole for film in more])
    assert rig.proxy.metrics()["proxycache_retries_total"] == retries
