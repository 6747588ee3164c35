"""The origin never fails a client the cache could serve."""

import time
from functools import partial

import pytest

from tests.integration.rig import MIB, Rig, Thing, aborted, at_once, exact, exact_part, refused, told
from tests.integration.side_by_side import Running, Scenarios
from tests.servers.deadline import until
from tests.servers.fetch import Answer, same_stream
from tests.servers.origin import Fault
from tests.servers.proxycache import Config

SLOW = Scenarios()
FORBIDDING = ["must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=60"]


@pytest.fixture(scope="module")
def config() -> Config:
    """Little patience."""
    deadlines = {"connect_timeout": 1, "first_byte_timeout": 2, "idle_timeout": 2}
    return {"fetch": {**deadlines, "retry_attempts": 0, "connections_per_origin": 64}}


def put_cached(rig: Rig, cache_control: str, *, age: int = 0) -> Thing:
    """An object in the cache."""
    film = rig.put(2 * MIB, cache_control=cache_control, headers=(("Age", str(age)),) if age else ())
    film.get_whole()
    return film


class Down:
    """Everything that is asked for while the origin does not listen, all at the same time."""

    def __init__(self, rig: Rig) -> None:
        self.fresh = put_cached(rig, "max-age=60")
        self.stale = put_cached(rig, "max-age=60, stale-if-error=86400", age=3600)
        self.plain = put_cached(rig, "max-age=60", age=3600)
        self.forbidden = [put_cached(rig, f"max-age=60, stale-if-error=86400, {each}", age=3600) for each in FORBIDDING]
        self.cold = rig.put(1000)
        self.part = rig.put(8 * MIB)
        self.part.get_part(0, MIB)
        asked = {
            "fresh": partial(self.fresh.get),
            "fresh part": partial(self.fresh.get, f"{MIB - 5}-{MIB + 4}"),
            "fresh head": partial(self.fresh.get, method="HEAD"),
            "stale": partial(self.stale.get),
            "stale part": partial(self.stale.get, f"{MIB - 5}-{MIB + 4}"),
            "if error": partial(self.plain.get, None, ("Cache-Control", "stale-if-error=86400")),
            "max-stale": partial(self.plain.get, None, ("Cache-Control", "max-stale")),
            "cold": partial(self.cold.get),
            "cold part": partial(self.cold.get, "0-99"),
            "cold head": partial(self.cold.get, method="HEAD"),
            "cached part": partial(self.part.get, "5-999"),
            "missing part": partial(self.part.get, "5000000-5000099"),
            "both parts": partial(self.part.get, f"0-{3 * MIB}"),
            **{directive: partial(film.get) for directive, film in zip(FORBIDDING, self.forbidden, strict=True)},
        }
        rig.origin.stop()
        try:
            timed = [partial(self.timed, call) for call in asked.values()]
            found = dict(zip(asked, at_once(timed), strict=True))
        finally:
            rig.origin.start()
        self.answers = {name: answer for name, (answer, _) in found.items()}
        self.seconds = {name: seconds for name, (_, seconds) in found.items()}

    @staticmethod
    def timed(call: "partial[Answer]") -> tuple[Answer, float]:
        """What it returns, and how long it took."""
        before = time.monotonic()
        return call(), time.monotonic() - before


@pytest.fixture(scope="module")
def down(numbered: Rig) -> Down:
    """All of it."""
    return Down(numbered)


class TestDown:
    def test_what_is_fresh_is_served(self, down: Down) -> None:
        exact(down.answers["fresh"], down.fresh.body)
        exact_part(down.answers["fresh part"], down.fresh.body, MIB - 5, MIB + 5)
        assert down.answers["fresh head"].status == 200
        assert max(down.seconds[name] for name in ("fresh", "fresh part", "fresh head")) < 1

    def test_what_is_stale_is_served_if_it_may_be(self, down: Down) -> None:
        exact(down.answers["stale"], down.stale.body)
        exact_part(down.answers["stale part"], down.stale.body, MIB - 5, MIB + 5)
        for name in ("stale", "stale part"):
            assert int(down.answers[name].field("Age") or "") >= 3600
            assert down.answers[name].cache_status == "proxycache; fwd=stale; detail=origin-failed"
            assert down.seconds[name] < 2

    @pytest.mark.parametrize("name", FORBIDDING)
    def test_but_not_where_it_must_not(self, down: Down, name: str) -> None:
        refused(down.answers[name], 502, 504)

    def test_the_request_may_allow_it(self, down: Down) -> None:
        exact(down.answers["if error"], down.plain.body)
        exact(down.answers["max-stale"], down.plain.body)

    def test_nothing_cached_is_told_in_one_line(self, down: Down) -> None:
        for name in ("cold", "cold part"):
            assert "origin" in refused(down.answers[name], 502)
        assert down.answers["cold head"].status == 502
        assert max(down.seconds[name] for name in ("cold", "cold part", "cold head")) < 5

    def test_a_cached_part_is_served_and_the_rest_is_not(self, down: Down) -> None:
        exact_part(down.answers["cached part"], down.part.body, 5, 1000)
        refused(down.answers["missing part"], 502)
        aborted(down.answers["both parts"], down.part.body)
        assert max(down.seconds.values()) < 10

    def test_it_recovers_by_itself(self, down: Down, rig: Rig) -> None:
        for film in (down.cold, down.part, *down.forbidden):
            film.get_whole()
        until(lambda: down.cold.get_whole().cache_status == "proxycache; hit", "a hit")


def test_a_fill_that_is_cut_off_is_gone_on_with_when_it_is_back(rig: Rig) -> None:
    film = rig.put(4 * MIB)
    rig.origin.throttle(film.path, 4 * MIB)
    with film.stream() as playing:
        same_stream(film.body, 0, MIB, playing)
        rig.origin.throttle(film.path, None)
        rig.origin.stop()
        rig.origin.start()
        same_stream(film.body, MIB, film.length, playing)
        assert playing.answer.complete


# The origin answers, but with an error, or not in time.


@SLOW
def what_is_stale_is_served_in_place_of_an_error(rig: Rig) -> None:
    statuses = [500, 502, 503, 504]
    films = [put_cached(rig, "max-age=60, stale-if-error=86400", age=3600) for _ in statuses]
    for film, status in zip(films, statuses, strict=True):
        film.fault(Fault(status=status), None)
    at_once([film.get_whole for film in films])


@SLOW
def but_not_beyond_its_time(rig: Rig) -> None:
    film = put_cached(rig, "max-age=60, stale-if-error=60", age=3600)
    film.fault(Fault(status=503, body=b"busy\n"), None)
    answer = film.get()
    assert (answer.status, answer.body) == (503, b"busy\n"), told(answer)


@SLOW
def slow_ones_are_told(rig: Rig) -> None:
    """No answer within the deadline: what is stale is served, what is not cached is 504."""
    stale, cold = put_cached(rig, "max-age=60, stale-if-error=86400", age=3600), rig.put(1000)
    for film in (stale, cold):
        film.fault(Fault(delay=30), None)
    before = time.monotonic()
    answers = at_once([partial(stale.get), partial(cold.get)])
    exact(answers[0], stale.body)
    refused(answers[1], 504)
    assert time.monotonic() - before < 15


@pytest.mark.parametrize("name", SLOW.names)
def test_slow(running: Running, name: str) -> None:
    running[name].result()
