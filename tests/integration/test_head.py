"""HEAD is HEAD: a GET in its place is counted as a download, starts transcoders, and is refused where ranges are.

Each test has an origin of its own, by the prefix: what it refuses is remembered for it.
"""

from functools import partial

import pytest

from tests.integration.rig import KIB, MIB, Rig, Thing, at_once_held, exact, told
from tests.servers.fetch import Answer
from tests.servers.origin import Fault, Origin, Served
from tests.servers.proxycache import Config

ORIGINS = 60
_names = iter(f"{number}/" for number in range(ORIGINS))


@pytest.fixture(scope="module")
def config(origin: Origin) -> Config:
    origins = [{"name": f"o{number}", "prefix": f"/{number}/", "url": origin.url} for number in range(ORIGINS)]
    return {"fetch": {"connect_timeout": 1, "first_byte_timeout": 5, "idle_timeout": 3}, "origin": origins}


@pytest.fixture
def prefix() -> str:
    """That of an origin of which nothing is known."""
    return next(_names)


def by_head(served: Served) -> bool:
    return served.method == "HEAD"


def by_range(served: Served) -> bool:
    return served.range is not None


def head(thing: Thing, *headers: tuple[str, str]) -> Answer:
    """A HEAD that must tell the object's length."""
    answer = thing.get(None, *headers, method="HEAD")
    assert (answer.status, answer.body, answer.complete) == (200, b"", True), told(answer)
    assert answer.field("Content-Length") == str(thing.length), told(answer)
    return answer


def methods(thing: Thing) -> list[str]:
    return [served.method for served in thing.requests]


class TestWhatItTells:
    def test_is_told_to_others(self, rig: Rig, prefix: str) -> None:
        film = rig.put(3 * MIB, prefix=prefix)
        head(film)
        assert head(film).cache_status == "proxycache; hit"
        assert methods(film) == ["HEAD"]

    def test_is_told_to_who_asked_at_once(self, rig: Rig, prefix: str) -> None:
        film = rig.put(3 * MIB, prefix=prefix)
        at_once_held(film, [partial(head, film)] * 4)
        assert methods(film) == ["HEAD"]

    def test_is_no_longer_told_once_it_is_stale(self, rig: Rig, prefix: str) -> None:
        film = rig.put(3 * MIB, prefix=prefix, cache_control="max-age=0")
        head(film)
        head(film)
        assert methods(film) == ["HEAD", "HEAD"]

    def test_that_there_is_nothing(self, rig: Rig, prefix: str) -> None:
        film = rig.put(3 * MIB, prefix=prefix)
        film.fault(Fault(status=404, headers=(("Cache-Control", "max-age=60"),)), when=by_head)
        for _ in range(2):
            assert film.get(method="HEAD").status == 404
        assert methods(film) == ["HEAD"]
        film.get_whole()

    def test_is_of_a_variant(self, rig: Rig, prefix: str) -> None:
        film = rig.put(3 * MIB, prefix=prefix, headers=(("Vary", "Accept"),))
        for kind in ("a", "b", "a", "b"):
            head(film, ("Accept", kind))
        assert methods(film) == ["HEAD", "HEAD"]

    @pytest.mark.parametrize("cache_control", ["no-store", "private"])
    def test_is_one_clients_where_it_says_so(self, rig: Rig, prefix: str, cache_control: str) -> None:
        film = rig.put(3 * MIB, prefix=prefix, cache_control=cache_control)
        head(film)
        head(film)
        assert methods(film) == ["HEAD", "HEAD"]

    def test_is_no_answer_to_a_get(self, rig: Rig, prefix: str) -> None:
        """Sanic tells a length of 0."""
        film = rig.put(300 * KIB, prefix=prefix)
        film.fault(Fault(body=b""), None, when=by_head)
        assert film.get(method="HEAD").field("Content-Length") == "0"
        film.get_whole()
        head(film)
        assert methods(film) == ["HEAD", "GET"]

    def test_preconditions_hold_for_it(self, rig: Rig, prefix: str) -> None:
        film = rig.put(300 * KIB, prefix=prefix)
        head(film)
        assert film.get(None, ("If-None-Match", '"v1"'), method="HEAD").status == 304
        assert methods(film) == ["HEAD"]
        assert film.get(None, ("If-Match", '"v0"'), method="HEAD").status == 412
        assert methods(film) == ["HEAD", "HEAD"]

    def test_renews_what_is_stored(self, rig: Rig, prefix: str) -> None:
        film = rig.put(300 * KIB, prefix=prefix, headers=(("X-Number", "1"),))
        film.get_whole()
        film.origin.put(film.path, film.body, headers=(("X-Number", "2"),))
        film.get(None, ("Cache-Control", "no-cache"), method="HEAD")
        answer = film.get_whole()
        assert (answer.field("X-Number"), methods(film)) == ("2", ["GET", "HEAD"])

    def test_of_another_version_drops_what_is_stored(self, rig: Rig, prefix: str) -> None:
        film = rig.put(300 * KIB, prefix=prefix)
        film.get_whole()
        film.origin.put(film.path, film.body, etag='"v2"')
        assert film.get(None, ("Cache-Control", "no-cache"), method="HEAD").field("ETag") == '"v2"'
        assert film.get_whole().field("ETag") == '"v2"'


