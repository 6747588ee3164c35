"""What a followed redirect leads to is kept under its name as far as the redirect lets it: it knows whom it is for."""

import re

import pytest

from tests.integration.rig import KIB, Headers, Rig, Thing, exact, told
from tests.servers.fetch import Answer
from tests.servers.origin import Fault, Origin, Pattern
from tests.servers.proxycache import Config

CONTENT = Pattern(300 * KIB, seed=9)
LASTING = "public, max-age=31536000, immutable"
ANN: Headers = (("Cookie", "user=ann"),)
BOB: Headers = (("Cookie", "user=bob"),)
TOKEN: Headers = (("Authorization", "Bearer ann"),)


@pytest.fixture(scope="module")
def config(other: Origin) -> Config:
    """The origin redirects to another host, which keeps nothing back."""
    return {"origin": {"redirect_hosts": [f"127.0.0.1:{other.port}"]}}


def put(rig: Rig, other: Origin, told: Headers = (), then: Headers = ()) -> Thing:
    """An object elsewhere, to be kept for a year by all, to which the origin redirects."""
    moved = rig.put(1)
    other.put(moved.path, CONTENT, cache_control=LASTING, headers=then)
    moved.fault(Fault(redirect=other.url + moved.path, headers=told), None)
    return moved


@pytest.mark.parametrize("directive", ["no-store", "private"])
@pytest.mark.parametrize("then", [(), (("CDN-Cache-Control", "max-age=3600"),)])
def test_what_it_forbids_to_keep(rig: Rig, other: Origin, directive: str, then: Headers) -> None:
    moved = put(rig, other, (("Cache-Control", directive),), then)
    for client in (ANN, BOB):
        answer = moved.get(None, *client)
        exact(answer, CONTENT)
        assert answer.cache_status == f"proxycache; fwd=uri-miss; detail={directive}"
        told = ", ".join(value for name, value in answer.fields if name.lower() == "cache-control")
        assert directive in told, "caches before us would keep it"
        assert moved.requests[-1].field("Cookie") == client[0][1]


def test_who_is_refused_by_it_does_not_get_what_another_was_led_to(rig: Rig, other: Origin) -> None:
    """The other host never saw the credentials."""
    moved = rig.put(1)
    other.put(moved.path, CONTENT, cache_control=LASTING)
    moved.fault(
        Fault(redirect=other.url + moved.path), None, when=lambda served: served.field("Authorization") is not None
    )
    moved.fault(Fault(status=401), None)
    for _ in range(2):
        exact(moved.get(None, *TOKEN), CONTENT)
        assert moved.get().status == 401
        assert moved.get("0-99").status == 401
        assert moved.get(method="HEAD").status == 401


def test_it_may_permit_that(rig: Rig, other: Origin) -> None:
    moved = put(rig, other, (("Cache-Control", "public, max-age=60"),))
    exact(moved.get(None, *TOKEN), CONTENT)
    assert moved.get().cache_status == "proxycache; hit"


def test_it_differs_by_client(rig: Rig, other: Origin) -> None:
    moved = put(rig, other, (("Vary", "Cookie"), ("Cache-Control", "max-age=60")))
    for client in (ANN, BOB, ANN, BOB):
        exact(moved.get(None, *client), CONTENT)
    assert [served.field("Cookie") for served in moved.requests] == ["user=ann", "user=bob"]


def test_it_is_to_be_asked_each_time(rig: Rig, other: Origin) -> None:
    moved = put(rig, other, (("Cache-Control", "no-cache"),))
    exact(moved.get(None, *ANN), CONTENT)
    answer = moved.get(None, *BOB)
    exact(answer, CONTENT)
    assert answer.cache_status == "proxycache; fwd=stale; fwd-status=304; stored"
    moved.origin.clear_faults(moved.path)
    moved.fault(Fault(status=403), None)
    assert moved.get(None, *BOB).status == 403


def ttl(answer: Answer) -> int:
    """For how long it is fresh."""
    found = re.search(r"; ttl=(-?\d+)", answer.field("Cache-Status") or "")
    assert found is not None, answer.fields
    return int(found[1])


def change(rig: Rig, other: Origin, moved: Thing, told: Headers = ()) -> Pattern:
    """Have the origin redirect to another object."""
    new = Pattern(300 * KIB, seed=10)
    other.put("new-" + moved.path, new, etag='"new"', cache_control=LASTING)
    rig.origin.clear_faults(moved.path)
    moved.fault(Fault(redirect=other.url + "new-" + moved.path, headers=told), None)
    return new


@pytest.mark.parametrize("directives", [(), (("Cache-Control", "max-age=0"),), (("Expires", "0"),)])
@pytest.mark.parametrize("part", [None, "0-99"])
def test_it_is_asked_where_it_leads_now(rig: Rig, other: Origin, directives: Headers, part: str | None) -> None:
    """What it led to would be kept for a year."""
    moved = put(rig, other, directives)
    moved.get(part)
    answer = moved.get()
    exact(answer, CONTENT)
    directives_told = answer.field("Cache-Control") or ""
    assert "immutable" not in directives_told, "caches before us would keep it"
    assert "max-age=0" in directives_told
    new = change(rig, other, moved, directives)
    exact(moved.get(), new)


def test_it_is_fresh_for_the_least_of_all_hops(rig: Rig, other: Origin) -> None:
    moved = put(rig, other, (("Cache-Control", "max-age=600"),))
    other.put("on", CONTENT, cache_control=LASTING)
    other.fault(moved.path, Fault(redirect=other.url + "on", headers=(("Cache-Control", "max-age=60"),)), None)
    moved.get()
    answer = moved.get()
    assert 0 < ttl(answer) <= 60
    assert answer.cache_status == "proxycache; hit"


@pytest.mark.parametrize("status", [301, 308])
def test_a_permanent_one_is_fresh_by_heuristics(rig: Rig, other: Origin, status: int) -> None:
    moved = rig.put(1)
    other.put(moved.path, CONTENT, cache_control=LASTING)
    moved.fault(Fault(redirect=other.url + moved.path, status=status), None)
    moved.get()
    answer = moved.get()
    assert answer.cache_status == "proxycache; hit"
    assert 0 < ttl(answer) <= 24 * 3600


def test_what_a_304_confirms_is_no_fresher_than_the_redirect_is_then(rig: Rig, other: Origin) -> None:
    moved = put(rig, other, (("Cache-Control", "max-age=3600"),))
    moved.get()
    rig.origin.clear_faults(moved.path)
    moved.fault(Fault(redirect=other.url + moved.path), None)
    other.fault(moved.path, Fault(without=("Cache-Control",)), None)
    for _ in range(2):
        answer = moved.get(None, ("Cache-Control", "no-cache"))
        assert (answer.status, "fwd-status=304" in answer.cache_status) == (200, True), told(answer)
    exact(moved.get(), CONTENT)
    new = change(rig, other, moved)
    exact(moved.get(), new)


@pytest.mark.parametrize("fault", [Fault(refuse=True), Fault(status=503)], ids=["away", "failing"])
def test_what_it_led_to_stands_in_where_it_cannot_be_asked(rig: Rig, other: Origin, fault: Fault) -> None:
    """For as long as that is good in its own name."""
    moved = put(rig, other)
    moved.get()
    rig.origin.clear_faults(moved.path)
    moved.fault(fault, None)
    answer = moved.get()
    exact(answer, CONTENT)
    assert "detail=origin-failed" in answer.cache_status
