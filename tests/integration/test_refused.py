"""What is stored refuses nobody whom the origin may serve: preconditions that fail, ranges at or beyond the end."""

from email.utils import formatdate

import pytest

from tests.integration.rig import KIB, MIB, Rig, Thing, exact, exact_part, told
from tests.servers.fetch import Answer
from tests.servers.origin import Fault, Literal, Origin
from tests.servers.proxycache import Config

LONG_AGO = formatdate(1_000_000_000, usegmt=True)
LONGER_AGO = formatdate(900_000_000, usegmt=True)
A_WEAK_ONE = 'W/"v1"'


@pytest.fixture(scope="module")
def config(origin: Origin) -> Config:
    """An origin as it comes, and one with weak tags in If-Range."""
    return {
        "fetch": {"connect_timeout": 1, "first_byte_timeout": 5, "idle_timeout": 3},
        "origin": [
            {"name": "films", "prefix": "/", "url": origin.url},
            {"name": "weak", "prefix": "/weak/", "url": origin.url, "weak_if_range": True},
        ],
    }


def changed(rig: Rig, film: Thing, length: int, etag: str) -> Literal:
    """The origin has another version of so many bytes."""
    body = Literal(b"n" * length)
    rig.origin.put(film.path, body, etag=etag)
    return body


def is_out_of_the_cache(film: Thing, answer: Answer) -> None:
    """Nothing was asked for it."""
    assert "hit" in answer.cache_status, told(answer)
    assert len(film.requests) == 1


