"""What we ask otherwise than the client is never what a client is refused for.

Each test has an origin of its own, by the prefix: what it refuses is remembered for it.
"""

from collections.abc import Callable

import pytest

from tests.integration.rig import KIB, MIB, Rig, Thing, exact, exact_part, told
from tests.servers.origin import Fault, Origin, Served
from tests.servers.proxycache import Config

ORIGINS = 40
_names = iter(f"{number}/" for number in range(ORIGINS))


@pytest.fixture(scope="module")
def config(origin: Origin) -> Config:
    origins = [{"name": f"o{number}", "prefix": f"/{number}/", "url": origin.url} for number in range(ORIGINS)]
    return {"origin": origins}


@pytest.fixture
def prefix() -> str:
    """That of an origin of which nothing is known."""
    return next(_names)


def last_of(served: Served) -> int | None:
    """The last byte that it asks for; None where it does not say."""
    first, _, last = (served.range or "").removeprefix("bytes=").partition("-")
    return int(last) if first and last else None


def refuse(film: Thing, status: int, when: Callable[[Served], bool]) -> None:
    """What the origin refuses from now on."""
    film.fault(Fault(status=status, headers=(("Cache-Control", "max-age=60"),)), None, when=when)


def refuse_beyond(film: Thing, status: int) -> None:
    """An end at or beyond that of the object: as MiniDLNA (416) and webfs (400)."""
    refuse(film, status, lambda served: (last_of(served) or 0) >= film.length)


REFUSALS = [400, 403, 404, 416, 500, 501]


