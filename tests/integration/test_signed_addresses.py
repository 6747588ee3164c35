"""A signed address that has ended makes nothing fresh: the origin says whether it is still good for anything."""

import time
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from tests.integration.rig import MIB, Rig, Thing, at_once_held, exact, exact_part
from tests.servers.fetch import Answer, fetch
from tests.servers.origin import Fault, Origin, Pattern, Served
from tests.servers.proxycache import Config

SIGNING = ["X-Amz-Date", "X-Amz-Expires", "X-Goog-Date", "X-Goog-Expires", "se", "sig", "Expires", "Signature"]


@pytest.fixture(scope="module")
def config(other: Origin) -> Config:
    """Signatures are no part of the key; the other origin is where redirects lead."""
    return {"origin": {"ignore_query": SIGNING, "redirect_hosts": [f"127.0.0.1:{other.port}"]}}


def signed(kind: str, seconds: float) -> str:
    """The query of an address that ends in so many seconds."""
    end = time.time() + seconds
    begun = datetime.fromtimestamp(end - 600, UTC).strftime("%Y%m%dT%H%M%SZ")
    match kind:
        case "se":
            return f"?se={quote(datetime.fromtimestamp(end, UTC).strftime('%Y-%m-%dT%H:%M:%SZ'))}&sig=x"
        case "Expires":
            return f"?Expires={int(end)}&Signature=x"
        case vendor:
            return f"?X-{vendor}-Date={begun}&X-{vendor}-Expires=600"


KINDS = ["Amz", "Goog", "se", "Expires"]


def put(rig: Rig, refused: str) -> Thing:
    """An object for a year, which its origin does not give to who comes with a certain query."""
    film = rig.put(MIB, cache_control="max-age=31536000, immutable")

    def is_refused(served: Served) -> bool:
        return served.target.endswith(refused.encode())

    film.fault(Fault(status=403, body=b"expired"), None, when=is_refused)
    return film


def ask(film: Thing, query: str) -> Answer:
    return fetch(film.url + query)


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_has_ended_is_the_origins_to_judge(rig: Rig, kind: str) -> None:
    good, ended = signed(kind, 3600), signed(kind, -60)
    film = put(rig, ended)
    exact(ask(film, good), film.body)
    answer = ask(film, ended)
    assert (answer.status, answer.body) == (403, b"expired")
    assert fetch(film.url + ended, headers=[("Range", "bytes=0-99")]).status == 403
    assert ask(film, good).cache_status == "proxycache; hit", "who has a right to it is not disturbed"


def test_one_that_the_origin_takes_gets_what_is_stored(rig: Rig) -> None:
    """Clocks differ."""
    film = put(rig, "no such one")
    exact(ask(film, signed("Amz", 3600)), film.body)
    answer = ask(film, signed("Amz", -60))
    exact(answer, film.body)
    assert answer.cache_status == "proxycache; fwd=stale; fwd-status=304; stored"


def test_it_is_not_asked_by_for_others(rig: Rig) -> None:
    good, ended = signed("Amz", 3600), signed("Amz", -60)
    film = rig.put(8 * MIB, cache_control="max-age=31536000")
    film.fault(Fault(status=403), None, when=lambda served: served.target.endswith(ended.encode()))
    url = film.url + good
    exact_part(fetch(url, headers=[("Range", "bytes=0-99")]), film.body, 0, 100)
    assert ask(film, ended).status == 403
    before = len(film.requests)
    exact_part(fetch(url, headers=[("Range", "bytes=7000000-7000099")]), film.body, 7_000_000, 7_000_100)
    assert [served.status for served in film.requests[before:] if served.target.endswith(ended.encode())] == []


def test_who_waits_for_anothers_answer_with_one_asks_for_himself(rig: Rig) -> None:
    good, ended = signed("Amz", 3600), signed("Amz", -60)
    film = put(rig, ended)
    answers = at_once_held(film, [lambda: ask(film, good)] * 3 + [lambda: ask(film, ended)])
    assert sorted(answer.status for answer in answers) == [200, 200, 200, 403]


@pytest.mark.parametrize("status", [302, 308])
def test_a_redirect_is_fresh_for_as_long_as_the_address_it_leads_to(rig: Rig, other: Origin, status: int) -> None:
    """Followed or passed on; its own lifetime may be longer."""
    lasting = (("Cache-Control", "max-age=31536000"),)
    content = Pattern(1000, seed=9)
    moved = rig.put(1)
    other.put("film", content, cache_control="max-age=31536000, immutable")
    moved.fault(Fault(redirect=f"{other.url}film{signed('Amz', -1)}", status=status, headers=lasting))
    moved.fault(Fault(redirect=f"{other.url}film{signed('Amz', 60)}", status=status, headers=lasting), None)
    exact(moved.get(), content)
    assert moved.get().cache_status == "proxycache; fwd=stale; fwd-status=304; stored"
    assert moved.get().cache_status == "proxycache; hit"
    assert len(moved.requests) == 2

    away = rig.put(1)
    for seconds in (-1, 60):
        location = f"http://elsewhere.example/film{signed('Expires', seconds)}"
        away.fault(Fault(redirect=location, status=status, headers=lasting))
        assert away.get().field("Location") == location
    assert away.get().cache_status == "proxycache; hit"
    assert len(away.requests) == 2
