"""What is fresh is served without asking; what is stale is asked about, and kept if it is the same."""

from email.utils import formatdate

import pytest

from tests.integration.rig import KIB, MIB, Rig, Thing, at_once_held, exact, exact_part, told
from tests.servers.deadline import until
from tests.servers.fetch import Answer
from tests.servers.origin import Fault, Origin, Pattern
from tests.servers.proxycache import Config

HIT = "proxycache; hit"
LONG_AGO = formatdate(1_000_000_000, usegmt=True)
LONGER_AGO = formatdate(900_000_000, usegmt=True)


@pytest.fixture(scope="module")
def config(origin: Origin) -> Config:
    """An origin whose objects are fresh for an hour where it says nothing, and one for which nobody says anything."""
    silent = {"name": "silent", "prefix": "/silent/", "url": origin.url, "default_ttl": "1h"}
    zero = {"name": "zero", "prefix": "/zero/", "url": origin.url, "default_ttl": 0}
    erring = {"name": "erring", "prefix": "/erring/", "url": origin.url, "default_ttl": "1h", "error_ttl": "1h"}
    return {
        "fetch": {"idle_timeout": 2, "linger": 0.2},
        "origin": [{"name": "plain", "prefix": "/", "url": origin.url}, silent, zero, erring],
    }


def put_stale(rig: Rig, length: int, **how: str | None) -> Thing:
    """An object that arrives an hour old, and is new when asked about again."""
    old = rig.put(length, headers=(("Age", "3600"),), **how)  # type: ignore[arg-type]
    old.get_whole()
    put_anew(old, old.body, **how)
    return old


def put_anew(thing: Thing, body: object, **how: str | None) -> None:
    """Replace the object at the origin."""
    thing.origin.put(thing.path, body, **how)  # type: ignore[arg-type]


class TestFresh:
    @pytest.mark.parametrize(
        ("cache_control", "headers"),
        [
            ("max-age=60", ()),
            ("public, max-age=60", ()),
            ("s-maxage=60, max-age=0", ()),
            ("MAX-AGE=60", ()),
            ('max-age="60"', ()),
            (None, (("Expires", "Fri, 01 Jan 2100 00:00:00 GMT"),)),
            (None, (("Expires", "FRI, 01 jAN 2100 00:00:00 gMT"),)),
            ("max-age=60", (("Expires", "Fri, 01 Jan 1999 00:00:00 GMT"),)),
            ("max-age=60", (("Age", "30"),)),
            ("no-cache", (("CDN-Cache-Control", "max-age=60"),)),
            (None, (("Last-Modified", LONG_AGO),)),
        ],
    )
    def test_it_is_not_asked_about(
        self, rig: Rig, cache_control: str | None, headers: tuple[tuple[str, str], ...]
    ) -> None:
        film = rig.put(300 * KIB, cache_control=cache_control, headers=headers)
        film.get_whole()
        assert film.get_whole().cache_status == HIT
        assert film.get_part(5, 100).cache_status == HIT
        assert len(film.requests) == 1

    def test_by_default_where_the_origin_says_nothing(self, rig: Rig) -> None:
        page = rig.put(1000, etag=None, cache_control=None, prefix="silent/")
        page.get_whole()
        assert page.get_whole().cache_status == HIT
        assert len(page.requests) == 1

    def test_the_default_does_not_overrule(self, rig: Rig) -> None:
        page = rig.put(1000, cache_control="max-age=0", prefix="silent/")
        page.get_whole()
        page.get_whole()
        assert len(page.requests) == 2

    def test_nobody_says_anything(self, rig: Rig) -> None:
        """No lifetime of our own making: asked every time."""
        for prefix in ("", "zero/"):
            page = rig.put(1000, etag=None, cache_control=None, prefix=prefix)
            page.get_whole()
            page.get_whole()
            assert len(page.requests) == 2

    @pytest.mark.parametrize("status", [404, 405, 410, 414, 501])
    def test_the_default_is_not_for_errors(self, rig: Rig, status: int) -> None:
        """What is not there yet may be there the next moment."""
        page = rig.put(1000, etag=None, cache_control=None, prefix="silent/")
        page.fault(Fault(status=status))
        assert page.get().status == status
        page.get_whole()
        assert page.get_whole().cache_status == HIT

    @pytest.mark.parametrize("status", [404, 405, 410, 414, 501])
    def test_errors_have_one_of_their_own(self, rig: Rig, status: int) -> None:
        page = rig.put(1000, etag=None, cache_control=None, prefix="erring/")
        page.fault(Fault(status=status), None)
        page.get()
        again = page.get()
        assert (again.status, again.cache_status) == (status, HIT), told(again)

    @pytest.mark.parametrize("status", [400, 403])
    def test_which_is_not_for_all(self, rig: Rig, status: int) -> None:
        page = rig.put(1000, etag=None, cache_control=None, prefix="erring/")
        page.fault(Fault(status=status, headers=(("Cache-Control", "public"),)))
        page.get()
        page.get_whole()

    def test_age_goes_on(self, rig: Rig) -> None:
        film = rig.put(1000, headers=(("Age", "100"),))
        assert int(film.get_whole().field("Age") or "") in (100, 101)
        until(lambda: int(film.get_whole().field("Age") or "") >= 101, "Age to grow")
        assert len(film.requests) == 1

    def test_it_ends(self, rig: Rig) -> None:
        film = rig.put(1000, cache_control="max-age=1")
        film.get_whole()
        assert film.get_whole().cache_status == HIT
        until(lambda: len(film.requests) == 1 and film.get_whole().cache_status != HIT, "its end")
        assert [served.status for served in film.requests] == [200, 304]


