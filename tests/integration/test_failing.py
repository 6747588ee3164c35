"""An origin that fails: what is stale stands in for all who wait, and it is asked again as rarely as it wants."""

import time

import pytest

from tests.integration.crowd import ask_while_one_is_under_way
from tests.integration.rig import Rig, Thing, at_once, exact, told
from tests.servers.deadline import until
from tests.servers.origin import Fault
from tests.servers.proxycache import Config

STALE = "max-age=60, stale-if-error=86400"
FAILURES = {
    "500": Fault(status=500),
    "503": Fault(status=503),
    "503 for a minute": Fault(status=503, headers=(("Retry-After", "60"),)),
    "429": Fault(status=429),
    "closed": Fault(refuse=True),
    "reset": Fault(refuse=True, reset=True),
    "no HTTP": Fault(raw=b"not HTTP\r\n\r\n"),
    "hung": Fault(delay=2),
}
NO_ANSWER = ("closed", "reset", "no HTTP", "hung")


@pytest.fixture(scope="module")
def config() -> Config:
    """Little patience."""
    return {"fetch": {"connect_timeout": 1, "first_byte_timeout": 1, "connections_per_origin": 64}}


def put_stale(rig: Rig, cache_control: str = STALE, age: int = 3600) -> Thing:
    """An object in the cache that is out of date; the origin has forgotten that it was asked for."""
    page = rig.put(1000, cache_control=cache_control, headers=(("Age", str(age)),))
    page.get_whole()
    page.origin.wait_for(lambda log: all(served.done for served in log))
    rig.origin.clear_log()
    return page


FEW_SECONDS = 5.0
"""How long a failure is taken to go on, at least."""


def most_requests(name: str, began: float | None = None) -> float:
    """How often an origin is asked: again where the connection was a kept one, and again every few seconds."""
    at_once = 2 if name in NO_ANSWER else 1
    return at_once if began is None else at_once * (1 + (time.monotonic() - began) / FEW_SECONDS)


@pytest.mark.parametrize("name", FAILURES)
class TestStandsInForAll:
    def test_who_wait_for_one_answer(self, rig: Rig, name: str) -> None:
        page = put_stale(rig)
        page.fault(FAILURES[name], None)
        for answer in ask_while_one_is_under_way(rig, page, [()] * 8):
            exact(answer, page.body)
            assert answer.cache_status.startswith("proxycache; fwd=stale"), told(answer)
            assert answer.cache_status.endswith("detail=origin-failed"), told(answer)
        assert len(page.requests) <= most_requests(name)

    def test_who_ask_later(self, rig: Rig, name: str) -> None:
        page = put_stale(rig)
        page.fault(FAILURES[name], None)
        began = time.monotonic()
        page.get_whole()
        answers = [page.get_whole() for _ in range(3)] + at_once([page.get_whole] * 5)
        unasked = [answer.cache_status == "proxycache; hit; detail=origin-failed" for answer in answers]
        assert unasked.count(False) <= (time.monotonic() - began) / FEW_SECONDS
        assert page.get(method="HEAD").status == 200
        page.get_part(5, 9)
        assert len(page.requests) <= most_requests(name, began)

    def test_while_it_is_revalidated_beside(self, rig: Rig, name: str) -> None:
        page = put_stale(rig, "max-age=60, stale-while-revalidate=86400", 3600)
        page.fault(FAILURES[name], None)
        began = time.monotonic()
        for _ in range(5):
            page.get_whole()
            page.origin.wait_for(lambda log: bool(log) and all(served.done for served in log))
        assert len(page.requests) <= most_requests(name, began)


class TestButNot:
    def test_for_who_wants_it_validated(self, rig: Rig) -> None:
        page = put_stale(rig)
        page.fault(Fault(status=503, body=b"busy\n"), None)
        page.get_whole()
        answer = page.get(None, ("Cache-Control", "no-cache"))
        assert (answer.status, answer.body) == (503, b"busy\n"), told(answer)

    def test_beyond_what_allows_it(self, rig: Rig) -> None:
        """Three seconds are left, less than a failure is taken to go on."""
        page = put_stale(rig, "max-age=60, stale-if-error=63", 120)
        page.fault(Fault(status=503, body=b"busy\n", headers=(("Retry-After", "60"),)), None)
        page.get_whole()
        until(lambda: page.get().status == 503, "the time to be over")

    def test_an_answer_where_there_was_none(self, rig: Rig) -> None:
        """Only what may stand in for a failure of that very kind."""
        page = put_stale(rig, "max-age=60")
        page.fault(Fault(status=503, body=b"busy\n", headers=(("Retry-After", "1"),)), None)
        for _ in range(2):
            assert page.get().body == b"busy\n"
