"""Redirects are followed where the configuration allows it, afresh for every fetch, and without credentials."""

import time

import pytest

from tests.integration.rig import MIB, Rig, exact, exact_part, refused, told
from tests.servers.fetch import fetch
from tests.servers.origin import Fault, Origin, Pattern, Served
from tests.servers.proxycache import Config

STATUSES = [301, 302, 303, 307, 308]


@pytest.fixture(scope="module")
def config(origin: Origin) -> Config:
    """An origin that may redirect to `localhost`, with credentials for its own host alone."""
    open_ = {
        "name": "open",
        "prefix": "/open/",
        "url": origin.url,
        "redirect_hosts": ["localhost"],
        "headers": {"Authorization": "Bearer s3cret", "X-Extra": "1"},
    }
    closed = {"name": "closed", "prefix": "/closed/", "url": origin.url}
    return {"fetch": {"idle_timeout": 5}, "origin": [open_, closed]}


@pytest.fixture(autouse=True)
def clean_other(other: Origin) -> None:
    """The other origin forgets the test before."""
    other.clear_faults()
    other.clear_log()


def abroad(other: Origin, path: str) -> str:
    """The other origin's URL under a name that is not the configured origin's."""
    return f"http://localhost:{other.port}/{path}"


class TestWithinTheHost:
    @pytest.mark.parametrize("status", STATUSES)
    def test_is_followed(self, rig: Rig, status: int) -> None:
        film = rig.put(3 * MIB, prefix="closed/")
        for location in (f"/real-{status}.bin", f"{rig.origin.url}real-{status}.bin", f"real-{status}.bin"):
            moved = rig.put(1, prefix="closed/")
            rig.put(film.body, path=f"real-{status}.bin")
            moved.fault(Fault(redirect=location, status=status), None)
            exact(moved.get(), film.body)
            assert [served.path for served in rig.origin.log[-2:]] == ["/" + moved.path, f"/real-{status}.bin"]
            assert moved.get().cache_status == "proxycache; hit"

    def test_ranges_are_asked_of_the_target(self, rig: Rig) -> None:
        moved, film = rig.put(1, prefix="closed/"), rig.put(5 * MIB)
        moved.fault(Fault(redirect="/" + film.path), None)
        exact_part(moved.get("3000000-3000099"), film.body, 3000000, 3000100)
        exact(moved.get(), film.body)
        assert (film.ranges[0] or "").startswith("bytes=3000000-")

    def test_the_target_arrives_as_it_was_sent(self, rig: Rig) -> None:
        moved = rig.put(1, prefix="closed/")
        content = Pattern(1000, seed=1)
        rig.origin.put("/a%2Fb//c?d=%E9&&e", content)
        moved.fault(Fault(redirect="/a%2Fb//c?d=%E9&&e#fragment"))
        exact(moved.get(), content)

    def test_a_redirect_with_a_large_body(self, rig: Rig) -> None:
        film = rig.put(MIB)
        for size in (1000, 64 * 1024, MIB, 20 * MIB):
            moved = rig.put(1, prefix="closed/")
            moved.fault(Fault(redirect="/" + film.path, body=b"x" * size))
            exact(moved.get(), film.body)

    def test_a_redirect_whose_body_stalls_is_not_waited_for(self, rig: Rig) -> None:
        moved, film = rig.put(1, prefix="closed/"), rig.put(MIB)
        moved.fault(Fault(redirect="/" + film.path, body=b"x" * 1000, stall_after=10))
        before = time.monotonic()
        exact(moved.get(), film.body)
        assert time.monotonic() - before < 2


