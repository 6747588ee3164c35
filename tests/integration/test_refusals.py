"""An origin that wants to be left alone, or does not answer at all: who is told at once, who waits, and who asks again."""

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.integration.crowd import ask_while_one_is_under_way
from tests.integration.rig import KIB, MIB, Rig, Thing, at_once, exact, refused, told
from tests.servers.deadline import until
from tests.servers.fetch import Answer, same_stream
from tests.servers.origin import Fault, Origin
from tests.servers.proxycache import Config

ORIGINS = 30
AT_ONCE_SECONDS = 15.0
"""Less than what is asked for, and enough for a slow machine."""

FEW_SECONDS = 5.0
"""Between two requests that find out whether an origin is well again."""

numbers = itertools.count()


@pytest.fixture(scope="module")
def config(origin: Origin) -> Config:
    """Little patience, and an origin for each test: what one is told says something of the next request."""
    names = [f"o{number}" for number in range(ORIGINS)]
    return {
        "fetch": {"connect_timeout": 1, "first_byte_timeout": 1, "connections_per_origin": 64},
        "origin": [{"name": name, "prefix": f"/{name}/", "url": origin.url} for name in names],
    }


@pytest.fixture
def prefix() -> str:
    """An origin that nobody has asked anything yet."""
    return f"o{next(numbers)}/"


def later(seconds: int, status: int = 429) -> Fault:
    """What an origin says that wants to be asked later."""
    return Fault(status=status, body=b"later\n", headers=(("Retry-After", str(seconds)),))


def put(rig: Rig, prefix: str, count: int, *, size: int = 1000, stale: bool = False) -> list[Thing]:
    """New objects, or such as are stored and out of date."""
    control, age = ("max-age=60, stale-if-error=86400", (("Age", "3600"),)) if stale else ("public, max-age=3600", ())
    things = [rig.put(size, prefix=prefix, cache_control=control, headers=age) for _ in range(count)]
    if stale:
        at_once([thing.get_whole for thing in things])
        rig.origin.clear_log()
    return things


def refuse_two(rig: Rig, prefix: str, fault: Fault, *headers: tuple[str, str]) -> None:
    """The origin wants to be left alone, for two objects in a row: that is meant for all."""
    for thing in put(rig, prefix, 2):
        thing.fault(fault, None)
        assert thing.get(None, *headers).status == fault.status


@pytest.mark.parametrize("fault", [Fault(status=429, body=b"later\n"), later(20), later(20, 503), later(20, 502)])
class TestIsToldAtOnce:
    def check(self, answer: Answer, fault: Fault) -> None:
        assert (answer.status, answer.complete) == (fault.status, True), told(answer)
        assert [int(value) for name, value in answer.fields if name == "Retry-After"] == [20] * len(fault.headers)

    def test_who_has_nothing(self, rig: Rig, prefix: str, fault: Fault) -> None:
        (page,) = put(rig, prefix, 1)
        page.fault(fault, None)
        before = time.monotonic()
        answer = page.get()
        self.check(answer, fault)
        assert answer.body == b"later\n"
        assert time.monotonic() - before < AT_ONCE_SECONDS
        assert len(page.requests) == 1

    def test_who_seeks(self, rig: Rig, prefix: str, fault: Fault) -> None:
        (film,) = put(rig, prefix, 1, size=8 * MIB)
        film.get_part(0, 100)
        asked = len(film.requests)
        film.fault(fault, None)
        before = time.monotonic()
        self.check(film.get("5000000-5000099"), fault)
        assert time.monotonic() - before < AT_ONCE_SECONDS
        assert len(film.requests) == asked + 1

    def test_a_crowd(self, rig: Rig, prefix: str, fault: Fault) -> None:
        """And the origin is asked once."""
        (page,) = put(rig, prefix, 1)
        page.fault(fault, None)
        for answer in ask_while_one_is_under_way(rig, page, [()] * 8):
            self.check(answer, fault)
        assert len(page.requests) == 1


