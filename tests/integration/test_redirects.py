"""Redirects are the client's where its base changes, and else ours, as far as the configuration allows."""

import time
from collections.abc import Callable

import pytest

from tests.integration.rig import MIB, Rig, Thing, exact, exact_part, told
from tests.servers.fetch import Answer, fetch
from tests.servers.origin import Fault, Origin, Pattern, Served
from tests.servers.proxycache import Config

STATUSES = [301, 302, 303, 307, 308]


@pytest.fixture(scope="module")
def config(origin: Origin, other: Origin) -> Config:
    """An origin that may redirect to the other one's port, with credentials for its own host alone; one that may not."""
    open_ = {
        "name": "open",
        "prefix": "/open/",
        "url": origin.url,
        "redirect_hosts": [f"localhost:{other.port}", f"127.0.0.1:{other.port}"],
        "headers": {"Authorization": "Bearer s3cret", "X-Extra": "1"},
    }
    closed = {"name": "closed", "prefix": "/closed/", "url": origin.url, "methods": ["GET", "HEAD", "POST"]}
    below = {"name": "below", "prefix": "/below/", "url": other.url + "below/"}
    return {"fetch": {"idle_timeout": 5}, "origin": [open_, closed, below]}


@pytest.fixture(autouse=True)
def clean_other(other: Origin) -> None:
    """The other origin forgets the test before."""
    other.clear_faults()
    other.clear_log()


def abroad(other: Origin, path: str) -> str:
    """The other origin's URL under a name that is not the configured origin's."""
    return f"http://localhost:{other.port}/{path}"


def sent_on(answer: Answer, status: int, location: str) -> None:
    """A redirect to be followed by the client."""
    assert (answer.status, answer.field("Location"), answer.complete) == (status, location, True), told(answer)


class TestTheBaseStays:
    """Nothing but the last segment or the query differs: it only signs or resolves, and is followed."""

    @pytest.mark.parametrize("status", STATUSES)
    def test_is_followed(self, rig: Rig, status: int) -> None:
        film = rig.put(3 * MIB, prefix="closed/")
        for location in (f"/real-{status}.bin", f"{rig.origin.url}real-{status}.bin", f"real-{status}.bin"):
            moved = rig.put(1, prefix="closed/")
            rig.put(film.body, path=f"real-{status}.bin")
            moved.fault(Fault(redirect=location, status=status), None)
            exact(moved.get(), film.body)
            assert [served.path for served in rig.origin.log[-2:]] == ["/" + moved.path, f"/real-{status}.bin"]
            again = "hit" if status in (301, 308) else "fwd=stale; fwd-status=304; stored"
            assert moved.get().cache_status == f"proxycache; {again}"

    def test_to_the_same_with_a_token(self, rig: Rig) -> None:
        film = rig.put(3 * MIB, prefix="closed/")
        kept = (("Cache-Control", "max-age=60"),)
        film.fault(
            Fault(redirect=f"/{film.path}?token=1", headers=kept), None, when=lambda served: b"?" not in served.target
        )
        film.get_whole()
        assert film.get_whole().cache_status == "proxycache; hit"

    def test_ranges_are_asked_of_the_target(self, rig: Rig) -> None:
        moved, film = rig.put(1, prefix="closed/"), rig.put(5 * MIB)
        moved.fault(Fault(redirect="/" + film.path), None)
        exact_part(moved.get("3000000-3000099"), film.body, 3000000, 3000100)
        exact(moved.get(), film.body)
        assert (film.ranges[0] or "").startswith("bytes=3000000-")

    def test_the_target_arrives_as_it_was_sent(self, rig: Rig) -> None:
        moved = rig.put(1, prefix="closed/")
        content = Pattern(1000, seed=1)
        rig.origin.put("/a%2Fb;c?d=%E9&&e", content)
        moved.fault(Fault(redirect="/a%2Fb;c?d=%E9&&e#fragment"))
        exact(moved.get(), content)

    def test_beneath_empty_segments(self, rig: Rig) -> None:
        content = Pattern(1000, seed=1)
        rig.origin.put("/a//b/f?", content)
        rig.origin.fault("/a//b/e", Fault(redirect="f?"), None)
        exact(fetch(f"{rig.proxy.url}closed/a//b/e"), content)

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
        assert time.monotonic() - before < 4

    def test_outside_of_what_origins_cover_it_may_change(self, rig: Rig, other: Origin) -> None:
        """The client could not get there by us."""
        content = Pattern(1000, seed=1)
        other.put("elsewhere/film.bin", content)
        other.put("below/f", b"")
        other.fault("below/f", Fault(redirect="/elsewhere/film.bin"), None)
        exact(fetch(f"{rig.proxy.url}below/f"), content)