class TestStale:
    @pytest.mark.parametrize(
        ("cache_control", "headers"),
        [
            ("max-age=0", ()),
            ("no-cache", ()),
            ("max-age=60", (("Age", "60"),)),
            ("max-age=abc", ()),
            (None, (("Expires", "0"),)),
            (None, (("Expires", "Fri, 01 Jan 1999 00:00:00 GMT"),)),
            ("s-maxage=0, max-age=60", ()),
            (None, ()),
        ],
    )
    def test_it_is_asked_about_and_kept(
        self, rig: Rig, cache_control: str | None, headers: tuple[tuple[str, str], ...]
    ) -> None:
        film = rig.put(3 * MIB, cache_control=cache_control, headers=headers)
        film.get_whole()
        film.get_whole()
        film.get_part(5, 100)
        film.assert_sent_once()
        assert [served.status for served in film.requests] == [200, 304, 304]
        assert [served.field("If-None-Match") for served in film.requests] == [None, '"v1"', '"v1"']

    def test_by_its_date_where_there_is_no_tag(self, rig: Rig) -> None:
        film = rig.put(3 * MIB, etag=None, last_modified=LONG_AGO, cache_control="max-age=0")
        film.get_whole()
        film.get_whole()
        film.assert_sent_once()
        assert film.requests[1].field("If-Modified-Since") == LONG_AGO

    def test_a_304_with_another_date_is_of_another_version(self, rig: Rig) -> None:
        """An older file was put back: to an origin that only asks whether it was changed since, it is the same."""
        film = put_stale(rig, 300 * KIB, etag=None, last_modified=LONG_AGO)
        old = Pattern(300 * KIB, seed=66)
        put_anew(film, old, etag=None, last_modified=LONGER_AGO)
        exact(film.get(), old)
        assert [served.status for served in film.requests] == [200, 304, 200]

    def test_a_304_makes_it_fresh(self, rig: Rig) -> None:
        film = put_stale(rig, 3 * MIB)
        renewed = film.get_whole()
        assert renewed.field("Age") == "0"
        assert film.get_whole().cache_status == HIT
        assert [served.status for served in film.requests] == [200, 304]
        film.assert_sent_once()

    def test_a_304_brings_new_fields(self, rig: Rig) -> None:
        film = put_stale(rig, 1000)
        rig.origin.put(film.path, film.body, headers=(("X-New", "1"),), cache_control="max-age=77")
        for _ in range(2):
            answer = film.get_whole()
            assert (answer.field("X-New"), answer.field("Cache-Control")) == ("1", "max-age=77"), told(answer)

    def test_chunks_are_inherited_and_the_rest_is_fetched(self, rig: Rig) -> None:
        film = rig.put(8 * MIB, cache_control="max-age=0")
        film.get_part(0, MIB)
        film.get_part(2 * MIB, 3 * MIB)
        film.get_part(0, 4 * MIB)
        film.get_whole()
        film.assert_sent_once()

    def test_a_range_is_asked_about_with_its_range(self, rig: Rig) -> None:
        """Changed, it comes at once."""
        film = rig.put(8 * MIB, cache_control="max-age=0")
        film.get_part(0, MIB)
        new = Pattern(8 * MIB, seed=1_000_000)
        rig.origin.put(film.path, new, etag='"v2"', cache_control="max-age=60")
        asked = len(film.requests)
        exact_part(film.get("100-199"), new, 100, 200)
        first = film.requests[asked]
        assert (first.status, first.field("If-None-Match")) == (206, '"v1"')
        assert (first.range or "").startswith("bytes=100-")

    @pytest.mark.parametrize("length", [1000, 3 * MIB, 5 * MIB])
    def test_changed_it_is_another(self, rig: Rig, length: int) -> None:
        film = put_stale(rig, 3 * MIB)
        new = Pattern(length, seed=1_000_000)
        rig.origin.put(film.path, new, etag='"v2"')
        exact(film.get(), new)
        assert film.get().cache_status == HIT
        exact_part(film.get("5-99"), new, 5, 100)
        assert [served.status for served in film.requests] == [200, 200]

    def test_the_old_ones_space_is_given_back(self, rig: Rig) -> None:
        film = put_stale(rig, 20 * MIB)
        before = rig.proxy.metrics()["proxycache_cached_bytes"]
        new = Pattern(MIB, seed=1_000_000)
        rig.origin.put(film.path, new, etag='"v2"')
        exact(film.get(), new)
        until(
            lambda: rig.proxy.metrics()["proxycache_cached_bytes"] <= before - 19 * MIB,
            "the old generation to be dropped",
        )

    def test_gone_it_is_gone(self, rig: Rig) -> None:
        film = put_stale(rig, 1000)
        rig.origin.remove(film.path)
        assert film.get().status == 404

    def test_a_crowd_asks_once(self, rig: Rig) -> None:
        film = put_stale(rig, 300 * KIB)
        at_once_held(film, [film.get_whole] * 20)
        assert [served.status for served in film.requests] == [200, 304]

    def test_while_revalidating_it_is_served(self, rig: Rig) -> None:
        how = {"cache_control": "max-age=60, stale-while-revalidate=86400"}
        film = put_stale(rig, 300 * KIB, **how)
        with rig.origin.gate(film.path) as gate:
            film.get_whole()
            gate.wait_held(1)
        rig.origin.wait_for(lambda log: [served.status for served in log] == [200, 304])
        until(lambda: film.get_whole().cache_status == HIT, "the renewed entry")
        assert int(film.get_whole().field("Age") or "") < 60

    def test_a_request_may_insist(self, rig: Rig) -> None:
        film = rig.put(1000)
        film.get_whole()
        for directive in ("no-cache", "max-age=0", "min-fresh=999999"):
            film.get_whole(("Cache-Control", directive))
        film.get_whole(("Pragma", "no-cache"))
        assert [served.status for served in film.requests] == [200, 304, 304, 304, 304]


