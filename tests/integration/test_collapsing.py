"""Who asks while another's request is under way gets its answer where it may be reused for him, and else asks himself."""

import time
from email.utils import formatdate
from typing import Any

import pytest

from tests.integration.crowd import answer_of, ask_all, ask_while_one_is_under_way
from tests.integration.rig import KIB, MIB, Headers, Rig, Thing, exact, exact_part, told
from tests.servers.fetch import Answer, same_stream
from tests.servers.origin import Fault, Pattern

WHO = ("ann", "bob", "cat")
LENGTH = 20 * KIB
LONG_AGO = formatdate(1_000_000_000, usegmt=True)


def put_for_each(
    page: Thing,
    *,
    cache_control: str | None = None,
    etag: str | None = None,
    dated: str = "",
    just_now: bool = False,
    expires: str = "",
) -> None:
    """The object is another for each client, of the same length.

    @param dated: a Last-Modified that all have, and by which the origin does not let itself be asked.
    @param just_now: a Last-Modified that no Date is later than, however long the answer takes: fresh for no moment.
    """
    told = {"Expires": expires, "Last-Modified": dated}
    for who in WHO:
        page.origin.put(
            page.path,
            personal(page, who),
            etag=None if etag is None else etag.format(who),
            last_modified=formatdate(time.time() + 3600, usegmt=True) if just_now else None,
            cache_control=cache_control,
            headers=tuple((name, value) for name, value in told.items() if value),
            cookie=f"user={who}",
        )


def personal(page: Thing, who: str) -> Pattern:
    """What is one client's."""
    return Pattern(LENGTH, seed=1000 * WHO.index(who) + len(page.path) + 7)


def cookies(count: int = 1) -> list[Headers]:
    """One request of each client, or several."""
    headers: list[Headers] = [(("Cookie", f"user={who}"),) for who in WHO]
    return headers * count


How = dict[str, Any]

UNSHARED: dict[str, How] = {
    "no-cache": {"cache_control": "no-cache", "etag": '"{}"'},
    "no-cache with the date of all": {"cache_control": "no-cache", "dated": LONG_AGO},
    "no-cache with a weak tag": {"cache_control": "no-cache", "etag": 'W/"{}"'},
    "must-revalidate": {"cache_control": "max-age=0, must-revalidate", "etag": '"{}"'},
    "s-maxage=0": {"cache_control": "s-maxage=0, max-age=60", "etag": '"{}"'},
    "a strong tag alone": {"etag": '"{}"'},
    "a weak tag alone": {"etag": 'W/"{}"'},
    "a date alone": {"just_now": True},
    "Expires: 0": {"etag": '"{}"', "expires": "0"},
    "nothing": {},
    "private": {"cache_control": "private, max-age=60", "etag": '"{}"'},
    "no-store": {"cache_control": "no-store", "etag": '"{}"'},
}


@pytest.mark.parametrize("how", UNSHARED.values(), ids=UNSHARED)
class TestEachGetsHisOwn:
    def put(self, rig: Rig, how: How) -> Thing:
        page = rig.put(LENGTH, cache_control="no-store")
        put_for_each(page, **how)
        return page

    def check(self, page: Thing, answers: list[Answer]) -> None:
        for who, answer in zip(WHO * len(answers), answers, strict=False):
            exact(answer, personal(page, who))
            assert "collapsed" not in answer.cache_status, told(answer)

    def test_at_first(self, rig: Rig, how: How) -> None:
        page = self.put(rig, how)
        self.check(page, ask_while_one_is_under_way(rig, page, cookies(2), then=5))

    def test_where_what_is_stored_has_changed(self, rig: Rig, how: How) -> None:
        page = rig.put(LENGTH, etag='"old"', headers=(("Age", "3600"),))
        page.get_whole()
        put_for_each(page, **how)
        self.check(page, ask_while_one_is_under_way(rig, page, cookies(2), then=5))

    def test_once_it_is_known_nobody_waits(self, rig: Rig, how: How) -> None:
        page = self.put(rig, how)
        exact(page.get(None, ("Cookie", "user=ann")), personal(page, "ann"))
        with page.origin.gate(page.path) as gate:
            asking = ask_all(rig, page.url, cookies(2))
            gate.wait_held(6)
        self.check(page, [answer_of(each) for each in asking])


