"""What is one client's, or nobody's to keep, is neither shared nor stored."""

from functools import partial

import pytest

from tests.integration.rig import KIB, MIB, Headers, Rig, Thing, at_once, at_once_held, exact
from tests.servers.fetch import Answer, same
from tests.servers.origin import Fault, Pattern
from tests.servers.proxycache import Proxycache

NOT_KEPT = [
    ("no-store", ()),
    ("no-store, max-age=3600", ()),
    ("private, max-age=3600", ()),
    ("private", ()),
    ("no-store", (("Set-Cookie", "session=1"),)),
    ("private", (("Set-Cookie", "session=1"),)),
    ("max-age=3600", (("Vary", "*"),)),
]


def stored_bytes(proxy: Proxycache) -> int:
    """What lies in the cache directory, beside the database, and is counted as cached."""
    files = [path for path in proxy.cache_dir.rglob("*") if path.is_file() and "index.sqlite" not in path.name]
    on_disk = sum(path.stat().st_blocks * 512 for path in files)
    return on_disk + int(proxy.metrics()["proxycache_cached_bytes"])


def ask_as(film: Thing, client: str) -> Answer:
    """Ask for all of it with credentials."""
    return film.get_whole(("Authorization", f"Bearer {client}"))


@pytest.mark.parametrize(("cache_control", "headers"), NOT_KEPT)
class TestNotToBeKept:
    def test_one_after_the_other(self, rig: Rig, cache_control: str, headers: tuple[tuple[str, str], ...]) -> None:
        before = stored_bytes(rig.proxy)
        film = rig.put(3 * MIB, cache_control=cache_control, headers=headers)
        for count in (1, 2, 3):
            answer = film.get_whole()
            assert len(film.requests) == count
            assert answer.field("Set-Cookie") == dict(headers).get("Set-Cookie")
            assert "stored" not in answer.cache_status
        film.get_part(MIB + 5, 2 * MIB)
        assert film.requests[-1].range == f"bytes={MIB + 5}-{2 * MIB - 1}"
        assert stored_bytes(rig.proxy) == before

    def test_at_once(self, rig: Rig, cache_control: str, headers: tuple[tuple[str, str], ...]) -> None:
        """They wait for the first answer, and then each gets one of its own."""
        film = rig.put(300 * KIB, cache_control=cache_control, headers=headers)
        at_once_held(film, [film.get_whole] * 5)
        assert len(film.requests) == 5


