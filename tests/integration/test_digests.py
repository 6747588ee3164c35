"""Fields about the bytes of one message leave with those very bytes; those about the object with every answer."""

import pytest

from tests.integration.rig import MIB, Headers, Rig, Thing, exact, told
from tests.servers.fetch import Answer
from tests.servers.origin import Fault, Origin
from tests.servers.proxycache import Config

OF_THE_WHOLE: Headers = (
    ("Content-MD5", "d2hvbGU="),
    ("Content-Digest", "sha-256=:d2hvbGU=:"),
    ("Digest", "sha-256=d2hvbGU="),
    ("x-amz-checksum-crc32", "d2hvbGU="),
    ("x-amz-checksum-type", "FULL_OBJECT"),
    ("x-amz-mp-parts-count", "3"),
    ("x-ms-content-crc64", "d2hvbGU="),
)
OF_A_PART: Headers = tuple((name, value.replace("d2hvbGU=", "cGFydA==")) for name, value in OF_THE_WHOLE)
OF_THE_OBJECT: Headers = (
    ("Repr-Digest", "sha-256=:d2hvbGU=:"),
    ("x-goog-hash", "crc32c=d2hvbGU="),
    ("x-ms-blob-content-md5", "d2hvbGU="),
    ("x-amz-meta-sha1", "d2hvbGU="),
)


@pytest.fixture(scope="module")
def config(origin: Origin) -> Config:
    """The origin as it is, and with 206 to every GET."""
    plain = {"name": "plain", "prefix": "/", "url": origin.url}
    return {"origin": [plain, {**plain, "name": "partial", "prefix": "/partial/", "always_partial": True}]}


def put(rig: Rig, prefix: str = "", cache_control: str = "max-age=3600") -> Thing:
    """An object whose every answer tells of its own bytes: wholes of the whole, parts of the part."""
    film = rig.put(3 * MIB, headers=OF_THE_OBJECT, prefix=prefix, cache_control=cache_control)
    film.fault(Fault(headers=OF_A_PART), None, when=lambda served: served.range is not None)
    film.fault(Fault(headers=OF_THE_WHOLE), None)
    return film


def digests(answer: Answer) -> Headers:
    """Those that came with an answer; what is told of the object must be there."""
    assert [line for line in answer.fields if line in OF_THE_OBJECT] == list(OF_THE_OBJECT), told(answer)
    names = {name for name, _ in OF_THE_WHOLE}
    return tuple(line for line in answer.fields if line[0] in names)


def test_of_the_whole_on_the_whole_alone(rig: Rig) -> None:
    film = put(rig)
    for method in ("GET", "GET", "HEAD"):
        assert digests(film.get(method=method)) == OF_THE_WHOLE
    assert digests(film.get_part(5, 100)) == ()
    assert digests(film.get("5-6,100-200")) == ()
    assert film.get(None, ("If-None-Match", '"v1"')).status == 304
    assert len(film.requests) == 1


def test_of_a_part_that_we_asked_for_on_nothing(rig: Rig) -> None:
    film = put(rig)
    for _ in range(2):
        assert digests(film.get_part(MIB + 5, MIB + 100)) == ()
    assert digests(film.get(f"{MIB + 5}-")) == ()
    assert digests(film.get_whole()) == ()


@pytest.mark.parametrize("cold", [True, False])
def test_not_on_the_whole_as_a_part(rig: Rig, cold: bool) -> None:
    film = put(rig, prefix="partial/")
    if not cold:
        film.get()
    answer = film.get()
    assert (answer.status, digests(answer)) == (206, ())


@pytest.mark.parametrize("digest", [OF_A_PART, (("Content-MD5", "bm90aGluZw=="),)])
def test_of_a_304_on_nothing(rig: Rig, digest: Headers) -> None:
    film = rig.put(3 * MIB, headers=(*OF_THE_OBJECT, *OF_THE_WHOLE))
    film.get_whole()
    film.fault(Fault(headers=digest))
    asked = film.get_whole(("Cache-Control", "no-cache"))
    assert "fwd-status=304" in asked.cache_status
    assert digests(asked) == digests(film.get_whole()) == OF_THE_WHOLE


def test_an_answer_past_the_cache_is_as_it_came(rig: Rig) -> None:
    """The client's own range went out, and so it is its digest."""
    film = put(rig, cache_control="no-store")
    assert set(digests(film.get_part(5, 100))) == set(OF_A_PART)
    assert set(digests(film.get_whole())) == set(OF_THE_WHOLE)
    exact(film.get(), film.body)
