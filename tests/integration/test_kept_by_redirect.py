"""What a followed redirect leads to is kept under its name as far as the redirect lets it: it knows whom it is for."""

import pytest

from tests.integration.rig import KIB, Headers, Rig, Thing, exact
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
    moved = put(rig, other, (("Cache-Control", "public"),))
    exact(moved.get(None, *TOKEN), CONTENT)
    assert moved.get().cache_status == "proxycache; hit"


def test_it_differs_by_client(rig: Rig, other: Origin) -> None:
    moved = put(rig, other, (("Vary", "Cookie"),))
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
    moved.fault(Fault(status=403))
    assert moved.get(None, *BOB).status == 403
