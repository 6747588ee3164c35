"""What Cache-Status says of time and of reasons (RFC 9211), and how many variants are kept."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conformance.conversations.conversation import restart
from tests.integration.rig import KIB, Rig, Thing, at_once_held, told
from tests.servers.fetch import Answer, fetch
from tests.servers.origin import Fault

HIT = "proxycache; hit"
MAX_VARIANTS = 16


def parameters(answer: Answer) -> list[str]:
    """Those of the one member there is."""
    (value,) = [value for name, value in answer.fields if name.lower() == "cache-status"]
    name, *found = value.split("; ")
    assert name == "proxycache", told(answer)
    return found


def ttl(answer: Answer) -> int | None:
    """The seconds left, if it tells them."""
    found = [each.removeprefix("ttl=") for each in parameters(answer) if each.startswith("ttl=")]
    assert len(found) <= 1, told(answer)
    assert all(re.fullmatch(r"-?\d+", each) for each in found), told(answer)
    return int(found[0]) if found else None


def age(answer: Answer) -> int:
    """What Age says."""
    return int(answer.field("Age") or "0")


def stale(rig: Rig, cache_control: str = "max-age=100", length: int = 1000) -> Thing:
    """An object that came with an age of 130 seconds."""
    film = rig.put(length, cache_control=cache_control, headers=(("Age", "130"),))
    film.get_whole()
    return film


class TestTimeLeft:
    @pytest.mark.parametrize("came_with", [0, 40])
    @pytest.mark.parametrize("cache_control", ["max-age=100", "s-maxage=100, max-age=5"])
    def test_of_a_stored_miss_and_of_hits(self, rig: Rig, came_with: int, cache_control: str) -> None:
        film = rig.put(1000, cache_control=cache_control, headers=(("Age", str(came_with)),))
        answers = [film.get_whole(), film.get_whole(), film.get_part(1, 5), film.get(method="HEAD")]
        answers.append(film.get(None, ("If-None-Match", '"v1"')))
        for answer in answers:
            # The age is cut to whole seconds at another place than the rest.
            assert (ttl(answer) or 0) + age(answer) in (99, 100), told(answer)
            assert 100 - came_with - 5 <= (ttl(answer) or 0) <= 100 - came_with, told(answer)
        assert len(film.requests) == 1

    def test_of_what_was_fetched_in_part(self, rig: Rig) -> None:
        film = rig.put(8 << 20, cache_control="max-age=100")
        film.get_part(0, 10)
        answer = film.get_part(5 << 20, (5 << 20) + 10)
        assert parameters(answer)[:2] == ["fwd=partial", "stored"]
        assert (ttl(answer) or 0) in range(95, 101)

    def test_of_what_was_revalidated(self, rig: Rig) -> None:
        film = stale(rig)
        rig.origin.put(film.path, film.body, cache_control="max-age=77")
        assert (ttl(film.get_whole()) or 0) in range(72, 78)

    def test_is_negative_where_a_stale_one_is_wanted(self, rig: Rig) -> None:
        answer = stale(rig).get_whole(("Cache-Control", "max-stale"))
        assert answer.cache_status == HIT
        assert -35 <= (ttl(answer) or 0) <= -30, told(answer)

    def test_is_negative_where_a_stale_one_stands_in(self, rig: Rig) -> None:
        film = stale(rig)
        film.fault(Fault(refuse=True), None)
        answer = film.get_whole()
        assert parameters(answer)[0] == "fwd=stale"
        assert -35 <= (ttl(answer) or 0) <= -30, told(answer)

    def test_is_negative_while_it_is_revalidated(self, rig: Rig) -> None:
        film = stale(rig, "max-age=100, stale-while-revalidate=3600")
        answer = film.get_whole()
        assert -35 <= (ttl(answer) or 0) <= -30, told(answer)

    @pytest.mark.parametrize("cache_control", ["no-store", "private, max-age=60"])
    def test_there_is_none_of_what_is_not_stored(self, rig: Rig, cache_control: str) -> None:
        assert ttl(rig.put(1000, cache_control=cache_control).get_whole()) is None

    def test_nor_of_what_is_not_for_the_cache(self, rig: Rig) -> None:
        film = rig.put(1000)
        assert ttl(film.get(method="POST")) is None
        assert ttl(fetch(rig.proxy.url + "nothing")) is None
        assert ttl(fetch(rig.proxy.url + "a/../b")) is None


class TestReasons:
    @pytest.mark.parametrize("directive", ["no-cache", "max-age=0", "min-fresh=9999"])
    def test_the_request_wants_it(self, rig: Rig, directive: str) -> None:
        film = rig.put(1000)
        film.get_whole()
        answer = film.get_whole(("Cache-Control", directive))
        assert parameters(answer)[:2] == ["fwd=request", "fwd-status=304"], told(answer)
        assert [served.status for served in film.requests] == [200, 304]

    def test_the_request_wants_it_and_it_changed(self, rig: Rig) -> None:
        film = rig.put(1000)
        film.get_whole()
        rig.origin.put(film.path, b"new", etag='"v2"')
        answer = film.get(None, ("Cache-Control", "no-cache"))
        assert answer.cache_status == "proxycache; fwd=request; stored", told(answer)

    def test_it_is_stale_whatever_the_request_wants(self, rig: Rig) -> None:
        answer = stale(rig).get_whole(("Cache-Control", "no-cache"))
        assert parameters(answer)[:2] == ["fwd=stale", "fwd-status=304"], told(answer)

    def test_another_variant(self, rig: Rig) -> None:
        film = rig.put(1000, headers=(("Vary", "X-Device"),))
        assert film.get_whole(("X-Device", "1")).cache_status == "proxycache; fwd=uri-miss; stored"
        assert film.get_whole(("X-Device", "2")).cache_status == "proxycache; fwd=vary-miss; stored"
        assert film.get_whole().cache_status == "proxycache; fwd=vary-miss; stored"
        for headers in ((("X-Device", "1"),), (("X-Device", "2"),), ()):
            assert film.get_whole(*headers).cache_status == HIT

    def test_it_was_stale_and_is_not(self, rig: Rig) -> None:
        answer = stale(rig).get_whole()
        assert parameters(answer)[:3] == ["fwd=stale", "fwd-status=304", "stored"], told(answer)

    def test_one_of_many_that_revalidate(self, rig: Rig) -> None:
        film = stale(rig, length=300 * KIB)
        rig.origin.put(film.path, film.body)  # fresh for those who come late
        answers = at_once_held(film, [film.get_whole] * 5)
        reasons = sorted(tuple(parameters(answer)[:-1]) for answer in answers if answer.cache_status != HIT)
        first, *others = reasons
        assert first == ("fwd=stale", "fwd-status=304", "stored")
        assert set(others) <= {("fwd=stale", "fwd-status=304", "stored", "collapsed")}

    def test_one_that_joined(self, rig: Rig) -> None:
        """It came for certain while the first was under way."""
        film = rig.put(300 * KIB)
        film.fault(Fault(stall_after=1000))
        with film.stream() as first, ThreadPoolExecutor(1) as pool:
            first.recv_exactly(1000)
            second = film.stream()
            with second:
                joined = second.answer
                rest = pool.submit(second.rest)
                rig.origin.release.set()
                assert len(rest.result()) == film.length
            assert len(first.rest()) == film.length - 1000
        assert "collapsed" in parameters(joined), told(joined)
        assert len(film.requests) == 1

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "M-SEARCH", "OPTIONS"])
    def test_the_method(self, rig: Rig, method: str) -> None:
        assert parameters(rig.put(1).get(method=method)) == ["fwd=method"]

    def test_the_method_also_where_the_origin_fails(self, rig: Rig) -> None:
        form = rig.put(1)
        form.fault(Fault(status=500), None)
        assert parameters(form.get(method="POST")) == ["fwd=method"]

    def test_the_method_also_where_the_origin_does_not_answer(self, rig: Rig) -> None:
        # product bug: fwd=miss, though no cache was asked
        form = rig.put(1)
        form.fault(Fault(refuse=True), None)
        answer = form.get(method="POST")
        assert (answer.status, parameters(answer)[0]) == (502, "fwd=method"), told(answer)


def many(rig: Rig, count: int) -> Thing:
    """An object with so many variants stored, number 0 first."""
    film = rig.put(1000, headers=(("Vary", "X-Device"),))
    for number in range(count):
        film.get_whole(("X-Device", str(number)))
    assert len(film.requests) == count
    return film


def kept(film: Thing, *numbers: int) -> list[bool]:
    """Which of these variants are there; none is fetched by being asked about."""
    asked = [film.get(None, ("X-Device", str(number)), ("Cache-Control", "only-if-cached")) for number in numbers]
    assert {answer.status for answer in asked} <= {200, 504}
    return [answer.status == 200 for answer in asked]


class TestVariants:
    def test_sixteen_are_kept(self, rig: Rig) -> None:
        film = many(rig, MAX_VARIANTS)
        assert kept(film, *range(MAX_VARIANTS)) == [True] * MAX_VARIANTS

    def test_the_seventeenth_takes_the_place_of_one(self, rig: Rig) -> None:
        film = many(rig, MAX_VARIANTS + 1)
        assert kept(film, *range(MAX_VARIANTS + 1)) == [False] + [True] * MAX_VARIANTS

    def test_of_the_least_recently_used(self, rig: Rig) -> None:
        film = many(rig, MAX_VARIANTS)
        film.get_whole(("X-Device", "0"))
        film.get_whole(("X-Device", "new"))
        assert kept(film, 0, 1) == [True, False]

    def test_the_bound_holds_over_a_restart(self, rig: Rig) -> None:
        film = many(rig, MAX_VARIANTS + 4)
        restart(rig.proxy, rig.origin.url + film.path, variants=MAX_VARIANTS)
        assert sum(kept(film, *range(MAX_VARIANTS + 4))) == MAX_VARIANTS

    def test_what_goes_disturbs_no_reader(self, rig: Rig) -> None:
        film = rig.put(8 << 20, headers=(("Vary", "X-Device"),))
        film.get_whole(("X-Device", "0"))
        with film.stream(None, ("X-Device", "0"), buffer=64 * KIB) as slow:
            first = slow.recv_exactly(1000)
            for number in range(1, MAX_VARIANTS + 1):
                film.get(None, ("X-Device", str(number)), method="HEAD")
                film.get_part(0, 10, ("X-Device", str(number)))
            assert first + slow.rest() == b"".join(film.body.pieces(0, film.length))
            assert slow.answer.complete
