"""An origin that gives no answer at all: that is found out once, and not by each request with all its attempts."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest

from tests.integration.rig import MIB, Rig, Thing, at_once, exact, refused, told
from tests.servers.deadline import until
from tests.servers.fetch import Answer, fetch
from tests.servers.origin import Fault, Origin
from tests.servers.ports import HOST, bound
from tests.servers.proxycache import Config

CONNECT_SECONDS = 1


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Origin]:
    """Where the origin may redirect to."""
    with Origin() as elsewhere:
        yield elsewhere


@pytest.fixture(scope="module")
def config(origin: Origin, other: Origin, elsewhere: Origin) -> Config:
    """Two origins, of which one is away while the other is there."""
    return {
        "fetch": {"connect_timeout": CONNECT_SECONDS, "first_byte_timeout": 30, "connections_per_origin": 64},
        "origin": [
            {"name": "films", "prefix": "/", "url": origin.url, "redirect_hosts": [f"{HOST}:{elsewhere.port}"]},
            {"name": "other", "prefix": "/other/", "url": other.url},
        ],
    }


def count(rig: Rig, name: str) -> float:
    """A counter of the product."""
    return rig.proxy.metrics()[f"proxycache_{name}_total"]


@contextmanager
def away(origin: Origin) -> Iterator[None]:
    """It does not listen."""
    origin.stop()
    try:
        yield
    finally:
        origin.start()


@contextmanager
def black_hole(origin: Origin) -> Iterator[None]:
    """What is sent to it is lost: its queue is full, and nobody takes anything from it."""
    with away(origin), bound(origin.port) as listener:
        listener.listen(0)
        with socket.create_connection((HOST, origin.port)):
            yield


def told_later(answer: Answer, status: int) -> None:
    """An error that says when to come again."""
    assert "origin" in refused(answer, status)
    assert int(answer.field("Retry-After") or "0") > 0, told(answer)


def until_back(rig: Rig) -> None:
    """Wait until the product has found out that the origin is there."""
    film = rig.put(1000)
    until(lambda: film.get().status == 200, "an answer")


def put_stale(rig: Rig, count: int) -> list[Thing]:
    """Objects in the cache that are out of date, and may be served where the origin gives no answer."""
    films = [rig.put(1000, headers=(("Age", "7200"),)) for _ in range(count)]
    at_once([film.get_whole for film in films])
    return films


class TestRefused:
    def test_is_found_out_once(self, rig: Rig) -> None:
        films = [rig.put(1000) for _ in range(10)]
        with away(rig.origin):
            told_later(films[0].get(), 502)
            retries, requests = count(rig, "retries"), count(rig, "origin_requests")
            for film in films:
                told_later(film.get(), 502)
            for answer in at_once([partial(film.get, "5-9") for film in films] + [films[0].get]):
                told_later(answer, 502)
            assert films[0].get(method="HEAD").status == 502
            assert (count(rig, "retries"), count(rig, "origin_requests")) == (retries, requests)
            assert json.loads(fetch(rig.proxy.admin_url + "readyz").body)["origins"].keys() == {"films"}

    def test_nobody_fails_once_it_is_back(self, rig: Rig) -> None:
        films = [rig.put(MIB) for _ in range(20)]
        with away(rig.origin):
            told_later(films[0].get(), 502)
        at_once([film.get_whole for film in films])
        assert fetch(rig.proxy.admin_url + "readyz").body.endswith(b'"origins": "ok"}\n')

    def test_what_others_found_out_ends_nobodys_attempts(self, rig: Rig) -> None:
        first, second = rig.put(1000), rig.put(1000)
        rig.origin.stop()
        try:
            with ThreadPoolExecutor(2) as pool:
                before = count(rig, "retries")
                waiting = pool.submit(first.get)
                until(lambda: count(rig, "retries") >= before + 2, "the last attempt")
                late = pool.submit(second.get)
                refused(waiting.result(), 502)
                rig.origin.start()
                exact(late.result(), second.body)
        finally:
            rig.origin.stop()
            rig.origin.start()

    def test_other_origins_are_asked_as_ever(self, rig: Rig, other: Origin) -> None:
        film = rig.put(1000)
        other.put("film", b"text")
        with away(rig.origin):
            told_later(film.get(), 502)
            assert fetch(rig.proxy.url + "other/film").body == b"text"

    def test_where_a_redirect_leads_says_nothing_of_the_origin(self, rig: Rig, elsewhere: Origin) -> None:
        moved, again, film = rig.put(1), rig.put(1), rig.put(1000)
        for each in (moved, again):
            each.fault(Fault(redirect=elsewhere.url + "film"), None)
        with away(elsewhere):
            told_later(moved.get(), 502)
            film.get_whole()
            told_later(again.get(), 502)
        assert (len(moved.requests), len(again.requests)) == (3, 1)
        elsewhere.put("film", film.body)
        exact(again.get(), film.body)

    def test_what_is_stale_is_served_without_another_attempt(self, rig: Rig) -> None:
        films = put_stale(rig, 10)
        with away(rig.origin):
            retries = count(rig, "retries")
            for how in ("fwd=stale", "hit"):
                for film in films:
                    assert film.get_whole().cache_status == f"proxycache; {how}; detail=origin-failed"
            assert count(rig, "retries") == retries
        film = rig.put(1000)
        film.get_whole()


class TestBlackHole:
    def test_is_found_out_once(self, rig: Rig) -> None:
        films = [rig.put(1000) for _ in range(10)]
        with black_hole(rig.origin):
            told_later(films[0].get(), 504)
            requests = count(rig, "origin_requests")
            for film in films:
                told_later(film.get(), 504)
            for answer in at_once([film.get for film in films]):
                told_later(answer, 504)
            assert count(rig, "origin_requests") == requests
        until_back(rig)

    def test_nobody_fails_once_that_it_is_back_was_found_out(self, rig: Rig) -> None:
        """Within a second or so: what was sent before is lost, and a connection takes its time to find out."""
        films = [rig.put(MIB) for _ in range(20)]
        with black_hole(rig.origin):
            told_later(films[0].get(), 504)
        until_back(rig)
        at_once([film.get_whole for film in films])

    def test_what_is_stale_is_served(self, rig: Rig) -> None:
        until_back(rig)
        films = put_stale(rig, 10)
        with black_hole(rig.origin):
            films[0].get_whole()
            requests = count(rig, "origin_requests")
            for film in films:
                film.get_whole()
            assert count(rig, "origin_requests") == requests
        until_back(rig)


class TestClosedWithoutAnAnswer:
    def test_all_attempts_are_made_once(self, rig: Rig) -> None:
        """As by a balancer that has nobody behind it. It is asked all the same: it may be for one of its objects only."""
        until_back(rig)
        first, *films = [rig.put(1000) for _ in range(5)]
        for film in (first, *films):
            film.fault(Fault(refuse=True), None)
        told_later(first.get(), 502)
        assert len(first.requests) in (3, 4), "and one for a kept connection"
        for answer in at_once([film.get for film in films]):
            told_later(answer, 502)
        assert [len(film.requests) for film in films] == [1] * 4

    def test_others_are_served(self, rig: Rig) -> None:
        until_back(rig)
        broken, films = rig.put(1000), [rig.put(1000) for _ in range(10)]
        broken.fault(Fault(refuse=True), None)
        told_later(broken.get(), 502)
        at_once([film.get_whole for film in films])
        assert [len(film.requests) for film in films] == [1] * 10

    def test_an_answer_ends_it(self, rig: Rig) -> None:
        until_back(rig)
        broken, film, flaky = rig.put(1000), rig.put(1000), rig.put(1000)
        broken.fault(Fault(refuse=True), None)
        told_later(broken.get(), 502)
        film.get_whole()
        flaky.fault(Fault(refuse=True), 2)
        flaky.get_whole()
