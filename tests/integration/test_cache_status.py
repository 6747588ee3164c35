"""Every answer tells how it came about: Cache-Status (RFC 9211), Via, and Age where it comes from the cache."""

import pytest

from tests.integration.rig import MIB, Rig, Thing, at_once_held, told
from tests.servers.fetch import Answer, fetch
from tests.servers.origin import Fault


def status_of(answer: Answer) -> str:
    """The one Cache-Status there must be."""
    values = [value for name, value in answer.fields if name.lower() == "cache-status"]
    assert len(values) == 1, told(answer)
    return answer.cache_status


def test_a_miss_and_a_hit(rig: Rig) -> None:
    film = rig.put(3 * MIB)
    assert status_of(film.get_whole()) == "proxycache; fwd=uri-miss; stored"
    assert status_of(film.get_whole()) == "proxycache; hit"
    assert status_of(film.get_part(5, 10)) == "proxycache; hit"
    assert status_of(film.get(method="HEAD")) == "proxycache; hit"
    assert status_of(film.get(None, ("If-None-Match", '"v1"'))) == "proxycache; hit"


def test_a_part(rig: Rig) -> None:
    film = rig.put(8 * MIB)
    assert status_of(film.get_part(0, 10)) == "proxycache; fwd=uri-miss; stored"
    assert status_of(film.get_part(0, 10)) == "proxycache; hit"
    assert status_of(film.get_part(5 * MIB, 5 * MIB + 10)) == "proxycache; fwd=partial; stored"
    both = status_of(film.get_part(0, 2 * MIB))
    # The rest of the first chunk may be on its way still.
    assert both in ("proxycache; fwd=partial; stored", "proxycache; fwd=partial; stored; collapsed")


def test_one_of_many(rig: Rig) -> None:
    film = rig.put(3 * MIB)
    answers = at_once_held(film, [film.get_whole] * 3)
    statuses = sorted(status_of(answer) for answer in answers)
    assert statuses.count("proxycache; fwd=uri-miss; stored") == 1
    assert sum("collapsed" in status or "hit" in status for status in statuses) == 2, statuses


def test_stale(rig: Rig) -> None:
    film = rig.put(1000, cache_control="max-age=0")
    film.get_whole()
    renewed = status_of(film.get_whole())
    assert renewed.startswith("proxycache; fwd=stale; fwd-status=304"), renewed


def test_stale_and_changed(rig: Rig) -> None:
    film = rig.put(1000, cache_control="max-age=0")
    film.get_whole()
    rig.origin.put(film.path, b"new", etag='"v2"')
    assert status_of(film.get()) == "proxycache; fwd=stale; stored"


@pytest.mark.parametrize(
    ("cache_control", "detail"), [("no-store", "no-store"), ("private", "private"), (None, "no-freshness")]
)
def test_past_the_cache(rig: Rig, cache_control: str | None, detail: str) -> None:
    film = rig.put(1000, cache_control=cache_control, etag=None)
    assert status_of(film.get_whole()) == f"proxycache; fwd=uri-miss; detail={detail}"


def test_by_method(rig: Rig) -> None:
    film = rig.put(1000)
    assert status_of(fetch(film.url, method="OPTIONS")) == "proxycache; fwd=method"


def test_variants(rig: Rig) -> None:
    film = rig.put(1000, headers=(("Vary", "X-Device"),))
    film.get_whole(("X-Device", "1"))
    other = status_of(film.get_whole(("X-Device", "2")))
    assert other in ("proxycache; fwd=vary-miss; stored", "proxycache; fwd=uri-miss; stored")
    assert status_of(film.get_whole(("X-Device", "2"))) == "proxycache; hit"


@pytest.fixture(scope="module")
def answers(numbered: Rig) -> dict[str, Answer]:
    """One of each kind."""
    rig = numbered
    film, missing, failing = rig.put(3 * MIB), rig.put(1), rig.put(1)
    rig.origin.remove(missing.path)
    failing.fault(Fault(raw=b"nonsense\r\n"), None)
    whole = film.get_whole()

    def of(thing: Thing, range: str | None = None, *headers: tuple[str, str], method: str = "GET") -> Answer:
        return thing.get(range, *headers, method=method)

    return {
        "miss": whole,
        "hit": of(film),
        "part": of(film, "5-99"),
        "parts": of(film, "0-5,1000-1005"),
        "head": of(film, method="HEAD"),
        "304": of(film, None, ("If-None-Match", '"v1"')),
        "412": of(film, None, ("If-Match", '"x"')),
        "416": of(film, "99999999-"),
        "404": of(missing),
        "502": of(failing),
        "405": of(film, method="POST"),
        "400": fetch(rig.proxy.url + "a/../b"),
        "504": fetch(rig.proxy.url + "cold", headers=[("Cache-Control", "only-if-cached")]),
        "options": of(film, method="OPTIONS"),
        "past": rig.put(1, cache_control="no-store").get(),
    }


def test_every_answer_tells(answers: dict[str, Answer]) -> None:
    for kind, answer in answers.items():
        assert status_of(answer).startswith("proxycache"), kind
        vias = [value for name, value in answer.fields if name.lower() == "via"]
        assert ", ".join(vias).endswith("1.1 proxycache"), kind
        assert answer.field("Date") is not None, kind


def test_what_comes_from_the_cache_has_an_age(answers: dict[str, Answer]) -> None:
    for kind in ("hit", "part", "parts", "head", "304"):
        assert (answers[kind].field("Age") or "").isdigit(), kind


def test_the_origins_own_statements_are_kept_before_ours(rig: Rig) -> None:
    film = rig.put(1000, headers=(("Cache-Status", "ExampleCDN; hit"), ("Via", "1.1 cdn")))
    answer = film.get_whole()
    values = ", ".join(value for name, value in answer.fields if name.lower() == "cache-status")
    assert values.startswith("ExampleCDN; hit, proxycache; fwd=uri-miss; stored; ttl=")
    assert ", ".join(value for name, value in answer.fields if name.lower() == "via") == "1.1 cdn, 1.1 proxycache"
