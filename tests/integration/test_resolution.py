"""A redirect is asked for once, and not for each piece that is fetched: hubs count, and sign, each time."""

from collections.abc import Iterator

import pytest

from tests.integration.rig import MIB, Rig, Thing, exact, exact_part
from tests.servers.origin import Fault, Origin, Pattern, Served
from tests.servers.proxycache import Config

CONTENT = Pattern(6 * MIB, seed=9)
LASTING = (("Cache-Control", "max-age=60"),)
EARLY, LATE = (0, MIB), (5 * MIB, 6 * MIB)
"""Whole chunks, so that nothing else is under way beside them."""


@pytest.fixture(scope="module")
def third() -> Iterator[Origin]:
    """One more origin."""
    with Origin() as third:
        yield third


@pytest.fixture(scope="module")
def config(other: Origin, third: Origin) -> Config:
    """The origin redirects to others, and to one that is not allowed."""
    return {"origin": {"redirect_hosts": [f"127.0.0.1:{other.port}", f"127.0.0.1:{third.port}"]}}


@pytest.fixture(autouse=True)
def clean_others(other: Origin, third: Origin) -> None:
    """They forget the test before."""
    for each in (other, third):
        each.clear_faults()
        each.clear_log()


@pytest.fixture
def moved(rig: Rig, other: Origin) -> Thing:
    """An object that the origin leads to with a new signature each time."""
    moved = rig.put(1)
    other.put("film", CONTENT)
    for number in range(9):
        moved.fault(Fault(redirect=f"{other.url}film?signature={number}", headers=LASTING))
    return moved


def part(moved: Thing, span: tuple[int, int]) -> None:
    """Some bytes of it, which must come."""
    start, stop = span
    exact_part(moved.get(f"{start}-{stop - 1}"), CONTENT, start, stop)


def is_first(served: Served) -> bool:
    """Whether a request came by the first signature."""
    return served.target.endswith(b"=0")


def asked_anew(moved: Thing) -> None:
    """Once more, and not again for what comes after."""
    part(moved, LATE)
    exact(moved.get(), CONTENT)
    assert len(moved.requests) == 2


def test_one_reader_is_counted_once(moved: Thing, other: Origin) -> None:
    part(moved, (0, CONTENT.length))
    assert len(moved.requests) == 1
    assert len(other.log) > 1, "several windows, or this shows nothing"


def test_so_are_seeks(moved: Thing, other: Origin) -> None:
    part(moved, LATE)
    part(moved, EARLY)
    exact(moved.get(), CONTENT)
    assert len(moved.requests) == 1


def test_a_look_is_asked_for_on_its_own(moved: Thing, other: Origin) -> None:
    """A signature may be for the one method alone."""
    other.fault("film", Fault(status=403), None, when=lambda served: served.method == "GET" and is_first(served))
    assert moved.get(method="HEAD").status == 200
    part(moved, LATE)
    exact(moved.get(), CONTENT)
    assert [served.method for served in moved.requests] == ["HEAD", "GET"]


def test_and_one_who_asks_whether_it_is_the_same(moved: Thing, other: Origin) -> None:
    part(moved, EARLY)
    exact_part(moved.get("0-99", ("Cache-Control", "no-cache")), CONTENT, 0, 100)
    part(moved, LATE)
    assert len(moved.requests) == 2
    assert [served.target[-1:] for served in other.log] == [b"0", b"1", b"1"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_it_is_asked_anew_once_it_is_good_no_longer(moved: Thing, other: Origin, status: int) -> None:
    part(moved, EARLY)
    other.fault("film", Fault(status=status), None, when=is_first)
    asked_anew(moved)


def test_so_it_is_where_it_leads_astray(moved: Thing, other: Origin) -> None:
    part(moved, EARLY)
    other.fault("film", Fault(redirect="https://login.example/"), None, when=is_first)
    asked_anew(moved)


def test_so_it_is_where_something_else_is_now(rig: Rig, other: Origin) -> None:
    moved = rig.put(1)
    other.put("other?signature=0", CONTENT)
    other.put("other?signature=1", CONTENT)
    moved.fault(Fault(redirect=f"{other.url}other?signature=0", headers=LASTING))
    moved.fault(Fault(redirect=f"{other.url}other?signature=1", headers=LASTING), None)
    part(moved, EARLY)
    other.put("other?signature=0", Pattern(CONTENT.length, seed=10), etag='"other"')
    asked_anew(moved)


def test_so_it_is_where_nobody_is_any_more(rig: Rig, third: Origin, other: Origin) -> None:
    moved = rig.put(1)
    for each in (third, other):
        each.put("film", CONTENT)
        moved.fault(Fault(redirect=each.url + "film", headers=LASTING), 1 if each is third else None)
    part(moved, EARLY)
    third.stop()
    try:
        asked_anew(moved)
    finally:
        third.start()


def test_a_kept_connection_that_has_died_says_nothing_of_it(moved: Thing, other: Origin) -> None:
    part(moved, EARLY)
    other.fault("film", Fault(refuse=True))
    part(moved, LATE)
    assert len(moved.requests) == 1


def test_so_it_is_where_it_fails(moved: Thing, other: Origin) -> None:
    part(moved, EARLY)
    other.fault("film", Fault(status=503), None, when=is_first)
    asked_anew(moved)


def test_where_the_origin_is_away_what_is_known_will_do(rig: Rig, other: Origin) -> None:
    moved = rig.put(1)
    other.put("film", CONTENT)
    moved.fault(Fault(redirect=other.url + "film", headers=LASTING))
    moved.fault(Fault(refuse=True), None)
    part(moved, EARLY)
    exact(moved.get(), CONTENT)
    assert len(moved.requests) == 1


def test_what_is_not_stored_is_resumed_there(rig: Rig, other: Origin) -> None:
    moved = rig.put(1)
    other.put("film", CONTENT, cache_control="no-store")
    moved.fault(Fault(redirect=other.url + "film"), None)
    other.fault("film", Fault(cut_after=3 * MIB))
    exact(moved.get(), CONTENT)
    assert (len(moved.requests), len(other.log)) == (1, 2)


@pytest.mark.parametrize("status", [403, 200])
def test_nor_is_that_lost_where_it_is_good_no_longer(rig: Rig, other: Origin, status: int) -> None:
    moved = rig.put(1)
    other.put("film", CONTENT, cache_control="no-store")
    moved.fault(Fault(redirect=f"{other.url}film?signature=0"))
    moved.fault(Fault(redirect=f"{other.url}film?signature=1"), None)
    other.fault("film", Fault(cut_after=3 * MIB))
    other.fault("film", Fault(status=status, body=b"over"), None, when=is_first)
    exact(moved.get(), CONTENT)
    assert len(moved.requests) == 2