class TestAuthorization:
    def test_without_permission_each_gets_an_answer_of_its_own(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        for client in ("a", "b", "a"):
            ask_as(film, client)
        assert [served.field("Authorization") for served in film.requests] == ["Bearer a", "Bearer b", "Bearer a"]

    def test_at_once(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        clients = [f"client-{number}" for number in range(10)]
        at_once([partial(ask_as, film, client) for client in clients])
        assert sorted(served.field("Authorization") or "" for served in film.requests) == [
            f"Bearer {client}" for client in clients
        ]

    def test_an_answer_to_one_is_not_given_to_others(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        ask_as(film, "a")
        film.get_whole()
        assert film.requests[1].field("Authorization") is None

    def test_an_answer_to_nobody_in_particular_serves_all(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        film.get_whole()
        ask_as(film, "a")
        assert len(film.requests) == 1

    @pytest.mark.parametrize("permission", ["public, max-age=60", "s-maxage=60", "must-revalidate, max-age=60"])
    def test_with_permission_it_is_shared(self, rig: Rig, permission: str) -> None:
        film = rig.put(300 * KIB, cache_control=permission)
        ask_as(film, "a")
        ask_as(film, "b")
        film.get_whole()
        assert len(film.requests) == 1

    def test_ranges_carry_it_too(self, rig: Rig) -> None:
        film = rig.put(4 * MIB)
        for client in ("a", "b"):
            film.get_part(3 * MIB + 5, 3 * MIB + 10, ("Authorization", f"Bearer {client}"))
        for served in film.requests:
            assert served.field("Authorization") in ("Bearer a", "Bearer b")
        assert film.requests[-1].field("Authorization") == "Bearer b"


FOR_ONE: list[Headers] = [
    (("Authorization", "Bearer a"), ("Cache-Control", "no-cache")),
    (("Cache-Control", "no-cache, no-store"),),
]


@pytest.mark.parametrize("headers", FOR_ONE)
class TestWhatIsStoredForOthersStays:
    @pytest.mark.parametrize("asked", [None, "0-99"])
    @pytest.mark.parametrize("conditions", ["heeded", "not heeded"])
    def test_where_one_gets_the_same_version(
        self, rig: Rig, headers: Headers, conditions: str, asked: str | None
    ) -> None:
        """As a 304, or as a whole answer."""
        if conditions == "heeded":
            film = rig.put(300 * KIB)
        else:
            film = rig.put(300 * KIB, etag=None, headers=(("ETag", '"v1"'),))
        film.get_whole()
        answer = film.get(asked, *headers)
        same(film.body, 0, answer.body)
        assert "stored" not in answer.cache_status
        # Who is authorised asks as he does, without validators of ours.
        confirmed = conditions == "heeded" and "Authorization" not in dict(headers)
        assert film.requests[-1].status == (304 if confirmed else 206 if asked else 200)
        asked_before = len(film.requests)
        assert film.get_whole().cache_status == "proxycache; hit"
        assert len(film.requests) == asked_before

    def test_but_not_where_one_gets_another_version(self, rig: Rig, headers: Headers) -> None:
        film = rig.put(300 * KIB)
        film.get_whole()
        new = Pattern(300 * KIB, seed=77)
        film.origin.put(film.path, new, etag='"v2"')
        exact(film.get(None, *headers), new)
        answer = film.get()
        exact(answer, new)
        assert answer.cache_status == "proxycache; fwd=uri-miss; stored"

    def test_the_fields_of_a_304_are_for_him_alone(self, rig: Rig, headers: Headers) -> None:
        film = rig.put(300 * KIB, headers=(("X-For", "all"),))
        film.get_whole()
        film.origin.put(film.path, film.body, headers=(("X-For", "one"),))
        assert film.get_whole(*headers).field("X-For") == "one"
        assert film.get_whole().field("X-For") == "all"


def test_what_is_not_there_for_one_is_there_for_others(rig: Rig) -> None:
    film = rig.put(300 * KIB)
    film.get_whole()
    film.fault(Fault(status=404))
    assert film.get(None, *FOR_ONE[0]).status == 404
    assert film.get_whole().cache_status == "proxycache; hit"


class TestTheRestOfWhatIsStoredInPart:
    """Others do not get what came in an answer that may not be kept, be it of the very version."""

    ASKED = (5_000_000, 5_000_100)

    def put(self, rig: Rig) -> Thing:
        film = rig.put(8 * MIB)
        film.get_part(0, 100)
        return film

    @pytest.mark.parametrize("cache_control", ["private, max-age=60", "no-store"])
    def test_by_what_the_answer_says(self, rig: Rig, cache_control: str) -> None:
        film = self.put(rig)
        film.origin.put(film.path, film.body, cache_control=cache_control)
        for who in ("ann", "bob"):
            asked = len(film.requests)
            film.get_part(*self.ASKED, ("Cookie", f"user={who}"))
            assert {served.field("Cookie") for served in film.requests[asked:]} == {f"user={who}"}
        asked = len(film.requests)
        assert film.get_part(0, 100).cache_status == "proxycache; hit"
        assert len(film.requests) == asked

    @pytest.mark.parametrize(
        ("name", "value", "cause"),
        [("Authorization", "Bearer a", "authorization"), ("Cache-Control", "no-store", "request-no-store")],
    )
    @pytest.mark.parametrize("stale", [False, True])
    def test_by_what_the_request_says(self, rig: Rig, name: str, value: str, cause: str, stale: bool) -> None:
        film = rig.put(8 * MIB, headers=(("Age", "7200"),) if stale else ())
        film.get_part(0, 100)
        answer = film.get_part(*self.ASKED, (name, value))
        forwarded = "stale" if stale and name == "Authorization" else "bypass"
        assert answer.cache_status == f"proxycache; fwd={forwarded}; detail={cause}"
        assert film.requests[-1].range == f"bytes={self.ASKED[0]}-{self.ASKED[1] - 1}"
        asked = len(film.requests)
        film.get_part(*self.ASKED)
        assert {served.field(name) for served in film.requests[asked:]} == {None}

    def test_what_is_here_is_his_as_well(self, rig: Rig) -> None:
        film = self.put(rig)
        assert film.get_part(50, 90, ("Authorization", "Bearer a")).cache_status == "proxycache; hit"
        assert len(film.requests) == 1

    def test_where_it_may_be_kept_it_is(self, rig: Rig) -> None:
        film = rig.put(8 * MIB, cache_control="public, max-age=60")
        film.get_part(0, 100)
        film.get_part(*self.ASKED, ("Authorization", "Bearer a"))
        assert film.get_part(*self.ASKED).cache_status == "proxycache; hit"


class TestVary:
    def test_each_variant_is_an_entry(self, rig: Rig) -> None:
        film = rig.put(300 * KIB, headers=(("Vary", "Accept-Language, X-Device"),))
        for _ in range(2):
            for language in ("de", "en"):
                film.get_whole(("Accept-Language", language))
        film.get_whole()
        assert len(film.requests) == 3

    def test_at_once(self, rig: Rig) -> None:
        film = rig.put(300 * KIB, headers=(("Vary", "Accept-Language"),))
        asks = [partial(film.get_whole, ("Accept-Language", language)) for language in ("de", "en", "fr")]
        at_once_held(film, asks * 2)
        languages = {served.field("Accept-Language") for served in film.requests}
        assert languages == {"de", "en", "fr"}


@pytest.mark.parametrize("cache_control", [None, "max-age=0"])
@pytest.mark.parametrize("etag", ['"v1"', 'W/"v1"'])
class TestWhatWasNeverFresh:
    """It may be one client's page; this origin tells clients by their cookies."""

    def put(self, rig: Rig, cache_control: str | None, etag: str) -> Thing:
        page = rig.put(300 * KIB, cache_control=cache_control, etag=etag)
        page.get_whole(("Cookie", "user=ann"))
        return page

    @pytest.mark.parametrize("asked", ["max-stale", "max-stale=600", "stale-if-error=600", ""])
    def test_does_not_stand_in_for_another_ones(
        self, rig: Rig, cache_control: str | None, etag: str, asked: str
    ) -> None:
        page = self.put(rig, cache_control, etag)
        page.fault(Fault(status=403, headers=(("Cache-Control", "no-store"),)), None)
        assert page.get(None, ("Cookie", "user=bob"), ("Cache-Control", asked)).status == 403

    def test_nor_where_the_origin_is_away(self, rig: Rig, cache_control: str | None, etag: str) -> None:
        page = self.put(rig, cache_control, etag)
        page.fault(Fault(refuse=True), None)
        assert page.get(None, ("Cookie", "user=bob")).status == 502


class TestRequestsThatForbid:
    def test_no_store_in_a_request(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        film.get_whole(("Cache-Control", "no-store"))
        film.get_whole()
        assert len(film.requests) == 2

    def test_only_if_cached(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        assert film.get(None, ("Cache-Control", "only-if-cached")).status == 504
        assert film.requests == []
        film.get_whole()
        film.get_whole(("Cache-Control", "only-if-cached"))
        assert len(film.requests) == 1
