"""What clients write into Range, cold and hot: the exact bytes, the whole, or 416."""

import re

import pytest

from tests.integration.rig import KIB, MIB, Rig, Thing, exact, exact_part, told
from tests.servers.fetch import Answer, fetch, same

LENGTH = 3 * MIB + 17
MANY = 1000
"""As electron-updater asks."""


def cold_and_hot(
    rig: Rig, *values: str, length: int = LENGTH, accept_ranges: bool = True
) -> list[tuple[Thing, Answer]]:
    """Ask with these Range fields an object that is not cached, and one that is."""
    asked = []
    for hot in (False, True):
        film = rig.put(length, accept_ranges=accept_ranges)
        if hot:
            film.get_whole()
        asked.append((film, fetch(film.url, headers=[("Range", value) for value in values])))
    return asked


@pytest.mark.parametrize(
    ("value", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, LENGTH),
        ("bytes=5-9", 5, 10),
        ("bytes=1048575-1048576", MIB - 1, MIB + 1),
        (f"bytes={LENGTH - 1}-", LENGTH - 1, LENGTH),
        (f"bytes=100-{LENGTH}", 100, LENGTH),
        ("bytes=-1", LENGTH - 1, LENGTH),
        ("bytes=-500000", LENGTH - 500_000, LENGTH),
        (f"bytes=-{LENGTH}", 0, LENGTH),
        (f"bytes=-{LENGTH + 1}", 0, LENGTH),
        ("bytes=0-99999999999999999999999999999999", 0, LENGTH),
        ("bytes=-99999999999999999999999999999999", 0, LENGTH),
        ("bytes=00000000000000000000000000000005-000000000000000000009", 5, 10),
        ("BYTES=5-9", 5, 10),
        ("Bytes=5-9", 5, 10),
        ("bytes= 5-9", 5, 10),
        ("bytes=5-9,", 5, 10),
        ("bytes=,,5-9", 5, 10),
        (f"bytes=5-9,{LENGTH}-", 5, 10),
        ("bytes=5-9,7-20", 5, 21),
        ("bytes=5-9,5-9,5-9", 5, 10),
    ],
)
def test_one_range(rig: Rig, value: str, start: int, stop: int) -> None:
    for film, answer in cold_and_hot(rig, value):
        exact_part(answer, film.body, start, stop)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=,",
        "bytes 0-5",
        "bytes=abc",
        "bytes=a-b",
        "bytes=5",
        "bytes=5-2",
        "bytes=0-5,9-7",
        "bytes=0-5-7",
        "bytes=1.5-2",
        "bytes=0x0-0x5",
        "bytes=--5",
        "bytes=+1-5",
        "bytes=1-+5",
        "bytes=0-5;6-7",
        "bytes=0 - 5",
        "bytes=0-5 6-7",
        "bytes=\xb2-5",
        "items=0-5",
        "seconds=1-2",
        "=0-5",
        "bytes==0-5",
    ],
)
def test_what_is_none_is_ignored(rig: Rig, value: str) -> None:
    for film, answer in cold_and_hot(rig, value, length=300 * KIB):
        exact(answer, film.body)


def test_two_fields_are_ignored(rig: Rig) -> None:
    for film, answer in cold_and_hot(rig, "bytes=0-5", "bytes=7-9", length=300 * KIB):
        exact(answer, film.body)


@pytest.mark.parametrize(
    "value",
    [
        f"bytes={LENGTH}-",
        f"bytes={LENGTH}-{LENGTH + 5}",
        "bytes=99999999999999999999999999-",
        "bytes=99999999999999999999999999-99999999999999999999999999",
        "bytes=-0",
        f"bytes={LENGTH}-,{LENGTH + 5}-{LENGTH + 9}",
        f"bytes={LENGTH}-,-0",
    ],
)
def test_beyond_the_end(rig: Rig, value: str) -> None:
    for film, answer in cold_and_hot(rig, value):
        assert (answer.status, answer.complete) == (416, True), told(answer)
        assert answer.field("Content-Range") == f"bytes */{LENGTH}"
        film.get_part(0, 10)


@pytest.mark.parametrize("value", ["bytes=0-", "bytes=0-0", "bytes=0-99", "bytes=5-6,0-0", "bytes=-1", "bytes=0-0,-1"])
def test_all_of_nothing(rig: Rig, value: str) -> None:
    """Servers send it, and no error."""
    for film, answer in cold_and_hot(rig, value, length=0, accept_ranges=False):
        assert (answer.status, answer.complete, answer.body) == (200, True, b""), told(answer)
        film.get_whole()


@pytest.mark.parametrize("value", ["bytes=-0", "bytes=7-9"])
def test_nothing_of_nothing(rig: Rig, value: str) -> None:
    for film, answer in cold_and_hot(rig, value, length=0):
        assert (answer.status, answer.field("Content-Range")) == (416, "bytes */0"), told(answer)
        film.get_whole()


def test_refused_ranges_are_no_object(rig: Rig) -> None:
    """A 416 is not kept in the place of what it is about."""
    film = rig.put(1000)
    for _ in range(2):
        assert film.get("1000-").status == 416
    film.get_whole()
    film.get_part(0, 10)


# Several ranges.