VALIDATORS = {
    "a strong tag": ("ETag", '"v1"'),
    "a weak tag": ("ETag", 'W/"v1"'),
    "a date": ("Last-Modified", LONG_AGO),
    "a date of just now": ("Last-Modified", formatdate(usegmt=True)),
}


@pytest.mark.parametrize("validator", VALIDATORS.values(), ids=VALIDATORS)
class TestTheAnswerToAHead:
    """It renews the fields of what is stored, and leaves the bytes (RFC 9111, section 4.3.5)."""

    def stale(self, rig: Rig, validator: tuple[str, str]) -> Thing:
        """What is stored is out of date; the origin knows the validator, but answers no conditions."""
        film = rig.put(3 * MIB, etag=None, headers=(validator, ("Age", "3600"), ("X-Old", "1")))
        film.get_whole()
        return film

    def test_of_the_same_version(self, rig: Rig, validator: tuple[str, str]) -> None:
        film = self.stale(rig, validator)
        film.origin.put(film.path, film.body, etag=None, headers=(validator, ("X-New", "1")))
        head = film.get(method="HEAD")
        assert (head.status, head.field("X-New"), head.field("Content-Length")) == (200, "1", str(film.length))
        asked = len(film.requests)
        answer = film.get_whole()
        assert (answer.cache_status, answer.field("X-New"), answer.field("X-Old")) == (HIT, "1", "1")
        assert len(film.requests) == asked

    @pytest.mark.parametrize("length", [3 * MIB, 2 * MIB])
    def test_of_another_version(self, rig: Rig, validator: tuple[str, str], length: int) -> None:
        """Which is told by its length alone, or by its validator."""
        film, name = self.stale(rig, validator), validator[0]
        if length == film.length:
            validator = (name, '"v2"' if name == "ETag" else LONGER_AGO)
        new = Pattern(length, seed=77)
        film.origin.put(film.path, new, etag=None, headers=(validator,))
        assert film.get(method="HEAD").field("Content-Length") == str(length)
        exact(film.get(), new)


