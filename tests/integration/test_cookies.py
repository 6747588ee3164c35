"""A cookie is for the client that brought the answer, and for nobody else, whatever is stored of that."""

from pathlib import Path

import pytest

from tests.integration.rig import MIB, Rig, at_once_held, exact
from tests.servers.fetch import Answer, Stream, fetch
from tests.servers.origin import Fault, Origin
from tests.servers.proxycache import Config, Proxycache

COOKIE = (("Set-Cookie", "session=1"), ("X-Between", "1"), ("Set-Cookie", "other=2"))
POLICIES = ["auto", "strip", "keep", "refuse"]


@pytest.fixture(scope="module")
def config(origin: Origin) -> Config:
    """The origin with each of the policies, and once with a lifetime for what states none."""
    by_policy: list[dict[str, object]] = [
        {"name": policy, "prefix": f"/{policy}/", "url": origin.url, "set_cookie": policy} for policy in POLICIES
    ]
    default = {"name": "default", "prefix": "/default/", "url": origin.url, "default_ttl": "1h"}
    return {"origin": [*by_policy, default]}


def cookies(answer: Answer) -> list[str]:
    """Those that an answer sets."""
    return [value for name, value in answer.fields if name == "Set-Cookie"]


SET = [value for name, value in COOKIE if name == "Set-Cookie"]


@pytest.mark.parametrize(
    ("policy", "cache_control", "hit"),
    [
        ("auto", "max-age=3600", True),
        ("auto", "s-maxage=3600", True),
        ("auto", "max-age=0", False),
        ("auto", None, False),
        ("default", None, False),
        ("default", "public", True),
        ("strip", "max-age=3600", True),
        ("refuse", "max-age=3600", False),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_brings_an_answer_gets_its_cookies(
    rig: Rig, policy: str, cache_control: str | None, hit: bool, method: str
) -> None:
    film = rig.put(MIB, prefix=f"{policy}/", headers=COOKIE, cache_control=cache_control)
    first = film.get(method=method)
    assert [line for line in first.fields if line in COOKIE] == list(COOKIE)
    film.get_part(0, 100)
    again = film.get_whole()
    assert ("hit" in film.get_whole().cache_status) is hit
    assert cookies(again) == ([] if hit else SET)


def test_kept_it_is_a_field_like_any_other(rig: Rig) -> None:
    film = rig.put(MIB, prefix="keep/", headers=COOKIE)
    assert cookies(film.get_whole()) == SET
    again = film.get_whole()
    assert again.cache_status == "proxycache; hit"
    assert [line for line in again.fields if line in COOKIE] == list(COOKIE)


def test_stripped_also_what_states_no_freshness(rig: Rig) -> None:
    film = rig.put(MIB, prefix="strip/", headers=COOKIE, cache_control=None)
    for number in range(3):
        answer = film.get_whole()
        assert cookies(answer) == SET, "each was confirmed, with cookies of its own"
        assert ("fwd-status=304" in answer.cache_status) is (number > 0)


@pytest.mark.parametrize("policy", ["auto", "strip"])
def test_who_joins_does_not(rig: Rig, policy: str) -> None:
    film = rig.put(MIB, prefix=f"{policy}/", headers=COOKIE)
    answers = at_once_held(film, [film.get_whole] * 5)
    assert sorted(cookies(answer) == SET for answer in answers) == [False] * 4 + [True]
    assert sorted(cookies(answer) == [] for answer in answers) == [False] + [True] * 4
    assert len(film.requests) == 1


def test_where_the_one_who_asked_has_left_nobody_does(rig: Rig) -> None:
    film = rig.put(MIB, prefix="auto/", headers=COOKIE)
    with rig.origin.gate(film.path) as gate:
        with Stream(film.url, ask_only=True):
            gate.wait_held(1)
            other = Stream(film.url, ask_only=True)
            fetch(rig.proxy.url, method="OPTIONS")  # by then it has read what is asked
        fetch(rig.proxy.url, method="OPTIONS")  # and that the first one has left
        gate.release()
        with other:
            other.read_head()
            assert (other.answer.status, cookies(other.answer)) == (200, [])
    assert len(film.requests) == 1


@pytest.mark.parametrize("condition", [None, ("If-None-Match", '"v1"')])
def test_a_304_brings_one_to_the_client_that_asked(rig: Rig, condition: tuple[str, str] | None) -> None:
    film = rig.put(MIB, prefix="auto/")
    film.get_whole()
    film.fault(Fault(headers=COOKIE))
    asked = film.get(None, ("Cache-Control", "no-cache"), *([condition] if condition else []))
    assert (asked.status, cookies(asked)) == (304 if condition else 200, SET)
    assert cookies(film.get_whole()) == []
    assert len(film.requests) == 2


def test_a_304_that_sets_one_without_freshness_renews_nothing(rig: Rig) -> None:
    film = rig.put(MIB, prefix="default/", cache_control=None)
    film.get_whole()
    film.fault(Fault(headers=COOKIE))
    assert cookies(film.get_whole(("Cache-Control", "no-cache"))) == SET
    again = film.get_whole()
    assert (again.cache_status, cookies(again)) == ("proxycache; hit", [])


def test_a_part_brings_one_too(rig: Rig) -> None:
    film = rig.put(8 * MIB, prefix="auto/", headers=COOKIE)
    assert cookies(film.get_part(5_000_000, 5_000_100)) == SET
    assert cookies(film.get_part(5_000_000, 5_000_100)) == []
    exact(film.get(), film.body)


def test_what_comes_later_with_one_is_not_stored_either(rig: Rig) -> None:
    film = rig.put(8 * MIB, prefix="refuse/")
    film.get_part(0, 100)
    film.fault(Fault(headers=COOKIE), None)
    for _ in range(2):
        before = len(film.requests)
        film.get_part(5_000_000, 5_000_100)
        assert len(film.requests) > before


def test_what_was_kept_is_not_any_longer_once_the_configuration_says_so(origin: Origin, tmp_path: Path) -> None:
    origin.put("kept", b"text", headers=COOKIE)
    for policy, brought, again in (("keep", SET, SET), ("auto", [], [])):
        with Proxycache(tmp_path, origin.url, config={"origin": {"set_cookie": policy}}) as proxy:
            for expected in (brought, again):
                answer = fetch(proxy.url + "kept")
                assert (answer.body, cookies(answer)) == (b"text", expected)
            assert answer.cache_status == "proxycache; hit"
    assert len(origin.requests("kept")) == 1
