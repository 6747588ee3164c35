"""The first request for an object is itself the probe; HEAD is answered from the entry, or asked as such."""

import pytest

from tests.integration.rig import KIB, MIB, Rig, Thing, exact_part, told
from tests.servers.fetch import Answer
from tests.servers.origin import Fault


def head(thing: Thing) -> Answer:
    """A HEAD that must tell the object's length."""
    answer = thing.get(method="HEAD")
    assert (answer.status, answer.body, answer.complete) == (200, b"", True), told(answer)
    assert answer.field("Content-Length") == str(thing.length)
    assert answer.field("Content-Range") is None
    assert answer.field("ETag") == '"v1"'
    assert answer.field("Content-Type") == "application/octet-stream"
    return answer


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (100, 200), (MIB - 10, MIB), (3 * MIB + 5, 3 * MIB + 6)])
def test_a_cold_small_range_is_one_request(rig: Rig, start: int, stop: int) -> None:
    """What may follow is the rest of the same chunk, for which nobody waits."""
    film = rig.put(50 * MIB)
    film.fault(Fault(refuse=True), None, when=lambda served: served is not film.requests[0])
    film.get_part(start, stop)
    assert film.requests[0].method == "GET"
    assert (film.ranges[0] or "").startswith(f"bytes={start}-")
    assert film.sent <= MIB
    first = start // MIB * MIB
    assert set(film.ranges[1:]) <= {f"bytes={first}-{start - 1}"}


def test_a_cold_suffix_is_one_request(rig: Rig) -> None:
    film = rig.put(50 * MIB)
    film.fault(Fault(refuse=True), None, when=lambda served: served is not film.requests[0])
    exact_part(film.get("-100"), film.body, film.length - 100, film.length)
    assert film.ranges[0] == "bytes=-100"
    assert set(film.ranges[1:]) <= {f"bytes={49 * MIB}-{50 * MIB - 101}"}


def test_a_cold_whole_object_is_one_request(rig: Rig) -> None:
    film = rig.put(5 * MIB)
    film.get_whole()
    assert film.ranges == [None]
    film.assert_sent_once()


class TestHead:
    def test_cold_is_a_head(self, rig: Rig) -> None:
        film = rig.put(50 * MIB)
        head(film)
        assert [(served.method, served.range) for served in film.requests] == [("HEAD", None)]

    def test_after_a_get_costs_nothing(self, rig: Rig) -> None:
        film = rig.put(5 * MIB)
        film.get_part(MIB, MIB + 100)
        asked = len(film.requests)
        assert head(film).cache_status == "proxycache; hit"
        assert len(film.requests) == asked

    def test_twice_costs_once(self, rig: Rig) -> None:
        film = rig.put(50 * MIB)
        head(film)
        assert head(film).cache_status == "proxycache; hit"
        assert len(film.requests) == 1

    def test_then_get(self, rig: Rig) -> None:
        film = rig.put(3 * MIB)
        head(film)
        film.get_whole()
        film.get_whole()
        assert [served.method for served in film.requests] == ["HEAD", "GET"]

    def test_of_an_empty_object(self, rig: Rig) -> None:
        film = rig.put(0)
        head(film)
        film.get_whole()
        head(film)

    def test_of_one_byte(self, rig: Rig) -> None:
        film = rig.put(1)
        head(film)
        film.get_whole()

    def test_where_the_origin_knows_no_ranges(self, rig: Rig) -> None:
        film = rig.put(50 * MIB, accept_ranges=False)
        head(film)
        assert [served.method for served in film.requests] == ["HEAD"]

    def test_range_is_ignored(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        answer = film.get("0-99", method="HEAD")
        assert (answer.status, answer.field("Content-Length")) == (200, str(film.length)), told(answer)

    def test_of_nothing(self, rig: Rig) -> None:
        film = rig.put(10)
        rig.origin.remove(film.path)
        answer = film.get(method="HEAD")
        assert (answer.status, answer.body) == (404, b"")

    def test_of_what_is_not_kept(self, rig: Rig) -> None:
        film = rig.put(50 * MIB, cache_control="no-store")
        head(film)
        assert film.sent == 0
