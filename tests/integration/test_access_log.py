"""One line in the log for every request: what was asked, what was answered, and where the bytes came from."""

import re
from dataclasses import dataclass

import pytest

from tests.integration.rig import MIB, Rig, Thing, at_once
from tests.servers.deadline import until
from tests.servers.fetch import fetch, raw, same_stream
from tests.servers.origin import Fault
from tests.servers.ports import HOST

LINE = re.compile(
    r'127\.0\.0\.1 "(?P<method>\S+) (?P<uri>\S*)" (?P<status>\d+) (?P<total>\d+)'
    r" cache=(?P<cache>\d+) fill=(?P<fill>\d+) passthrough=(?P<passthrough>\d+)"
    r' (?P<seconds>[\d.]+)s "(?P<how>[^"]*)"$',
    re.MULTILINE,
)


@dataclass(frozen=True)
class Line:
    """One of them."""

    method: str
    uri: str
    status: int
    total: int
    cache: int
    fill: int
    passthrough: int
    seconds: float
    how: str


def lines(rig: Rig, uri: str) -> list[Line]:
    """Those about a target."""
    return [
        Line(
            method=each["method"],
            uri=each["uri"],
            status=int(each["status"]),
            total=int(each["total"]),
            cache=int(each["cache"]),
            fill=int(each["fill"]),
            passthrough=int(each["passthrough"]),
            seconds=float(each["seconds"]),
            how=re.sub(r"; ttl=-?\d+", "", each["how"]),
        )
        for each in LINE.finditer(rig.proxy.log())
        if each["uri"] == uri
    ]


def wait_lines(rig: Rig, thing: Thing, count: int) -> list[Line]:
    """The lines about an object, once there are so many."""
    until(lambda: len(lines(rig, "/" + thing.path)) >= count, 5, f"{count} lines")
    found = lines(rig, "/" + thing.path)
    assert len(found) == count, found
    return found


def test_a_miss_and_a_hit(rig: Rig) -> None:
    film = rig.put(3 * MIB)
    film.get_whole()
    until(lambda: film.get_part(0, 10).cache_status == "proxycache; hit", 5, "a hit")
    first, *_, last = lines(rig, "/" + film.path)
    assert (first.method, first.status, first.total, first.passthrough) == ("GET", 200, film.length, 0)
    assert first.cache + first.fill == film.length
    assert first.fill > 0
    assert first.how == "proxycache; fwd=uri-miss; stored"
    assert (last.status, last.total, last.cache + last.fill, last.how) == (206, 10, 10, "proxycache; hit")


def test_past_the_cache(rig: Rig) -> None:
    film = rig.put(2000, cache_control="no-store")
    film.get_whole()
    (line,) = wait_lines(rig, film, 1)
    assert (line.status, line.total, line.cache, line.fill, line.passthrough) == (200, 2000, 0, 0, 2000)
    assert "detail=no-store" in line.how


def test_several_ranges_count_content(rig: Rig) -> None:
    film = rig.put(3 * MIB)
    fetch(film.url, headers=[("Range", "bytes=0-9,1000-1009")])
    (line,) = wait_lines(rig, film, 1)
    assert (line.status, line.total) == (206, 20)


def test_no_content(rig: Rig) -> None:
    film = rig.put(1000)
    film.get_whole()
    film.get(method="HEAD")
    film.get(None, ("If-None-Match", '"v1"'))
    film.get("9999-")
    statuses = [(line.method, line.status, line.total) for line in wait_lines(rig, film, 4)]
    assert statuses[1:] == [("HEAD", 200, 0), ("GET", 304, 0), ("GET", 416, 0)]


def test_errors(rig: Rig) -> None:
    missing, failing, wrong = rig.put(1), rig.put(1), rig.put(1)
    rig.origin.remove(missing.path)
    failing.fault(Fault(raw=b"nonsense\r\n"), None)
    missing.get()
    failing.get()
    wrong.get(method="POST")
    assert [line.status for line in wait_lines(rig, missing, 1)] == [404]
    assert [line.status for line in wait_lines(rig, failing, 1)] == [502]
    assert [(line.method, line.status) for line in wait_lines(rig, wrong, 1)] == [("POST", 405)]


def test_a_client_that_leaves(rig: Rig) -> None:
    film = rig.put(64 * MIB)
    with film.stream(buffer=65536) as reading:
        same_stream(film.body, 0, 1000, reading)
    (line,) = wait_lines(rig, film, 1)
    assert line.status == 200
    assert 1000 <= line.total < film.length


def test_a_torn_answer(rig: Rig) -> None:
    film = rig.put(3 * MIB, etag=None)
    film.fault(Fault(cut_after=MIB))
    assert not film.get().complete
    (line,) = wait_lines(rig, film, 1)
    assert (line.status, line.total) == (200, MIB)


def test_a_crowd_has_a_line_each(rig: Rig) -> None:
    film = rig.put(3 * MIB)
    at_once([film.get_whole] * 30)
    found = wait_lines(rig, film, 30)
    assert {line.total for line in found} == {film.length}
    assert all(line.cache + line.fill == film.length for line in found)


def test_time_is_told(rig: Rig) -> None:
    film = rig.put(1000)
    film.fault(Fault(delay=0.3))
    film.get_whole()
    (line,) = wait_lines(rig, film, 1)
    assert 0.3 <= line.seconds < 1


def test_nothing_can_be_written_into_it(rig: Rig) -> None:
    fetch(rig.proxy.url + "refused?a=%20%0a%22")
    until(lambda: len(lines(rig, "/refused?a=%20%0a%22")) == 1, 5, "a line")


@pytest.mark.parametrize(
    "data",
    [
        b"GET /unheard-host HTTP/1.1\r\n\r\n",
        b"GET /unheard-folded HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
        b"GET /unheard-long HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /unheard-\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /unheard-body HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n",
    ],
    ids=["host", "folded", "long", "target", "body"],
)
def test_what_is_refused_early_is_told_too(rig: Rig, data: bytes) -> None:
    before = len(rig.proxy.log())
    status = int(raw(HOST, rig.proxy.port, data).split(b" ")[1])
    until(lambda: f" {status} " in rig.proxy.log()[before:], 2, f"a line with {status}")