class TestTheBaseChanges:
    """An origin of ours covers it: the client goes there, by our own path, and learns its new base."""

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize("status", STATUSES)
    def test_goes_to_the_client(self, rig: Rig, status: int, method: str) -> None:
        film = rig.put(3 * MIB, path=f"sub/{status}/{method}.bin", prefix="closed/")
        own = f"/closed/{film.path}"
        for location in (f"/{film.path}", f"{rig.origin.url}{film.path}", film.path, f"./x/../{film.path}#part"):
            moved = rig.put(1, prefix="closed/")
            moved.fault(Fault(redirect=location, status=status), None)
            sent_on(moved.get(method=method), status, own + location[len(location.partition("#")[0]) :])
        assert film.requests == []
        exact(fetch(rig.proxy.url + own[1:]), film.body)
        assert fetch(rig.proxy.url + own[1:]).cache_status == "proxycache; hit"

    def test_a_range_of_it_too(self, rig: Rig) -> None:
        moved = rig.put(1, prefix="closed/")
        moved.fault(Fault(redirect="/sub/film.bin"), None)
        sent_on(moved.get("0-99"), 302, "/closed/sub/film.bin")

    def test_from_a_file_to_its_folder(self, rig: Rig) -> None:
        rig.origin.put("list/", b"<a href=x>")
        rig.origin.fault("list", Fault(redirect="/list/", status=301), None)
        sent_on(fetch(rig.proxy.url + "closed/list"), 301, "/closed/list/")

    def test_from_https_or_to_it(self, rig: Rig) -> None:
        moved = rig.put(1, prefix="closed/")
        moved.fault(Fault(redirect=f"https://127.0.0.1:{rig.origin.port}/sub/film.bin"), None)
        sent_on(moved.get(), 302, "/closed/sub/film.bin")

    def test_to_https_of_the_same_it_stays_as_it_is(self, rig: Rig) -> None:
        """Rewritten it would lead back for ever."""
        moved = rig.put(1, prefix="closed/")
        location = f"https://127.0.0.1:{rig.origin.port}/{moved.path}"
        moved.fault(Fault(redirect=location, status=301), None)
        sent_on(moved.get(), 301, location)

    def test_stored_and_served_as_a_hit(self, rig: Rig) -> None:
        moved = rig.put(1, prefix="closed/")
        kept = (("Cache-Control", "max-age=60"),)
        moved.fault(Fault(redirect="/sub/film.bin", status=301, headers=kept, body=b"moved"), None)
        for _ in range(2):
            answer = moved.get()
            sent_on(answer, 301, "/closed/sub/film.bin")
        assert answer.cache_status == "proxycache; hit"
        assert answer.body == b"moved"
        assert len(moved.requests) == 1

    def test_after_other_methods(self, rig: Rig) -> None:
        moved = rig.put(1, prefix="closed/")
        moved.fault(Fault(redirect=f"{rig.origin.url}sub/made", status=303), None)
        sent_on(moved.get(method="POST"), 303, "/closed/sub/made")
        moved.origin.clear_faults(moved.path)
        moved.fault(Fault(status=201, headers=(("Location", "made"), ("Content-Location", "/sub/made"))), None)
        answer = moved.get(method="POST")
        sent_on(answer, 201, "/closed/made")
        assert answer.field("Content-Location") == "/closed/sub/made"

    def test_by_way_of_an_allowed_host(self, rig: Rig, other: Origin) -> None:
        moved = rig.put(1, prefix="open/")
        other.put("on", b"")
        other.fault("on", Fault(redirect=f"{rig.origin.url}sub/film.bin"), None)
        moved.fault(Fault(redirect=abroad(other, "on")), None)
        sent_on(moved.get(), 302, "/open/sub/film.bin")

    def test_one_in_mid_body_is_followed(self, rig: Rig) -> None:
        """The client has begun to read, and cannot go anywhere; the version tells that it is the same."""
        film = rig.put(8 * MIB, prefix="closed/")
        rig.put(film.body, path="sub/moved.bin")
        film.fault(Fault(cut_after=3 * MIB))
        film.fault(Fault(redirect="/sub/moved.bin"), None)
        film.get_whole()

    def test_one_that_only_the_client_may_follow_is_its_own_even_where_a_part_is_cached(
        self, rig: Rig, other: Origin
    ) -> None:
        film = rig.put(8 * MIB, prefix="closed/")
        film.get_part(0, 100)
        film.fault(Fault(redirect=abroad(other, "film")), None)
        sent_on(film.get("5000000-5000099"), 302, abroad(other, "film"))