@pytest.mark.parametrize("how", [how for how in UNSHARED.values() if "etag" in how])
def test_each_gets_his_own_head(rig: Rig, how: How) -> None:
    page = rig.put(LENGTH, cache_control="no-store")
    put_for_each(page, **how)
    answers = ask_while_one_is_under_way(rig, page, cookies(), "HEAD", then=2)
    assert [answer.field("ETag") for answer in answers] == [how["etag"].format(who) for who in WHO]


class TestWhatIsFreshIsShared:
    @pytest.mark.parametrize("cache_control", ["max-age=60", "max-age=60, must-revalidate", "s-maxage=60, max-age=0"])
    @pytest.mark.parametrize("known", [False, True])
    def test_whoever_asks(self, rig: Rig, cache_control: str, known: bool) -> None:
        page = rig.put(LENGTH, etag='"old"', headers=(("Age", "3600"),))
        if known:
            page.get_whole()
        put_for_each(page, cache_control=cache_control, etag='"{}"')
        asked = len(page.requests)
        answers = ask_while_one_is_under_way(rig, page, cookies(4))
        assert len(page.requests) == asked + 1
        first = next(who for who in WHO if page.requests[-1].field("Cookie") == f"user={who}")
        for answer in answers:
            exact(answer, personal(page, first))
        assert sum("collapsed" in answer.cache_status for answer in answers) == len(answers) - 1

    def test_while_it_is_revalidated_beside(self, rig: Rig) -> None:
        """Where what is stale may be served meanwhile, the origin's answer may be, too; it is asked once."""
        page = rig.put(LENGTH, cache_control="max-age=0, stale-while-revalidate=600")
        answers = ask_while_one_is_under_way(rig, page, cookies(3))
        for answer in answers:
            exact(answer, page.body)
        assert len(page.requests) == 1
        with page.origin.gate(page.path) as gate:
            for _ in range(5):
                page.get_whole()
            gate.wait_held(1)
        page.origin.wait_for(lambda log: log[-1].done)
        assert len(page.requests) == 2

    def test_each_variant_once(self, rig: Rig) -> None:
        page = rig.put(LENGTH, headers=(("Vary", "Accept-Language"),))
        headers: list[Headers] = [(("Accept-Language", language),) for language in ("de", "en", "fr")]
        for answer in ask_while_one_is_under_way(rig, page, headers * 5):
            exact(answer, page.body)
            assert "stored" in answer.cache_status
        assert sorted(served.field("Accept-Language") or "" for served in page.requests) == ["de", "en", "fr"]

    @pytest.mark.parametrize("personal", [("Authorization", "Bearer a"), ("Cache-Control", "no-store")])
    def test_not_behind_a_request_whose_answer_is_not(self, rig: Rig, personal: tuple[str, str]) -> None:
        """Whoever may be answered together does not wait for what cannot be shared, and is not asked for one by one."""
        page = rig.put(LENGTH)
        for answer in ask_while_one_is_under_way(rig, page, [(personal,), *[()] * 6], at_first=2):
            exact(answer, page.body)
        assert len(page.requests) == 2


