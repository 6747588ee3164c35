"""`always_partial`: players that only seek where the first answer is a part get one."""

import pytest

from tests.integration.rig import KIB, MIB, Rig, exact, exact_part, told
from tests.servers.origin import Fault, Origin
from tests.servers.proxycache import Config


@pytest.fixture(scope="module")
def config(origin: Origin) -> Config:
    """The switch."""
    return {"origin": {"always_partial": True}}


@pytest.mark.parametrize("length", [1, 1000, 3 * MIB + 5])
def test_a_plain_get_is_a_part_that_is_the_whole(rig: Rig, length: int) -> None:
    film = rig.put(length)
    for _ in ("cold", "hot"):
        exact_part(film.get(), film.body, 0, length)
    film.assert_sent_once()


def test_ranges_are_ranges(rig: Rig) -> None:
    film = rig.put(3 * MIB)
    film.get_part(5, 100)
    exact_part(film.get("100-"), film.body, 100, film.length)
    exact_part(film.get("-100"), film.body, film.length - 100, film.length)


def test_beyond_the_end(rig: Rig) -> None:
    film = rig.put(1000)
    answer = film.get("1000-")
    assert (answer.status, answer.field("Content-Range")) == (416, "bytes */1000"), told(answer)


def test_nothing_has_no_part(rig: Rig) -> None:
    film = rig.put(0)
    for _ in ("cold", "hot"):
        exact(film.get(), film.body)


def test_head_is_the_whole(rig: Rig) -> None:
    film = rig.put(300 * KIB)
    answer = film.get(method="HEAD")
    assert (answer.status, answer.field("Content-Length")) == (200, str(film.length)), told(answer)


def test_an_origin_without_ranges(rig: Rig) -> None:
    film = rig.put(3 * MIB, accept_ranges=False)
    for _ in ("cold", "hot"):
        exact_part(film.get(), film.body, 0, film.length)


def test_errors_are_errors(rig: Rig) -> None:
    film = rig.put(1000)
    film.fault(Fault(status=404, body=b"no\n"))
    answer = film.get()
    assert (answer.status, answer.body) == (404, b"no\n"), told(answer)


def test_preconditions_come_first(rig: Rig) -> None:
    film = rig.put(1000)
    film.get()
    assert film.get(None, ("If-None-Match", '"v1"')).status == 304


def test_an_unknown_length_cannot_be_told(rig: Rig) -> None:
    """A part needs its length: until it is known the whole is the whole."""
    film = rig.put(3 * MIB)
    film.fault(Fault(framing="chunked"))
    exact(film.get(), film.body)
    exact_part(film.get(), film.body, 0, film.length)