def parts_of(answer: Answer) -> list[tuple[int, int, bytes]]:
    """The parts of a multipart answer, checked to be one, as (start, stop, content)."""
    assert (answer.status, answer.complete) == (206, True), told(answer)
    assert answer.field("Content-Range") is None
    match = re.fullmatch(r'multipart/byteranges; boundary="?([^"]+)"?', answer.field("Content-Type") or "")
    assert match is not None, told(answer)
    marker = b"--" + match[1].encode()
    preamble, *parts, end = answer.body.split(marker)
    assert preamble in (b"", b"\r\n")
    assert end == b"--\r\n"
    found = []
    for part in parts:
        head, blank, content = part.partition(b"\r\n\r\n")
        assert blank
        assert content.endswith(b"\r\n")
        assert b"\r\nContent-Type: application/octet-stream" in head
        place = re.search(rb"\r\nContent-Range: bytes (\d+)-(\d+)/(\d+)", head)
        assert place is not None, head
        start, last, length = (int(number) for number in place.groups())
        assert length == LENGTH
        found.append((start, last + 1, content[:-2]))
    return found


@pytest.mark.parametrize(
    ("value", "spans"),
    [
        ("bytes=0-9,1000-1999", [(0, 10), (1000, 2000)]),
        ("bytes=1000-1999,0-9", [(1000, 2000), (0, 10)]),
        ("bytes=0-0,-1", [(0, 1), (LENGTH - 1, LENGTH)]),
        (f"bytes=5-9,{LENGTH}-,2000000-2000009", [(5, 10), (2_000_000, 2_000_010)]),
        ("bytes= 0-9 , 1000-1999 ", [(0, 10), (1000, 2000)]),
        (
            "bytes=1048570-1048580,3000000-,2097151-2097152",
            [(1048570, 1048581), (3_000_000, LENGTH), (2097151, 2097153)],
        ),
        ("bytes=0-9,5-14,1000-1009,1005-1014", [(0, 15), (1000, 1015)]),
        ("bytes=5-9,10-14", [(5, 10), (10, 15)]),
        ("bytes=100-199,0-99", [(100, 200), (0, 100)]),
        ("bytes=0-99,123-199", [(0, 100), (123, 200)]),
    ],
)
def test_several_ranges(rig: Rig, value: str, spans: list[tuple[int, int]]) -> None:
    for film, answer in cold_and_hot(rig, value):
        parts = parts_of(answer)
        assert [(start, stop) for start, stop, _ in parts] == spans
        for start, stop, content in parts:
            assert len(content) == stop - start
            same(film.body, start, content)


@pytest.mark.parametrize("step", [3_000, -3_000])
def test_as_many_as_a_head_holds(rig: Rig, step: int) -> None:
    """Each by itself, in their order."""
    starts = [number * 3_000 for number in range(MANY)][:: step // abs(step)]
    value = "bytes=" + ", ".join(f"{start}-{start + 9}" for start in starts)
    for film, answer in cold_and_hot(rig, value):
        parts = parts_of(answer)
        assert [(start, stop) for start, stop, _ in parts] == [(start, start + 10) for start in starts]
        for start, _, content in parts:
            same(film.body, start, content)


def test_a_head_of_64_kib(rig: Rig) -> None:
    """All that fits in; what is longer is refused by its own name (RFC 6585, section 5)."""
    film = rig.put(LENGTH)
    film.get_whole()
    starts = range(100_000, LENGTH, 600)
    value = "bytes=" + ",".join(f"{start}-{start}" for start in starts)[: 63 * KIB].rpartition(",")[0]
    assert len(value) > 62 * KIB
    parts = parts_of(film.get(value.removeprefix("bytes=")))
    assert len(parts) == value.count(",") + 1
    for start, stop, content in parts:
        assert stop - start == 1
        same(film.body, start, content)
    assert film.get(value.removeprefix("bytes=") + "," * 2 * KIB).status == 431


@pytest.mark.parametrize(
    "value",
    ["bytes=" + ",".join(["0-"] * 1000), "bytes=" + ",".join(f"{k}-" for k in range(1000)), "bytes=0-,-1"],
    ids=["the same", "overlapping", "the last byte twice"],
)
def test_overlapping_ones_beyond_the_length_are_the_whole(rig: Rig, value: str) -> None:
    """What comes is no more than there is (RFC 9110, section 17.15)."""
    for film, answer in cold_and_hot(rig, value):
        exact(answer, film.body)
        assert film.sent <= film.length


def test_several_of_an_origin_without_ranges(rig: Rig) -> None:
    film = rig.put(LENGTH, accept_ranges=False)
    answer = fetch(film.url, headers=[("Range", "bytes=2000000-2000009,0-9")])
    for start, _, content in parts_of(answer):
        same(film.body, start, content)
    assert len(film.requests) == 1


def test_several_past_the_cache_are_the_origins(rig: Rig) -> None:
    """What is not kept is asked for as the client did, and this origin ignores what it does not know."""
    film = rig.put(300 * KIB, cache_control="no-store")
    answer = fetch(film.url, headers=[("Range", "bytes=0-9,1000-1009")])
    exact(answer, film.body)


@pytest.mark.parametrize("etag", [None, 'W/"v1"'])
@pytest.mark.parametrize("cached", [None, "0-9"])
@pytest.mark.parametrize(
    "headers", [(("Range", "bytes=0-9,2000000-2000009"),), (("Range", "bytes=0-9"), ("If-Range", '"v0"'))]
)
def test_more_than_the_first_range_of_what_nothing_binds(
    rig: Rig, etag: str | None, cached: str | None, headers: tuple[tuple[str, str], ...]
) -> None:
    """What is here, or on its way, is a part of one answer; the rest could only come by another one."""
    film = rig.put(LENGTH, etag=etag)
    if cached is not None:
        film.get(cached)
    answer = film.get(None, *headers)
    exact(answer, film.body)
    assert answer.cache_status == "proxycache; fwd=bypass; detail=no-validator"