class TestWhatIsAskedForAgain:
    def test_the_bytes_are_sent_once_all_the_same(self, rig: Rig) -> None:
        """Each asks whether it is still so; the body that comes serves those to whom the origin says yes."""
        film = rig.put(3 * MIB, cache_control="no-cache")
        for answer in ask_while_one_is_under_way(rig, film, [()] * 10, then=9):
            exact(answer, film.body)
        film.assert_sent_once()
        assert sorted(served.status for served in film.requests) == [200] + [304] * 9

    def test_ranges(self, rig: Rig) -> None:
        film = rig.put(4 * MIB, cache_control="no-cache")
        ranges: list[Headers] = [(("Range", f"bytes={start}-{start + 99}"),) for start in range(0, 500, 100)]
        for number, answer in enumerate(ask_while_one_is_under_way(rig, film, ranges, then=4)):
            exact_part(answer, film.body, number * 100, number * 100 + 100)
        assert sorted(served.status for served in film.requests) == [206] + [304] * 4

    @pytest.mark.parametrize("etag", ['"v1"', 'W/"v1"', None])
    def test_by_who_comes_while_the_first_body_is_still_coming(self, rig: Rig, etag: str | None) -> None:
        film = rig.put(4 * MIB, cache_control="no-cache", etag=etag)
        bobs = Pattern(4 * MIB, seed=77)
        film.origin.put(film.path, bobs, cache_control="no-cache", etag=etag and etag.replace("v1", "v2"), cookie="bob")
        film.fault(Fault(stall_after=MIB))
        with film.stream() as first:
            same_stream(film.body, 0, MIB, first)
            exact(film.get(None, ("Cookie", "bob")), bobs)
            with film.stream() as second:
                film.origin.release.set()
                same_stream(film.body, 0, film.length, second)
            same_stream(film.body, MIB, film.length, first)
        assert len(film.requests) >= 3

    @pytest.mark.parametrize("directive", ["no-cache", "max-age=0", "min-fresh=100"])
    def test_by_who_wants_it_so(self, rig: Rig, directive: str) -> None:
        page = rig.put(LENGTH, cache_control="max-age=60")
        headers: list[Headers] = [(), (), (("Cache-Control", directive),), ()]
        for answer in ask_while_one_is_under_way(rig, page, headers):
            exact(answer, page.body)
        assert len(page.requests) == 2

    def test_what_may_be_kept_again_is(self, rig: Rig) -> None:
        page = rig.put(LENGTH, cache_control="no-store")
        page.get_whole()
        page.origin.put(page.path, page.body)
        assert page.get_whole().cache_status == "proxycache; fwd=uri-miss; stored"
        page.get_whole()
        assert len(page.requests) == 2

    def test_a_failure_that_what_is_stored_stands_in_for(self, rig: Rig) -> None:
        """For all who waited, not only for who asked first."""
        page = rig.put(LENGTH, cache_control="max-age=60, stale-if-error=600", headers=(("Age", "100"),))
        page.get_whole()
        page.fault(Fault(status=503), None)
        for answer in ask_while_one_is_under_way(rig, page, [()] * 5):
            exact(answer, page.body)
            assert answer.cache_status.endswith("detail=origin-failed"), told(answer)
        assert len(page.requests) == 2


class TestWhatIsOfOneRequestAlone:
    """An answer, or a failure, that says nothing of what others would get."""

    @pytest.mark.parametrize("headers", [("Authorization", "Bearer {}"), ("Cache-Control", "no-store")])
    def test_fields_that_came_for_him(self, rig: Rig, headers: tuple[str, str]) -> None:
        page = rig.put(LENGTH, cache_control="max-age=60", headers=(("Age", "3600"),))
        page.get_whole()
        for who in WHO:
            told_him = (("X-For", who),)
            page.origin.put(page.path, page.body, cache_control="max-age=60", headers=told_him, cookie=f"user={who}")
        name, value = headers
        asks: list[Headers] = [((name, value.format(who)), ("Cookie", f"user={who}")) for who in WHO]
        for who, answer in zip(WHO, ask_while_one_is_under_way(rig, page, asks, then=2), strict=True):
            exact(answer, page.body)
            assert answer.field("X-For") == who, told(answer)
        # Who is authorised asks as he does, without validators of ours.
        status = 200 if name == "Authorization" else 304
        assert [served.status for served in page.requests] == [200, status, status, status]

    @pytest.mark.parametrize("fault", [Fault(refuse=True, reset=True), Fault(raw=b"not HTTP\r\n\r\n")])
    @pytest.mark.parametrize("known", [False, True])
    def test_a_failure(self, rig: Rig, fault: Fault, known: bool) -> None:
        """As where a firewall takes offence at what one client sends."""
        page = rig.put(LENGTH, cache_control="max-age=60, must-revalidate", headers=(("Age", "3600"),) if known else ())
        if known:
            page.get_whole()
        page.origin.put(page.path, page.body)
        page.fault(fault, None, when=lambda served: served.field("X-Offence") is not None)
        offending, *others = ask_while_one_is_under_way(rig, page, [(("X-Offence", "1"),), *[()] * 5])
        assert offending.status == 502, told(offending)
        for answer in others:
            exact(answer, page.body)
