"""A hub tells about an object on the redirect that leads to it: that stays with the answer from elsewhere."""

import pytest

from tests.integration.rig import MIB, Rig, Thing, exact, exact_part, told
from tests.servers.origin import Fault, Origin, Pattern
from tests.servers.proxycache import Config

CONTENT = Pattern(3 * MIB, seed=9)
OF_THE_HUB = (
    ("X-Repo-Commit", "c0ffee"),
    ("X-Linked-Size", str(CONTENT.length)),
    ("X-Linked-ETag", '"sha256"'),
    ("Docker-Content-Digest", "sha256:1"),
    ("X-Size", "3"),
    ("X-Mine-Sum", "s"),
)
AROUND_US = (
    ("X-Xet-Hash", "hash"),
    ("X-Xet-Refresh-Route", "/api/xet-read-token"),
    ("Link", '<https://hub.example/api/xet-read-token>; rel="xet-auth"'),
)


@pytest.fixture(scope="module")
def config(origin: Origin, other: Origin) -> Config:
    """A hub that redirects to another host, a part of which is an origin, too."""
    hub = {
        "name": "hub",
        "url": origin.url,
        "redirect_hosts": [f"127.0.0.1:{other.port}"],
        "keep_hop_fields": ["X-Size", "X-Mine-*", "Link"],
    }
    return {"origin": [hub, {"name": "store", "prefix": "/store/", "url": other.url + "store/"}]}


@pytest.fixture
def moved(rig: Rig, other: Origin) -> Thing:
    """An object of the hub that lies elsewhere."""
    other.clear_log()
    moved = rig.put(1)
    other.put("lfs/object", CONTENT, etag='"blob"', headers=(("X-Linked-Size", "own"),))
    fields = (*OF_THE_HUB, *AROUND_US, ("X-Other", "o"), ("Cache-Control", "max-age=60"))
    moved.fault(Fault(redirect=other.url + "lfs/object", headers=fields), None)
    return moved


@pytest.mark.parametrize("methods", [("GET", "GET", "HEAD"), ("HEAD", "GET", "HEAD")])
def test_they_stay_in_the_answer_and_in_every_hit(moved: Thing, methods: tuple[str, ...]) -> None:
    for method in methods:
        answer = moved.get(method=method)
        assert (answer.status, answer.field("Content-Length")) == (200, str(CONTENT.length)), told(answer)
        for name, value in OF_THE_HUB:
            assert answer.field(name) == ("own" if name == "X-Linked-Size" else value), told(answer)
        for name in ("Location", "X-Other", *(name for name, _ in AROUND_US)):
            assert answer.field(name) is None, told(answer)
        assert answer.field("ETag") == '"blob"'
        if method == "GET":
            exact(answer, CONTENT)
    assert "hit" in (answer.cache_status or "")


def test_in_a_part_and_after_it_was_asked_about_again(moved: Thing) -> None:
    asks_anew = ("Cache-Control", "no-cache")
    for fields in ((), (asks_anew,)):
        answer = moved.get("5-99", *fields)
        exact_part(answer, CONTENT, 5, 100)
        assert answer.field("X-Repo-Commit") == "c0ffee", told(answer)


@pytest.mark.parametrize("tells", [True, False])
def test_where_clients_could_go_by_our_own_path(rig: Rig, other: Origin, tells: bool) -> None:
    """Clients of a hub would go there on one host, and look for its fields in the store's answer, in vain."""
    moved = rig.put(1)
    other.put("store/object", CONTENT)
    moved.fault(Fault(redirect=other.url + "store/object", headers=OF_THE_HUB[:1] if tells else ()), None)
    answer = moved.get()
    if tells:
        exact(answer, CONTENT)
        assert answer.field("X-Repo-Commit") == "c0ffee"
    else:
        assert (answer.status, answer.field("Location")) == (302, "/store/object"), told(answer)


def test_of_every_redirect_on_the_way(rig: Rig, other: Origin) -> None:
    first, second = rig.put(1), rig.put(1)
    other.put("lfs/object", CONTENT)
    first.fault(Fault(redirect="/" + second.path, headers=(("X-Repo-Commit", "c0ffee"), ("X-Size", "3"))), None)
    second.fault(Fault(redirect=other.url + "lfs/object", headers=(("X-Size", "4"),)), None)
    answer = first.get(method="HEAD")
    assert (answer.field("X-Repo-Commit"), answer.field("X-Size")) == ("c0ffee", "4"), told(answer)


def test_of_those_before_one_that_the_client_follows(rig: Rig) -> None:
    first, second = rig.put(1), rig.put(1)
    first.fault(Fault(redirect="/" + second.path, headers=(("X-Repo-Commit", "c0ffee"),)), None)
    second.fault(Fault(redirect="https://elsewhere.example/object"), None)
    answer = first.get(method="HEAD")
    assert (answer.status, answer.field("X-Repo-Commit")) == (302, "c0ffee"), told(answer)


def test_a_redirect_that_the_client_follows_is_as_it_came(rig: Rig) -> None:
    moved = rig.put(1)
    moved.fault(Fault(redirect="https://elsewhere.example/object", headers=(*OF_THE_HUB, *AROUND_US)), None)
    answer = moved.get(method="HEAD")
    assert answer.status == 302
    for name, value in (*OF_THE_HUB, *AROUND_US):
        assert answer.field(name) == value, told(answer)
