"""Types: what is stored of one that the client's Accept excludes is no hit, also where Vary does not say so."""

import pytest

from tests.integration.rig import MIB, Rig, Thing, at_once, at_once_held, exact, told
from tests.servers.fetch import Answer
from tests.servers.origin import Fault, Origin, Served
from tests.servers.proxycache import Config

LIST, MANIFEST = "application/vnd.list+json", "application/vnd.manifest+json"
A_MANIFEST = b'{"a": "manifest"}'


@pytest.fixture(scope="module")
def config(origin: Origin) -> Config:
    """An outage is seen soon."""
    return {"fetch": {"connect_timeout": 1, "first_byte_timeout": 5, "idle_timeout": 3}}


def reads_manifests(served: Served) -> bool:
    """Whether a request is for a manifest."""
    return served.field("Accept") == MANIFEST


def registry(rig: Rig) -> Thing:
    """As docker-registry has one name for two things: it tells them apart by Accept, without Vary."""
    thing = rig.put(b'{"a": "list"}', content_type=LIST)
    kind = (("Content-Type", MANIFEST), ("ETag", '"m1"'))
    thing.fault(Fault(body=A_MANIFEST, headers=kind), None, when=reads_manifests)
    return thing


def manifest(thing: Thing, *headers: tuple[str, str]) -> Answer:
    """What a client gets that reads manifests alone."""
    answer = thing.get(None, ("Accept", MANIFEST), *headers)
    assert (answer.status, answer.field("Content-Type"), answer.body) == (200, MANIFEST, A_MANIFEST), told(answer)
    return answer


def a_list(thing: Thing, *accept: tuple[str, str]) -> Answer:
    """What all others get."""
    answer = thing.get_whole(*accept)
    assert answer.field("Content-Type") == LIST
    return answer


class TestTwoTypes:
    def test_are_two_variants(self, rig: Rig) -> None:
        thing = registry(rig)
        a_list(thing, ("Accept", f"{MANIFEST}, {LIST}"))
        assert "vary-miss" in manifest(thing).cache_status
        asked = thing.requests[-1]
        assert asked.field("If-None-Match") is None, "the list's tag is confirmed to who reads no lists"
        for _ in range(2):
            assert "hit" in manifest(thing).cache_status
            assert "hit" in a_list(thing).cache_status
            assert "hit" in a_list(thing, ("Accept", f"{LIST};q=0.5")).cache_status
        assert len(thing.requests) == 2

    def test_the_other_way_round(self, rig: Rig) -> None:
        thing = registry(rig)
        manifest(thing)
        a_list(thing, ("Accept", LIST))
        assert "hit" in manifest(thing).cache_status
        assert "hit" in a_list(thing, ("Accept", LIST)).cache_status
        assert len(thing.requests) == 2

    def test_each_is_renewed_by_itself(self, rig: Rig) -> None:
        thing = registry(rig)
        a_list(thing)
        manifest(thing)
        manifest(thing, ("Cache-Control", "max-age=0"))
        assert thing.requests[-1].field("If-None-Match") == '"m1"'
        for _ in range(2):
            assert "hit" in manifest(thing).cache_status
            assert "hit" in a_list(thing).cache_status
        assert len(thing.requests) == 3

    def test_that_are_asked_for_at_once(self, rig: Rig) -> None:
        thing = registry(rig)
        calls = [lambda: a_list(thing, ("Accept", LIST)), lambda: manifest(thing)] * 5
        at_once_held(thing, calls)
        at_once(calls)
        assert len(thing.requests) <= 3

    def test_outlive_a_restart(self, rig: Rig) -> None:
        thing = registry(rig)
        a_list(thing)
        manifest(thing)
        rig.proxy.restart()
        assert "hit" in manifest(thing).cache_status
        assert "hit" in a_list(thing).cache_status

    def test_only_if_cached(self, rig: Rig) -> None:
        thing = registry(rig)
        a_list(thing)
        assert thing.get(None, ("Accept", MANIFEST), ("Cache-Control", "only-if-cached")).status == 504


class TestAnOriginThatSendsWhatItHas:
    """As apt asks for `text/*`, and gets what the server takes its indexes for."""

    def test_is_asked_once(self, rig: Rig) -> None:
        film = rig.put(3 * MIB)
        film.get_whole()
        for _ in range(3):
            film.get_whole(("Accept", "text/*"))
            film.get_part(MIB, 2 * MIB, ("Accept", "text/*"))
            film.get_whole()
        assert len(film.requests) == 2

    def test_is_asked_for_nothing_twice_where_it_was_stored_so(self, rig: Rig) -> None:
        film = rig.put(1000)
        for _ in range(2):
            film.get_whole(("Accept", "text/*"))
            film.get_whole()
        film.assert_sent_once()

    def test_that_is_away(self, rig: Rig) -> None:
        film = rig.put(1000)
        film.get_whole()
        film.fault(Fault(refuse=True), None)
        answer = film.get(None, ("Accept", "text/*"))
        exact(answer, film.body)
        assert "detail=origin-failed" in answer.cache_status

    def test_that_falls_back_to_a_third(self, rig: Rig) -> None:
        """What it sends to one who reads neither is not for those who read the first."""
        thing = registry(rig)
        a_list(thing)
        thing.fault(
            Fault(body=b"old", headers=(("Content-Type", "application/vnd.old"), ("ETag", '"o"'))),
            None,
            when=lambda served: served.field("Accept") == "text/*",
        )
        for _ in range(2):
            assert thing.get(None, ("Accept", "text/*")).body == b"old"
            a_list(thing)
        assert len(thing.requests) == 2