class TestHowMany:
    def chain(self, rig: Rig, count: int) -> str:
        """A chain of so many redirects to an object of 1000 bytes; the URL of its beginning."""
        film = rig.put(Pattern(1000, seed=1))
        target = film.path
        for _ in range(count):
            hop = rig.put(1, prefix="closed/")
            hop.fault(Fault(redirect="/" + target), None)
            target = hop.path
        return f"{rig.proxy.url}closed/{target}"

    def test_five_are_followed(self, rig: Rig) -> None:
        exact(fetch(self.chain(rig, 5)), Pattern(1000, seed=1))
        assert len(rig.origin.log) == 6

    def test_six_are_an_error(self, rig: Rig) -> None:
        refused(fetch(self.chain(rig, 6)), 502)
        assert len(rig.origin.log) == 6

    def test_a_loop_is_an_error(self, rig: Rig) -> None:
        one, two = rig.put(1, prefix="closed/"), rig.put(1)
        one.fault(Fault(redirect="/" + two.path), None)
        two.fault(Fault(redirect="/" + one.path), None)
        refused(one.get(), 502)
        assert len(rig.origin.log) <= 6

    def test_to_itself_is_an_error(self, rig: Rig) -> None:
        moved = rig.put(1, prefix="closed/")
        moved.fault(Fault(redirect="/" + moved.path), None)
        refused(moved.get(), 502)
        assert len(rig.origin.log) <= 6


class TestElsewhere:
    def test_an_allowed_host_is_followed_without_credentials(self, rig: Rig, other: Origin) -> None:
        moved, content = rig.put(1, prefix="open/"), Pattern(3 * MIB, seed=9)
        other.put("film", content)
        moved.fault(Fault(redirect=abroad(other, "film?signature=x")), None)
        exact_part(moved.get("5-99", ("X-Mine", "1")), content, 5, 100)
        (there,) = other.log[:1]
        assert there.target == b"/film?signature=x"
        assert there.field("Host") == f"localhost:{other.port}"
        assert (there.field("Authorization"), there.field("X-Extra")) == (None, None)
        assert there.field("Accept-Encoding") == "identity"
        assert moved.requests[0].field("Authorization") == "Bearer s3cret"

    def test_the_clients_credentials_stay_as_well(self, rig: Rig, other: Origin) -> None:
        moved, content = rig.put(1, prefix="open/"), Pattern(1000, seed=9)
        other.put("film", content, cache_control="public, max-age=60")
        moved.fault(Fault(redirect=abroad(other, "film")), None)
        exact(moved.get(None, ("Authorization", "Basic x"), ("Cookie", "session=1")), content)
        assert (other.log[0].field("Authorization"), other.log[0].field("Cookie")) == (None, None)

    def test_another_port_is_another_host_for_credentials(self, rig: Rig, other: Origin) -> None:
        moved, content = rig.put(1, prefix="open/"), Pattern(1000, seed=9)
        other.put("film", content)
        moved.fault(Fault(redirect=f"http://127.0.0.1:{other.port}/film"), None)
        exact(moved.get(), content)
        assert (other.log[0].field("Authorization"), other.log[0].field("X-Extra")) == (None, None)

    def test_they_return_with_the_way_back(self, rig: Rig, other: Origin) -> None:
        moved, film = rig.put(1, prefix="open/"), rig.put(1000)
        moved.fault(Fault(redirect=abroad(other, "on")), None)
        other.put("on", b"")
        other.fault("on", Fault(redirect=rig.origin.url + film.path))
        exact(moved.get(), film.body)
        assert film.requests[0].field("Authorization") == "Bearer s3cret"

    @pytest.mark.parametrize("status", STATUSES)
    def test_any_other_host_is_for_the_client_to_follow(self, rig: Rig, other: Origin, status: int) -> None:
        moved, location = rig.put(1, prefix="closed/"), abroad(other, "film")
        other.put("film", b"secret")
        moved.fault(Fault(redirect=location, status=status), None)
        answer = moved.get()
        assert (answer.status, answer.field("Location"), answer.complete) == (status, location, True), told(answer)
        answer = moved.get("0-99")
        assert (answer.status, answer.field("Location")) == (status, location), told(answer)
        assert other.log == []

    def test_not_by_way_of_an_allowed_one_either(self, rig: Rig, other: Origin) -> None:
        moved, location = rig.put(1, prefix="open/"), f"http://0.0.0.0:{other.port}/film"
        other.put("on", b"")
        other.put("film", b"secret")
        other.fault("on", Fault(redirect=location), None)
        moved.fault(Fault(redirect=abroad(other, "on")), None)
        answer = moved.get()
        assert (answer.status, answer.field("Location")) == (302, location), told(answer)
        assert [served.path for served in other.log] == ["/on"]

    @pytest.mark.parametrize(
        "location",
        [
            "ftp://127.0.0.1/film",
            "file:///etc/passwd",
            "//user:password@127.0.0.1/film",
            "http://127.0.0.1@localhost:1/film",
            "http://127.0.0.1.example/film",
            "http://[::1]:1/film",
            "http://127.0.0.1:99999/film",
            "javascript:1",
        ],
    )
    def test_what_is_no_place_to_go_is_passed_on(self, rig: Rig, location: str) -> None:
        moved = rig.put(1, prefix="closed/")
        moved.fault(Fault(redirect=location), None)
        answer = moved.get()
        assert (answer.status, answer.field("Location")) == (302, location), told(answer)
        assert len(rig.origin.log) == 1

    def test_without_a_location(self, rig: Rig) -> None:
        moved = rig.put(1, prefix="closed/")
        moved.fault(Fault(status=302), None)
        assert moved.get().status == 302


