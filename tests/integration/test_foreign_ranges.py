"""Parts that were not asked for by Range: a 206 to a plain GET, Azure's field, and those of others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.rig import KIB, MIB, Rig, Thing, aborted, at_once, exact, exact_part, told
from tests.servers.fetch import Answer
from tests.servers.origin import Fault, Origin, Served
from tests.servers.proxycache import Config, Proxycache

AZURE = (("x-ms-version", "2026-02-06"),)


@pytest.fixture(scope="module")
def config(origin: Origin) -> Config:
    """An origin of which nothing is said, and one of Azure's."""
    return {
        "fetch": {"connect_timeout": 1, "first_byte_timeout": 5, "idle_timeout": 3},
        "origin": [
            {"name": "films", "prefix": "/", "url": origin.url},
            {"name": "learned", "prefix": "/learned/", "url": origin.url},
            {"name": "stored", "prefix": "/stored/", "url": origin.url},
            {"name": "azure", "prefix": "/azure/", "url": origin.url, "type": "azure"},
        ],
    }


def without_range(served: Served) -> bool:
    """Whether a request asks for all of it."""
    return served.range is None


def is_part(answer: Answer, film: Thing, start: int, stop: int) -> None:
    """It came as the origin sent it, and is nobody else's."""
    exact_part(answer, film.body, start, stop)
    assert "stored" not in answer.cache_status
    assert "hit" not in answer.cache_status