class TestPreconditions:
    def test_the_tag_of_a_newer_version_gets_it(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        film.get_whole()
        body = changed(rig, film, 1000, '"v2"')
        exact_part(film.get("10-19", ("If-Match", '"v2"')), body, 10, 20)
        asked = film.requests[-1]
        assert (asked.range, asked.field("If-Match")) == ("bytes=10-19", '"v2"')
        exact(film.get(), body)

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize(
        ("name", "value"), [("If-Match", '"x"'), ("If-Match", A_WEAK_ONE), ("If-Unmodified-Since", LONGER_AGO)]
    )
    def test_one_that_fails_there_too(self, rig: Rig, name: str, value: str, method: str) -> None:
        film = rig.put(300 * KIB, last_modified=LONG_AGO)
        film.get_whole()
        assert film.get(None, (name, value), method=method).status == 412
        asked = film.requests[-1]
        assert (len(film.requests), asked.method, asked.field(name)) == (2, method, value)
        assert "hit" in film.get_whole().cache_status

    @pytest.mark.parametrize("cache_control", ["max-age=3600", "no-store"])
    def test_an_origin_that_reads_them_less_strictly(self, rig: Rig, cache_control: str) -> None:
        """As serve-static does with weak tags: playback would end."""
        film = rig.put(1000, etag=A_WEAK_ONE, cache_control=cache_control)
        lenient = Fault(status=206, body_range=(5, 10), content_range="bytes 5-9/1000")
        film.fault(lenient, None, when=lambda served: served.field("If-Match") is not None)
        for _ in ("cold", "hot"):
            exact_part(film.get("5-9", ("If-Match", '"v1"')), film.body, 5, 10)

    @pytest.mark.parametrize("broken", [Fault(refuse=True), Fault(status=503)])
    def test_with_the_origin_away(self, rig: Rig, broken: Fault) -> None:
        film = rig.put(300 * KIB)
        film.get_whole()
        film.fault(broken, None)
        assert film.get(None, ("If-Match", '"x"')).status == 412

    def test_only_if_cached(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        film.get_whole()
        answer = film.get(None, ("If-Match", '"x"'), ("Cache-Control", "only-if-cached"))
        assert answer.status == 412
        is_out_of_the_cache(film, answer)


class TestRangesBeyondTheEnd:
    def test_an_object_that_has_grown(self, rig: Rig) -> None:
        film = rig.put(1000)
        film.get_whole()
        body = changed(rig, film, 1200, '"v2"')
        exact_part(film.get("1000-"), body, 1000, 1200)
        exact(film.get(), body)

    def test_an_empty_one_that_has_grown(self, rig: Rig) -> None:
        film = rig.put(0)
        film.get_whole()
        body = changed(rig, film, 1000, '"v2"')
        exact_part(film.get("0-"), body, 0, 1000)

    def test_one_that_has_not_is_asked_about_once_in_a_while(self, rig: Rig) -> None:
        film = rig.put(1000)
        film.get_whole()
        for range in ("1000-", "5000-6000"):
            answer = film.get(range)
            assert (answer.status, answer.field("Content-Range")) == (416, "bytes */1000"), told(answer)
        assert film.ranges == [None, "bytes=1000-"]
        is_hit = film.get_whole().cache_status
        assert "hit" in is_hit

    def test_one_that_has_shrunk(self, rig: Rig) -> None:
        film = rig.put(1000)
        film.get_whole()
        body = changed(rig, film, 900, '"v2"')
        answer = film.get("1000-")
        assert (answer.status, answer.field("Content-Range")) == (416, "bytes */900"), told(answer)
        exact(film.get(), body)

    def test_an_origin_without_ranges_has_no_more(self, rig: Rig) -> None:
        film = rig.put(1000, accept_ranges=False)
        film.get_whole()
        answer = film.get("1000-")
        assert (answer.status, answer.field("Content-Range")) == (416, "bytes */1000"), told(answer)

    def test_one_without_ranges_that_has(self, rig: Rig) -> None:
        film = rig.put(1000, accept_ranges=False)
        film.get_whole()
        body = Literal(b"n" * 1200)
        rig.origin.put(film.path, body, etag='"v2"', accept_ranges=False)
        exact(film.get("1000-"), body)

    def test_one_that_does_not_change(self, rig: Rig) -> None:
        film = rig.put(1000, cache_control="max-age=3600, immutable")
        film.get_whole()
        answer = film.get("1000-")
        assert (answer.status, answer.field("Content-Range")) == (416, "bytes */1000"), told(answer)
        is_out_of_the_cache(film, answer)

    @pytest.mark.parametrize("broken", [Fault(refuse=True), Fault(status=503)])
    def test_with_the_origin_away(self, rig: Rig, broken: Fault) -> None:
        film = rig.put(1000)
        film.get_whole()
        film.fault(broken, None)
        answer = film.get("1000-")
        assert (answer.status, answer.field("Content-Range")) == (416, "bytes */1000"), told(answer)


class TestWeakTags:
    @pytest.mark.parametrize("asked", [A_WEAK_ONE, '"v1"'])
    def test_one_beside_a_date_counts_in_if_match(self, rig: Rig, asked: str) -> None:
        """VLC cuts off the W/."""
        film = rig.put(300 * KIB, etag=A_WEAK_ONE, last_modified=LONG_AGO)
        film.get_whole()
        answer = film.get_part(1000, 2000, ("If-Match", asked))
        is_out_of_the_cache(film, answer)

    def test_a_seek_to_what_is_not_there_yet(self, rig: Rig) -> None:
        """An origin that compares strongly would end the playback."""
        film = rig.put(8 * MIB, etag=A_WEAK_ONE, last_modified=LONG_AGO)
        film.get_part(0, 100)
        film.get_part(6 * MIB, 7 * MIB, ("If-Match", '"v1"'))
        assert all(served.status == 206 for served in film.requests)

    def test_it_does_not_in_if_range(self, rig: Rig) -> None:
        film = rig.put(300 * KIB, etag=A_WEAK_ONE, last_modified=LONG_AGO)
        film.get_whole()
        exact(film.get("1000-1999", ("If-Range", A_WEAK_ONE)), film.body)

    def test_unless_the_origin_is_configured_so(self, rig: Rig) -> None:
        film = rig.put(300 * KIB, etag=A_WEAK_ONE, last_modified=LONG_AGO, prefix="weak/")
        film.get_whole()
        is_out_of_the_cache(film, film.get_part(1000, 2000, ("If-Range", A_WEAK_ONE)))
        exact(film.get("1000-1999", ("If-Range", 'W/"v2"')), film.body)