class TestClientsOwnConditions:
    """They are answered from the entry, and do not reach the origin."""

    def ask(self, film: Thing, *headers: tuple[str, str], range: str | None = None) -> Answer:
        """Ask twice, cold and hot, which must give the same."""
        first, second = film.get(range, *headers), film.get(range, *headers)
        assert (first.status, first.body) == (second.status, second.body), told(second)
        return second

    def test_not_modified(self, rig: Rig) -> None:
        film = rig.put(300 * KIB, last_modified=LONG_AGO)
        for header in (("If-None-Match", '"v1"'), ("If-None-Match", '"x", W/"v1"'), ("If-None-Match", "*")):
            answer = self.ask(film, header)
            assert (answer.status, answer.body, answer.field("ETag")) == (304, b"", '"v1"'), told(answer)
        assert self.ask(film, ("If-Modified-Since", LONG_AGO)).status == 304
        assert self.ask(film, ("If-None-Match", '"x"'), ("If-Modified-Since", LONG_AGO)).status == 200

    def test_failed(self, rig: Rig) -> None:
        film = rig.put(300 * KIB, last_modified=LONG_AGO)
        assert self.ask(film, ("If-Match", '"x"')).status == 412
        assert self.ask(film, ("If-Match", 'W/"v1"')).status == 412
        assert self.ask(film, ("If-Unmodified-Since", formatdate(1, usegmt=True))).status == 412
        assert self.ask(film, ("If-Match", '"v1"')).status == 200

    def test_if_range(self, rig: Rig) -> None:
        film = rig.put(300 * KIB, last_modified=LONG_AGO)
        for value, status in (
            ('"v1"', 206),
            ('"v2"', 200),
            ('W/"v1"', 200),
            (LONG_AGO, 206),
            (formatdate(2, usegmt=True), 200),
            ("nonsense", 200),
        ):
            answer = self.ask(film, ("If-Range", value), range="100-199")
            assert answer.status == status, told(answer)
            if status == 206:
                exact_part(answer, film.body, 100, 200)
            else:
                exact(answer, film.body)

    def test_the_origin_is_not_asked_by_them(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        self.ask(film, ("If-None-Match", '"v1"'), ("If-Match", '"v1"'), ("If-Range", '"v1"'), range="0-99")
        for served in film.requests:
            assert served.field("If-None-Match") is None
            assert served.field("If-Match") is None