class TestNobodyAsked:
    def test_a_part_that_the_url_names(self, rig: Rig) -> None:
        """As S3 answers to `?partNumber=2`."""
        film = rig.put(300 * KIB)
        film.fault(Fault(status=206, body_range=(1000, 2000), content_range="bytes 1000-1999/307200"), None)
        for count in (1, 2):
            is_part(film.get(), film, 1000, 2000)
            assert len(film.requests) == count
        for answer in at_once([film.get] * 5):
            is_part(answer, film, 1000, 2000)

    def test_its_head(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        film.fault(Fault(status=206, body_range=(1000, 2000), content_range="bytes 1000-1999/307200"), None)
        answer = film.get(method="HEAD")
        assert (answer.status, answer.field("Content-Length")) == (206, "1000"), told(answer)
        assert answer.field("Content-Range") == "bytes 1000-1999/307200"

    def test_a_client_that_asks_for_a_part_of_it(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        film.fault(Fault(status=206, body_range=(1000, 2000), content_range="bytes 1000-1999/307200"), None)
        is_part(film.get("1010-1019"), film, 1000, 2000)
        assert film.ranges[-1] == "bytes=1010-1019"

    @pytest.mark.parametrize("length", [1, 3 * MIB])
    def test_one_that_is_the_whole(self, rig: Rig, length: int) -> None:
        film = rig.put(length)
        film.fault(Fault(status=206, content_range=f"bytes 0-{length - 1}/{length}"), None, when=without_range)
        for _ in ("cold", "hot"):
            answer = film.get_whole()
            assert answer.field("Content-Range") is None
        film.get_part(0, 1)
        film.assert_sent_once()

    def test_one_that_is_the_whole_and_may_not_be_stored(self, rig: Rig) -> None:
        film = rig.put(1000, cache_control="no-store")
        film.fault(Fault(status=206, content_range="bytes 0-999/1000"), None)
        assert film.get_whole().field("Content-Range") is None

    def test_one_that_is_the_whole_whatever_is_asked(self, rig: Rig) -> None:
        film = rig.put(1000)
        film.fault(Fault(status=206, content_range="bytes 0-999/1000", body_range=(0, 1000)), None)
        film.get_part(5, 10)
        film.get_whole()

    def test_one_of_another_length_than_it_says(self, rig: Rig) -> None:
        film = rig.put(1000)
        film.fault(Fault(status=206, content_range="bytes 0-1999/2000"), None)
        answer = film.get()
        assert (answer.status, answer.field("Content-Range")) == (206, "bytes 0-1999/2000"), told(answer)
        assert "stored" not in answer.cache_status

    def test_behind_one_that_always_answers_so(self, rig: Rig, behind: Proxycache) -> None:
        """Our own `always_partial`."""
        film = rig.put(3 * MIB)
        seen = Thing(film.origin, film.path, behind.url + film.path, film.body)
        for _ in ("cold", "hot"):
            seen.get_whole()
        seen.get_part(5, 100)
        film.assert_sent_once()


@pytest.fixture
def behind(tmp_path: Path, origin: Origin) -> Iterator[Proxycache]:
    """One whose origin is a proxycache with the switch."""
    switched: Config = {"origin": {"always_partial": True}}
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    with (
        Proxycache(tmp_path / "first", origin.url, config=switched) as first,
        Proxycache(tmp_path / "second", first.url) as second,
    ):
        yield second


class TestFieldsOfOthers:
    @pytest.mark.parametrize("name", ["X-Foo-Range", "x-ms-range", "Time-Range"])
    def test_goes_out_as_it_came(self, rig: Rig, name: str) -> None:
        film = rig.put(300 * KIB)
        film.fault(
            Fault(status=206, body_range=(1000, 2000), content_range="bytes 1000-1999/307200"),
            None,
            when=lambda served: served.field(name) is not None,
        )
        for _ in ("cold", "hot"):
            is_part(film.get(None, (name, "bytes=1000-1999")), film, 1000, 2000)
            asked = film.requests[-1]
            assert (asked.range, asked.field(name)) == (None, "bytes=1000-1999")
            film.get_whole()
        assert len(film.requests) == 3

    def test_one_that_asks_the_cache_alone(self, rig: Rig) -> None:
        film = rig.put(1000)
        film.get_whole()
        assert film.get(None, ("X-Foo-Range", "x"), ("Cache-Control", "only-if-cached")).status == 504

    def test_a_200_to_one_is_not_the_object(self, rig: Rig) -> None:
        film = rig.put(1000)
        film.fault(Fault(body=b"five."), None, when=lambda served: served.field("X-Foo-Range") is not None)
        for _ in ("cold", "hot"):
            assert film.get(None, ("X-Foo-Range", "x")).body == b"five."
            film.get_whole()

    def test_one_that_breaks_is_not_mended_with_bytes_of_the_whole(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        film.fault(Fault(body_range=(1000, 300_000), cut_after=2000))
        answer = film.get(None, ("X-Foo-Range", "x"))
        aborted(answer, film.body, 1000)
        assert len(film.requests) == 1

    @pytest.mark.parametrize("name", ["If-Range", "Content-Range"])
    def test_those_of_http_are_known(self, rig: Rig, name: str) -> None:
        film = rig.put(1000)
        film.get_whole()
        assert "hit" in film.get_whole((name, "x")).cache_status


class TestAzure:
    def test_is_learned_from_an_answer(self, rig: Rig) -> None:
        first, film = (rig.put(300 * KIB, headers=AZURE, prefix="learned/") for _ in range(2))
        is_part(first.get(None, ("x-ms-range", "bytes=10-19")), first, 10, 20)
        assert first.requests[0].field("x-ms-range") == "bytes=10-19"
        self.is_understood(film)

    def test_is_learned_from_what_is_stored(self, rig: Rig) -> None:
        film = rig.put(300 * KIB, headers=AZURE, prefix="stored/")
        film.get_whole()
        self.is_understood(film)

    def test_is_configured(self, rig: Rig) -> None:
        self.is_understood(rig.put(300 * KIB, headers=AZURE, prefix="azure/"))

    def is_understood(self, film: Thing) -> None:
        """It is a Range, and answered from the cache as one."""
        for range in ("bytes=10-19", "bytes=10-"):
            stop = 20 if range.endswith("9") else film.length
            exact_part(film.get(None, ("x-ms-range", range)), film.body, 10, stop)
        film.get_whole()
        film.assert_sent_once()
        assert all(served.field("x-ms-range") is None for served in film.requests)
        film.fault(Fault(refuse=True), None)
        exact_part(film.get("0-5", ("x-ms-range", "bytes=10-19")), film.body, 10, 20)

    def test_what_it_cannot_say_goes_out_as_it_came(self, rig: Rig) -> None:
        film = rig.put(300 * KIB, headers=AZURE, prefix="azure/")
        film.get_whole()
        for range in ("bytes=-10", "nonsense"):
            film.get(None, ("x-ms-range", range))
            assert film.requests[-1].field("x-ms-range") == range
        answer = film.get(None, ("x-ms-range", "bytes=10-19"), ("x-ms-range-get-content-md5", "true"))
        is_part(answer, film, 10, 20)
        assert film.requests[-1].field("x-ms-range-get-content-md5") == "true"
        exact(film.get(), film.body)