class TestExpiry:
    """A redirect leads to a signed URL, which is good for a while only."""

    @pytest.mark.parametrize("status", [401, 403, 410])
    def test_every_fetch_is_resolved(self, rig: Rig, other: Origin, status: int) -> None:
        """The first fetch went to a target that has expired since."""
        moved, content = rig.put(1, prefix="open/"), Pattern(8 * MIB, seed=9)
        other.put("film", content)
        moved.fault(Fault(redirect=abroad(other, "film?signature=1")))
        moved.fault(Fault(redirect=abroad(other, "film?signature=2")), None)
        exact_part(moved.get("0-99"), content, 0, 100)
        other.fault("film", Fault(status=status), None, when=is_first)
        exact_part(moved.get("5000000-5000099"), content, 5000000, 5000100)

    @pytest.mark.parametrize("status", [401, 403, 410])
    def test_an_expired_target_is_resolved_anew(self, rig: Rig, other: Origin, status: int) -> None:
        """The origin itself hands out the expired target once more."""
        moved, content = rig.put(1, prefix="open/"), Pattern(8 * MIB, seed=9)
        other.put("film", content)
        moved.fault(Fault(redirect=abroad(other, "film?signature=1")), 2)
        moved.fault(Fault(redirect=abroad(other, "film?signature=2")), None)
        exact_part(moved.get("0-99"), content, 0, 100)
        other.fault("film", Fault(status=status), None, when=is_first)
        exact_part(moved.get("5000000-5000099"), content, 5000000, 5000100)

    def test_a_break_after_expiry_is_resumed(self, rig: Rig, other: Origin) -> None:
        moved, content = rig.put(1, prefix="open/"), Pattern(8 * MIB, seed=9)
        other.put("film", content)
        moved.fault(Fault(redirect=abroad(other, "film?signature=1")))
        moved.fault(Fault(redirect=abroad(other, "film?signature=2")), None)
        other.fault("film", Fault(cut_after=3_000_000))
        other.fault("film", Fault(status=403), None, when=is_first)
        exact(moved.get(), content)

    def test_what_stays_expired_is_passed_on(self, rig: Rig, other: Origin) -> None:
        moved = rig.put(1, prefix="open/")
        other.put("film", b"x")
        other.fault("film", Fault(status=403, body=b"no"), None)
        moved.fault(Fault(redirect=abroad(other, "film")), None)
        answer = moved.get()
        assert (answer.status, answer.body) == (403, b"no"), told(answer)
        assert len(other.log) == 2


def is_first(served: Served) -> bool:
    """Whether a request came by the first signature."""
    return served.target.endswith(b"=1")
