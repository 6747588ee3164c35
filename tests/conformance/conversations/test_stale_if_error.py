"""An origin's configuration may let stale entries stand in where it answers with an error."""

import pytest

from tests.conformance.conversations.conversation import restart
from tests.integration.rig import Rig, Thing, exact, told
from tests.servers.deadline import until
from tests.servers.origin import Fault, Origin
from tests.servers.proxycache import Config

FINAL = (("Retry-After", "9999"),)
"""So that nobody tries again: the client is told at once."""


@pytest.fixture(scope="module")
def config(origin: Origin) -> Config:
    """An origin whose entries may be stale for an hour, one of which nothing is said, and one with none."""
    lenient = {"name": "lenient", "prefix": "/lenient/", "url": origin.url, "stale_if_error": "1h"}
    strict = {"name": "strict", "prefix": "/strict/", "url": origin.url, "stale_if_error": 0}
    return {"origin": [{"name": "plain", "prefix": "/", "url": origin.url}, lenient, strict]}


def overdue(rig: Rig, seconds: int, cache_control: str = "max-age=60", prefix: str = "lenient/") -> Thing:
    """An entry that is stale for so long."""
    film = rig.put(1000, cache_control=cache_control, headers=(("Age", str(60 + seconds)),), prefix=prefix)
    film.get_whole()
    return film


def fail(film: Thing, status: int = 503) -> None:
    """From now on the origin fails."""
    film.fault(Fault(status=status, body=b"sorry", headers=FINAL), None)


class TestStandsIn:
    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    def test_for_an_error(self, rig: Rig, status: int) -> None:
        film = overdue(rig, 100)
        fail(film, status)
        answer = film.get_whole()
        assert answer.cache_status == f"proxycache; fwd=stale; fwd-status={status}; detail=origin-failed", told(answer)
        assert int(answer.field("Age") or "0") >= 160
        film.get_part(1, 10)
        assert film.get(method="HEAD").status == 200

    def test_without_trying_again(self, rig: Rig) -> None:
        """The client does not wait for what may be had at once."""
        film = overdue(rig, 100)
        film.fault(Fault(status=503), None)
        film.get_whole()
        assert [served.status for served in film.requests] == [200, 503]

    def test_until_the_origin_is_well(self, rig: Rig) -> None:
        """It is asked again after a few seconds."""
        film = overdue(rig, 100)
        film.fault(Fault(status=503))
        assert film.get_whole().cache_status.endswith("detail=origin-failed")
        until(lambda: "fwd-status=304" in film.get_whole().cache_status, "it to be confirmed")
        assert [served.status for served in film.requests] == [200, 503, 304]

    def test_just_within_the_time(self, rig: Rig) -> None:
        film = overdue(rig, 3600 - 60)
        fail(film)
        film.get_whole()

    def test_over_a_restart(self, rig: Rig) -> None:
        film = overdue(rig, 100)
        restart(rig.proxy, rig.origin.url + film.path)
        fail(film)
        film.get_whole()

    def test_longer_where_the_origin_itself_says_so(self, rig: Rig) -> None:
        for prefix in ("lenient/", "strict/", ""):
            film = overdue(rig, 5000, "max-age=60, stale-if-error=9999", prefix)
            fail(film)
            film.get_whole()


class TestDoesNot:
    def told_as_it_is(self, film: Thing, *headers: tuple[str, str]) -> None:
        """The failure itself is the answer."""
        fail(film)
        answer = film.get(None, *headers)
        assert (answer.status, answer.body) == (503, b"sorry"), told(answer)

    @pytest.mark.parametrize("directive", ["must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=60"])
    def test_where_it_must_not(self, rig: Rig, directive: str) -> None:
        self.told_as_it_is(overdue(rig, 100, f"max-age=60, {directive}"))

    def test_beyond_the_time(self, rig: Rig) -> None:
        self.told_as_it_is(overdue(rig, 3600 + 1))

    @pytest.mark.parametrize("prefix", ["", "strict/"])
    def test_where_nobody_says_so(self, rig: Rig, prefix: str) -> None:
        self.told_as_it_is(overdue(rig, 100, prefix=prefix))

    def test_where_the_client_wants_no_copy(self, rig: Rig) -> None:
        self.told_as_it_is(overdue(rig, 100), ("Cache-Control", "no-cache"))

    @pytest.mark.parametrize("status", [403, 404, 410])
    def test_for_what_is_no_failure(self, rig: Rig, status: int) -> None:
        film = overdue(rig, 100)
        fail(film, status)
        assert film.get().status == status

    def test_for_a_failure_to_a_post(self, rig: Rig) -> None:
        film = overdue(rig, 100)
        fail(film)
        assert film.get(method="POST").status == 405

    def test_where_there_is_none(self, rig: Rig) -> None:
        film = rig.put(1000, prefix="lenient/")
        film.fault(Fault(status=500, body=b"sorry"), 3)
        assert film.get().body == b"sorry"
        exact(film.get(), film.body)
