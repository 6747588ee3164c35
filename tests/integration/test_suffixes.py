"""Ranges that are told from the end (`bytes=-N`) are served also where the origin refuses or misreads them."""

from collections.abc import Iterator
from itertools import count

import pytest

from tests.integration.rig import MIB, Rig, Thing, exact_part
from tests.servers.deadline import until
from tests.servers.origin import Fault, Origin, Served
from tests.servers.proxycache import Config

ORIGINS = 20


@pytest.fixture(scope="module")
def config(origin: Origin) -> Config:
    """The same origin under many names: what one refuses is remembered."""
    origins = [{"name": f"o{number}", "prefix": f"/o{number}/", "url": origin.url} for number in range(ORIGINS)]
    return {"origin": origins}


@pytest.fixture(scope="module")
def prefixes() -> Iterator[str]:
    """Those that were not used yet."""
    return (f"o{number}/" for number in count())


def from_the_end(served: Served) -> bool:
    """Whether a request asks for the last bytes."""
    return (served.range or "").startswith("bytes=-")


def the_last_100(film: Thing) -> None:
    """They come, and little more is fetched."""
    exact_part(film.get("-100"), film.body, film.length - 100, film.length)
    until(lambda: all(served.done for served in film.requests), "the origin to have counted")
    assert film.sent <= 3 * MIB, film.ranges


@pytest.mark.parametrize("status", [400, 416, 501])
def test_refused(rig: Rig, prefixes: Iterator[str], status: int) -> None:
    prefix = next(prefixes)
    for number in range(3):
        film = rig.put(30 * MIB, prefix=prefix)
        film.fault(Fault(status=status, body=b"no\n"), None, when=from_the_end)
        the_last_100(film)
        assert any(map(from_the_end, film.requests)) is (number == 0), "it is remembered"


def test_misread(rig: Rig, prefixes: Iterator[str]) -> None:
    """As the first bytes."""
    film = rig.put(30 * MIB, prefix=next(prefixes))
    film.fault(Fault(body_range=(0, 101), content_range=f"bytes 0-100/{film.length}"), None, when=from_the_end)
    the_last_100(film)


@pytest.mark.parametrize("asked", [301, 10**9])
def test_longer_than_the_object(rig: Rig, prefixes: Iterator[str], asked: int) -> None:
    """It is all of it (RFC 9110, section 14.1.2)."""
    prefix = next(prefixes)
    film = rig.put(300, prefix=prefix)
    film.fault(Fault(status=416, headers=(("Content-Range", "bytes */300"),)), None, when=from_the_end)
    exact_part(film.get(f"-{asked}"), film.body, 0, 300)
    other = rig.put(300, prefix=prefix)
    exact_part(other.get("-10"), other.body, 290, 300)
    assert from_the_end(other.requests[0]), "others may be asked for so"


def test_of_nothing(rig: Rig, prefixes: Iterator[str]) -> None:
    film = rig.put(300, prefix=next(prefixes))
    assert film.get("-0").status == 416
    assert len(film.requests) == 1


@pytest.mark.parametrize("status", [400, 404])
def test_where_there_is_nothing(rig: Rig, prefixes: Iterator[str], status: int) -> None:
    """The refusal is the client's; a piece that is not there, as of an array that has gaps, costs one request."""
    film = rig.put(300, prefix=next(prefixes))
    film.fault(Fault(status=status, body=b"no\n"), None)
    answer = film.get("-100")
    assert (answer.status, answer.body) == (status, b"no\n")
    assert len(film.requests) == 1 or status != 404


def test_of_what_may_not_be_stored(rig: Rig, prefixes: Iterator[str]) -> None:
    """It is asked for as the client did, and the answer is his."""
    film = rig.put(300, prefix=next(prefixes), cache_control="no-store")
    film.fault(Fault(status=501), None, when=from_the_end)
    assert film.get("-100").status == 501