class TestAnEndBeyondTheEnd:
    @pytest.mark.parametrize("status", REFUSALS)
    def test_of_ours_is_not_the_clients(self, rig: Rig, prefix: str, status: int) -> None:
        film = rig.put(3 * MIB, prefix=prefix)
        refuse_beyond(film, status)
        exact_part(film.get(f"{2 * MIB + 5}-"), film.body, 2 * MIB + 5, film.length)
        assert film.ranges[-1] == f"bytes={2 * MIB + 5}-"

    def test_is_remembered_for_the_origin(self, rig: Rig, prefix: str) -> None:
        first, second = rig.put(3 * MIB, prefix=prefix), rig.put(3 * MIB, prefix=prefix)
        for film in (first, second):
            refuse_beyond(film, 416)
        start = 2 * MIB + 5
        exact_part(first.get(f"{start}-"), first.body, start, first.length)
        answer = second.get(f"{start}-")
        exact_part(answer, second.body, start, second.length)
        assert second.ranges[0] == f"bytes={start}-"
        assert answer.cache_status == "proxycache; fwd=uri-miss; stored"
        second.get_part(start + MIB // 2, start + MIB // 2 + 100)
        assert {served.range for served in second.requests[1:]} <= {f"bytes={2 * MIB}-{start - 1}"}

    def test_what_is_asked_as_it_came_is_held_up_by_its_reader(self, rig: Rig, prefix: str) -> None:
        first, second = rig.put(3 * MIB, prefix=prefix), rig.put(200 * MIB, prefix=prefix)
        refuse_beyond(first, 416)
        first.get(f"{2 * MIB}-")
        with second.stream("5-", buffer=64 * KIB) as reading:
            assert reading.recv_exactly(KIB)
            assert second.sent < 30 * MIB

    def test_another_origin_is_asked_as_ever(self, rig: Rig, prefix: str) -> None:
        film = rig.put(30 * MIB, prefix=prefix)
        film.get_part(5, 10)
        assert film.ranges[0] == f"bytes=5-{MIB - 1}"

    def test_nothing_is_rounded_beyond_a_length_that_is_known(self, rig: Rig, prefix: str) -> None:
        film = rig.put(MIB + 100, prefix=prefix, cache_control="max-age=0", headers=(("Age", "1"),))
        film.get_part(0, 10)
        refuse_beyond(film, 416)
        asked = len(film.requests)
        film.get_part(MIB + 10, MIB + 20)
        assert all((last_of(served) or 0) < film.length for served in film.requests[asked:])
        assert {served.status for served in film.requests[asked:]} <= {200, 206, 304}

    def test_the_clients_own_error_is_his(self, rig: Rig, prefix: str) -> None:
        film = rig.put(3 * MIB, prefix=prefix)
        refuse(film, 403, lambda served: served.range is not None)
        assert film.get("5-").status == 403
        assert film.ranges[1:] == ["bytes=5-"]
        film.origin.clear_faults(film.path)
        film.get_part(5, 10)
        assert film.ranges[-1] == f"bytes=5-{MIB - 1}", "nothing was remembered"


class TestValidators:
    @pytest.mark.parametrize("status", [400, 412, 501])
    @pytest.mark.parametrize("asked", [None, "100-199"])
    def test_of_ours_are_not_the_clients(self, rig: Rig, prefix: str, status: int, asked: str | None) -> None:
        film = rig.put(300 * KIB, prefix=prefix, cache_control="max-age=0")
        film.get_whole()
        refuse(film, status, lambda served: served.field("If-None-Match") is not None)
        for _ in range(2):
            answer = film.get(asked)
            if asked is None:
                exact(answer, film.body)
            else:
                exact_part(answer, film.body, 100, 200)
            assert film.requests[-1].field("If-None-Match") is None

    def test_are_remembered_for_the_origin(self, rig: Rig, prefix: str) -> None:
        film = rig.put(300 * KIB, prefix=prefix, cache_control="max-age=0")
        film.get_whole()
        refuse(film, 400, lambda served: served.field("If-None-Match") is not None)
        film.get_whole()
        asked = len(film.requests)
        film.get_whole()
        assert len(film.requests) == asked + 1

    def test_a_range_beyond_the_end_that_the_clients_own_precede_is_no_refusal_of_ours(
        self, rig: Rig, prefix: str
    ) -> None:
        """The origin is asked for the range under our validators, and with his own he is told that nothing changed."""
        for _ in range(2):
            film = rig.put(300 * KIB, prefix=prefix, cache_control="max-age=0")
            film.get_whole()
            shorter = rig.put(10, prefix=prefix, path=film.path, etag='"v2"', cache_control="max-age=0")
            assert shorter.get("200000-200000", ("If-None-Match", '"v2"')).status == 304
        for _ in range(2):
            answer = shorter.get_whole()
        assert "fwd-status=304" in (answer.cache_status or "")


class TestIfRange:
    @pytest.mark.parametrize("status", [400, 412, 501])
    def test_of_ours_is_not_the_clients(self, rig: Rig, prefix: str, status: int) -> None:
        film = rig.put(30 * MIB, prefix=prefix)
        refuse(film, status, lambda served: served.field("If-Range") is not None)
        film.get_part(0, 100)
        film.get_part(20 * MIB, 20 * MIB + 100)
        film.get_part(25 * MIB, 25 * MIB + 100)
        refused = [served for served in film.requests if served.status == status]
        assert len(refused) == 1, "it is remembered"

    def test_a_body_is_resumed_without_it(self, rig: Rig, prefix: str) -> None:
        film = rig.put(3 * MIB, prefix=prefix, cache_control="no-store")
        refuse(film, 400, lambda served: served.field("If-Range") is not None)
        film.fault(Fault(cut_after=MIB))
        film.get_whole()

    def test_another_version_is_told_without_it(self, rig: Rig, prefix: str) -> None:
        film = rig.put(30 * MIB, prefix=prefix)
        film.get_part(0, 100)
        film.origin.put(film.path, film.body, etag='"v2"')
        refuse(film, 400, lambda served: served.field("If-Range") is not None)
        answer = film.get("0-20000000")
        assert answer.status in (200, 206), told(answer)
        assert not answer.complete or answer.field("ETag") == '"v2"'


def test_what_is_refused_of_a_part_that_is_not_here_is_asked_as_the_client_did(rig: Rig, prefix: str) -> None:
    """What is here has a length, so what is asked of the rest is never just the client's."""
    film = rig.put(30 * MIB, prefix=prefix)
    film.get_part(0, 100)
    refuse(film, 403, lambda served: served.range not in (None, "bytes=20000000-"))
    answer = film.get("20000000-")
    exact_part(answer, film.body, 20_000_000, film.length)
    assert answer.cache_status == "proxycache; fwd=bypass; detail=refused"