class TestHowMany:
    """Where it does not end, the last redirect goes to the client."""

    def chain(self, rig: Rig, count: int) -> list[Thing]:
        """A chain of so many redirects to an object of 1000 bytes, from its beginning."""
        hops = [rig.put(Pattern(1000, seed=1), prefix="closed/")]
        for _ in range(count):
            hop = rig.put(1, prefix="closed/")
            hop.fault(Fault(redirect="/" + hops[0].path), None)
            hops.insert(0, hop)
        return hops

    def test_five_are_followed(self, rig: Rig) -> None:
        exact(self.chain(rig, 5)[0].get(), Pattern(1000, seed=1))
        assert len(rig.origin.log) == 6

    def test_the_sixth_is_passed_on(self, rig: Rig) -> None:
        hops = self.chain(rig, 6)
        sent_on(hops[0].get(), 302, f"/closed/{hops[6].path}")
        assert len(rig.origin.log) == 6

    def test_a_circle(self, rig: Rig) -> None:
        one, two = rig.put(1, prefix="closed/"), rig.put(1, prefix="closed/")
        one.fault(Fault(redirect="/" + two.path), None)
        two.fault(Fault(redirect="/" + one.path), None)
        sent_on(one.get(), 302, f"/closed/{one.path}")
        assert len(rig.origin.log) == 2

    def test_to_itself(self, rig: Rig) -> None:
        """As where the origin wants to see its cookie again."""
        moved = rig.put(1, prefix="closed/")
        moved.fault(Fault(redirect="/" + moved.path, headers=(("Set-Cookie", "a=b"),)), None)
        answer = moved.get()
        sent_on(answer, 302, f"/closed/{moved.path}")
        assert answer.field("Set-Cookie") == "a=b"
        assert len(rig.origin.log) == 1

    def test_a_circle_abroad_is_told_with_its_host(self, rig: Rig, other: Origin) -> None:
        moved = rig.put(1, prefix="open/")
        other.put("on", b"")
        other.fault("on", Fault(redirect="on"), None)
        moved.fault(Fault(redirect=abroad(other, "on")), None)
        sent_on(moved.get(), 302, abroad(other, "on"))


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
        sent_on(moved.get(), status, location)
        sent_on(moved.get("0-99"), status, location)
        assert other.log == []

    def test_another_port_of_the_origins_host_neither(self, rig: Rig, other: Origin) -> None:
        moved = rig.put(1, prefix="closed/")
        location = f"http://127.0.0.1:{other.port}/film"
        other.put("film", b"secret")
        moved.fault(Fault(redirect=location), None)
        sent_on(moved.get(), 302, location)
        assert other.log == []

    def test_nor_our_own_admin_listener(self, rig: Rig) -> None:
        moved = rig.put(1, prefix="closed/")
        moved.fault(Fault(redirect=rig.proxy.admin_url + "metrics"), None)
        answer = moved.get()
        sent_on(answer, 302, rig.proxy.admin_url + "metrics")
        assert answer.body == b""

    def test_a_port_where_nobody_listens_is_not_told(self, rig: Rig, other: Origin) -> None:
        moved = rig.put(1, prefix="closed/")
        moved.fault(Fault(redirect="http://127.0.0.1:1/", body=b"moved"), None)
        answer = moved.get()
        sent_on(answer, 302, "http://127.0.0.1:1/")
        assert answer.body == b"moved"

    def test_not_by_way_of_an_allowed_one_either(self, rig: Rig, other: Origin) -> None:
        moved, location = rig.put(1, prefix="open/"), f"http://0.0.0.0:{other.port}/film"
        other.put("on", b"")
        other.put("film", b"secret")
        other.fault("on", Fault(redirect=location), None)
        moved.fault(Fault(redirect=abroad(other, "on")), None)
        sent_on(moved.get(), 302, location)
        assert [served.path for served in other.log] == ["/on"]

    @pytest.mark.parametrize(
        "location",
        [
            "ftp://127.0.0.1/film",
            "file:///etc/passwd",
            "http://user:password@127.0.0.1/film",
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
        sent_on(moved.get(), 302, location)
        assert len(rig.origin.log) == 1

    def test_without_a_location(self, rig: Rig) -> None:
        moved = rig.put(1, prefix="closed/")
        moved.fault(Fault(status=302), None)
        assert moved.get().status == 302


def without(cookie: str) -> Callable[[Served], bool]:
    """Whether a request came without a cookie."""
    return lambda served: cookie not in (served.field("Cookie") or "").split("; ")


class TestCookies:
    """A redirect sets one, and wants to see it where it leads."""

    SETTING = (("Set-Cookie", "ticket=1; Path=/"), ("Set-Cookie", "other=2; Path=/sub/"))

    def test_it_is_brought_to_where_we_go_and_told_to_the_client(self, rig: Rig) -> None:
        moved, film = rig.put(1, prefix="closed/"), rig.put(6 * MIB)
        moved.fault(Fault(redirect=f"/{film.path}?x=1", headers=self.SETTING), None)
        film.fault(Fault(status=403), None, when=without("ticket=1"))
        answer = moved.get("5-", ("Cookie", "mine=3; ticket=0"))
        exact_part(answer, film.body, 5, film.length)
        assert {served.field("Cookie") for served in film.requests} == {"mine=3; ticket=1"}
        cookies = [value for name, value in answer.fields if name.lower() == "set-cookie"]
        assert cookies == [value for _, value in self.SETTING]

    def test_what_is_stored_has_none(self, rig: Rig) -> None:
        moved, film = rig.put(1, prefix="closed/"), rig.put(1000)
        lasting = (*self.SETTING, ("Cache-Control", "max-age=60"))
        moved.fault(Fault(redirect="/" + film.path, headers=lasting), None)
        assert moved.get().field("Set-Cookie") is not None
        answer = moved.get()
        assert (answer.cache_status, answer.field("Set-Cookie")) == ("proxycache; hit", None)

    def test_another_host_does_not_see_it(self, rig: Rig, other: Origin) -> None:
        moved, content = rig.put(1, prefix="open/"), Pattern(1000, seed=9)
        other.put("film", content)
        moved.fault(Fault(redirect=abroad(other, "film"), headers=self.SETTING), None)
        exact(moved.get(), content)
        assert other.log[0].field("Cookie") is None

    def test_the_client_that_goes_itself_is_told(self, rig: Rig) -> None:
        moved, film = rig.put(1, prefix="closed/"), rig.put(1000, path="sub/ticketed.bin", prefix="closed/")
        moved.fault(Fault(redirect="/" + film.path, headers=self.SETTING), None)
        film.fault(Fault(status=403), None, when=without("ticket=1"))
        answer = moved.get()
        sent_on(answer, 302, f"/closed/{film.path}")
        cookies = [value for name, value in answer.fields if name.lower() == "set-cookie"]
        assert cookies == [value for _, value in self.SETTING]
        exact(film.get(None, ("Cookie", "ticket=1")), film.body)


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