class TestAGetFollows:
    @pytest.mark.parametrize("status", [400, 403, 405, 500, 501, 503])
    def test_where_it_fails(self, rig: Rig, prefix: str, status: int) -> None:
        film = rig.put(3 * MIB, prefix=prefix)
        film.fault(Fault(status=status), None, when=by_head)
        head(film)
        assert methods(film) == ["HEAD", "GET"]
        assert film.ranges[1] == "bytes=0-1", "some send all where one byte is asked for"

    def test_where_it_has_no_answer(self, rig: Rig, prefix: str) -> None:
        film = rig.put(3 * MIB, prefix=prefix)
        film.fault(Fault(refuse=True), None, when=by_head)
        head(film)
        assert methods(film)[-1] == "GET"

    def test_not_where_its_answer_is_malformed(self, rig: Rig, prefix: str) -> None:
        film = rig.put(3 * MIB, prefix=prefix)
        film.fault(Fault(raw=b"nonsense\r\n\r\n"), None, when=by_head)
        assert film.get(None, method="HEAD").status == 502
        assert methods(film) == ["HEAD"]

    def test_where_it_tells_no_length(self, rig: Rig, prefix: str) -> None:
        film = rig.put(3 * MIB, prefix=prefix)
        film.fault(Fault(framing="chunked"), None, when=by_head)
        head(film)
        assert methods(film) == ["HEAD", "GET"]

    def test_of_the_whole_where_ranges_are_refused(self, rig: Rig, prefix: str) -> None:
        film = rig.put(50 * MIB, prefix=prefix)
        film.fault(Fault(status=405), None, when=by_head)
        film.fault(Fault(status=400), None, when=by_range)
        head(film)
        assert [served.range for served in film.requests] == [None, "bytes=0-1", None]
        assert film.sent < 10 * MIB

    def test_what_it_brings_may_not_be_kept(self, rig: Rig, prefix: str) -> None:
        film = rig.put(3 * MIB, prefix=prefix, cache_control="no-store")
        film.fault(Fault(status=405), None, when=by_head)
        for count in (1, 2):
            head(film)
            assert methods(film).count("GET") == count

    def test_for_all_who_ask_at_once(self, rig: Rig, prefix: str) -> None:
        film = rig.put(3 * MIB, prefix=prefix)
        film.fault(Fault(status=403), None, when=by_head)
        at_once_held(film, [partial(head, film)] * 4)
        assert methods(film).count("GET") <= methods(film).count("HEAD")

    @pytest.mark.parametrize("status", [400, 405, 501])
    def test_and_is_asked_at_once_where_the_origin_knows_no_head(self, rig: Rig, prefix: str, status: int) -> None:
        films = [rig.put(3 * MIB, prefix=prefix) for _ in range(2)]
        for film in films:
            film.fault(Fault(status=status), None, when=by_head)
            head(film)
        assert methods(films[1]) == ["GET"]

    def test_but_not_for_one_that_is_forbidden(self, rig: Rig, prefix: str) -> None:
        films = [rig.put(3 * MIB, prefix=prefix) for _ in range(2)]
        films[0].fault(Fault(status=403), None, when=by_head)
        for film in films:
            head(film)
        assert methods(films[1]) == ["HEAD"]


class TestNoGetFollows:
    @pytest.mark.parametrize("status", [404, 410, 429])
    def test_where_it_says_that_there_is_nothing(self, rig: Rig, prefix: str, status: int) -> None:
        film = rig.put(3 * MIB, prefix=prefix)
        film.fault(Fault(status=status), None)
        assert film.get(method="HEAD").status == status
        assert methods(film) == ["HEAD"]

    def test_or_where_it_leads_elsewhere(self, rig: Rig, prefix: str) -> None:
        film = rig.put(3 * MIB, prefix=prefix)
        film.fault(Fault(redirect="/somewhere/else"), None)
        assert film.get(method="HEAD").status == 302
        assert methods(film) == ["HEAD"]


class TestWhatTheGetIsRefusedIsNotTheClients:
    def test_where_there_was_an_answer_without_length(self, rig: Rig, prefix: str) -> None:
        film = rig.put(3 * MIB, prefix=prefix)
        film.fault(Fault(framing="chunked"), None, when=by_head)
        film.fault(Fault(status=403), None)
        answer = film.get(method="HEAD")
        assert (answer.status, answer.field("Content-Length")) == (200, None), told(answer)
        assert answer.field("ETag") == '"v1"'

    def test_where_there_was_an_error(self, rig: Rig, prefix: str) -> None:
        film = rig.put(3 * MIB, prefix=prefix)
        film.fault(Fault(status=405), None, when=by_head)
        film.fault(Fault(status=403), None)
        assert film.get(method="HEAD").status == 405


def test_a_get_meanwhile_gets_its_own_answer(rig: Rig, prefix: str) -> None:
    film = rig.put(300 * KIB, prefix=prefix)
    asked = at_once_held(film, [partial(film.get, method=method) for method in ("HEAD", "GET")])
    exact(asked[1], film.body)
    assert sorted(methods(film)) == ["GET", "HEAD"] or methods(film) == ["GET"]


@pytest.mark.parametrize("status", [400, 412])
def test_validators_of_ours_are_not_what_it_is_refused_for(rig: Rig, prefix: str, status: int) -> None:
    film = rig.put(300 * KIB, prefix=prefix, cache_control="max-age=0")
    film.get_whole()
    film.fault(Fault(status=status), None, when=lambda served: served.field("If-None-Match") is not None)
    head(film)
    assert (film.requests[-1].method, film.requests[-1].field("If-None-Match")) == ("HEAD", None)