class TestOthers:
    def test_wait_as_long(self, rig: Rig, prefix: str) -> None:
        refuse_two(rig, prefix, later(2))
        films = put(rig, prefix, 6)
        at_once([film.get_whole for film in films])
        *_, refused_last = [served for served in rig.origin.log if served.status == 429]
        asked = sorted(film.requests[0].at for film in films)
        assert asked[0] - refused_last.at >= 2.0
        assert [len(film.requests) for film in films] == [1] * 6

    def test_are_served_where_it_was_for_one_object(self, rig: Rig, prefix: str) -> None:
        busy, *films = put(rig, prefix, 5)
        busy.fault(later(60), None)
        assert busy.get().status == 429
        before = time.monotonic()
        at_once([film.get_whole for film in films])
        assert time.monotonic() - before < AT_ONCE_SECONDS

    def test_are_served_who_have_another_credential(self, rig: Rig, prefix: str) -> None:
        refuse_two(rig, prefix, later(60), ("Authorization", "Bearer a"))
        (film,) = put(rig, prefix, 1)
        before = time.monotonic()
        film.get_whole()
        assert time.monotonic() - before < AT_ONCE_SECONDS

    def test_are_told_where_it_is_the_clients_to_wait(self, rig: Rig, prefix: str) -> None:
        refuse_two(rig, prefix, later(3600, 503))
        (film,) = put(rig, prefix, 1)
        before = time.monotonic()
        answer = film.get()
        refused(answer, 503)
        assert 60 < int(answer.field("Retry-After") or "0") <= 3600
        assert time.monotonic() - before < AT_ONCE_SECONDS
        assert film.requests == []

    def test_are_served_what_is_stale(self, rig: Rig, prefix: str) -> None:
        films = put(rig, prefix, 5, stale=True)
        refuse_two(rig, prefix, later(60))
        before = time.monotonic()
        at_once([film.get_whole for film in films])
        assert time.monotonic() - before < AT_ONCE_SECONDS
        assert [film.requests for film in films] == [[]] * 5

    def test_are_served_what_is_fresh(self, rig: Rig, prefix: str) -> None:
        (film,) = put(rig, prefix, 1)
        film.get_whole()
        refuse_two(rig, prefix, later(60))
        assert film.get_whole().cache_status == "proxycache; hit"


@pytest.mark.parametrize("status", [429, 503])
def test_a_body_that_was_begun_waits(rig: Rig, prefix: str, status: int) -> None:
    (film,) = put(rig, prefix, 1, size=2 * MIB)
    film.fault(Fault(cut_after=MIB))
    film.fault(later(1, status))
    film.get_whole()
    first, refusal, *more = film.requests
    assert (first.status, refusal.status) == (200, status)
    assert more[0].at - refusal.at >= 1.0


class TestHungOrigin:
    """It takes connections, and gives no answer."""

    def test_is_asked_by_all_who_have_nothing(self, rig: Rig, prefix: str) -> None:
        """It may be well again, or have been slow for those alone."""
        slow, films = put(rig, prefix, 4), put(rig, prefix, 10)
        gates = [rig.origin.gate(film.path) for film in slow]
        for answer in at_once([film.get for film in slow]):
            refused(answer, 504)
        at_once([film.get_whole for film in films])
        for gate in gates:
            gate.release()
        at_once([film.get_whole for film in slow])

    def test_is_asked_where_it_was_slow_for_one_object(self, rig: Rig, prefix: str) -> None:
        slow, *films = put(rig, prefix, 5)
        with rig.origin.gate(slow.path), ThreadPoolExecutor(4) as pool:
            for asking in [pool.submit(slow.get, f"{start}-{start + 9}") for start in range(4)]:
                refused(asking.result(), 504)
            at_once([film.get_whole for film in films])

    def test_a_body_that_was_begun_is_worth_every_request(self, rig: Rig, prefix: str) -> None:
        (film,) = put(rig, prefix, 1, size=2 * MIB)
        film.fault(Fault(stall_after=64 * KIB))
        with film.stream() as playing:
            same_stream(film.body, 0, 64 * KIB, playing)
            others = put(rig, prefix, 3)
            gates = [rig.origin.gate(other.path) for other in others]
            for answer in at_once([other.get for other in others]):
                refused(answer, 504)
            rig.origin.drop_connections()
            same_stream(film.body, 64 * KIB, film.length, playing)
            for gate in gates:
                gate.release()


@pytest.mark.parametrize("fault", [Fault(status=500), Fault(refuse=True)])
def test_after_several_failures_others_are_served_what_is_stale(rig: Rig, prefix: str, fault: Fault) -> None:
    films = put(rig, prefix, 10, stale=True)
    for film in films:
        film.fault(fault, None)
    began = time.monotonic()
    for film in films:
        film.get_whole()
    asked = sum(bool(film.requests) for film in films)
    assert asked <= 3 + (time.monotonic() - began) / FEW_SECONDS
    new, *_ = put(rig, prefix, 1)
    exact(new.get(), new.body)
    films[0].origin.clear_faults()
    until(partial(confirmed, films[-1]), "the last one to be confirmed")


def confirmed(film: Thing) -> bool:
    """Whether the origin said that it is still so."""
    return "fwd-status=304" in film.get_whole().cache_status
