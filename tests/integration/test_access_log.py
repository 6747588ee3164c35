"""One line in the log for every request: what was asked, what was answered, and where the bytes came from."""

import os
import re
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.rig import MIB, Rig, Thing, at_once
from tests.servers.deadline import until
from tests.servers.fetch import fetch, raw, same_stream
from tests.servers.origin import Fault, Origin
from tests.servers.ports import HOST
from tests.servers.proxycache import Config, Proxycache
from tests.servers.queues import Standstill


@pytest.fixture(scope="module")
def config() -> Config:
    """A proxy that is trusted, and a parameter that is nobody's business."""
    fetch = {"connect_timeout": 1, "first_byte_timeout": 5, "idle_timeout": 1}
    return {"server": {"trusted_proxies": ["127.0.0.1"]}, "fetch": fetch, "origin": {"ignore_query": ["token"]}}


LINE = re.compile(
    r'(?P<client>[\d.:a-f]+) - - \[(?P<when>[^\]]+)\] "(?P<method>\S+) (?P<uri>\S*) HTTP/1\.1" (?P<status>\d+) (?P<sent>\d+)'
    r' "(?P<referer>[^"]*)" "(?P<agent>[^"]*)"'
    r" cache=(?P<cache>\d+) fill=(?P<fill>\d+) passthrough=(?P<passthrough>\d+)"
    r' seconds=(?P<seconds>[\d.]+) end=(?P<end>\w+) "(?P<how>[^"]*)"$',
    re.MULTILINE,
)


@dataclass(frozen=True)
class Line:
    """One of them."""

    client: str
    when: datetime
    method: str
    uri: str
    status: int
    sent: int
    referer: str
    agent: str
    cache: int
    fill: int
    passthrough: int
    seconds: float
    end: str
    how: str

    @property
    def content(self) -> int:
        """Bytes of the object."""
        return self.cache + self.fill + self.passthrough


def lines_of(log: str, uri: str) -> list[Line]:
    """Those about a target."""
    return [
        Line(
            client=each["client"],
            when=datetime.strptime(each["when"], "%d/%b/%Y:%H:%M:%S %z"),
            method=each["method"],
            uri=each["uri"],
            status=int(each["status"]),
            sent=int(each["sent"]),
            referer=each["referer"],
            agent=each["agent"],
            cache=int(each["cache"]),
            fill=int(each["fill"]),
            passthrough=int(each["passthrough"]),
            seconds=float(each["seconds"]),
            end=each["end"],
            how=re.sub(r"; ttl=-?\d+", "", each["how"]),
        )
        for each in LINE.finditer(log)
        if each["uri"] == uri
    ]


def lines(rig: Rig, uri: str) -> list[Line]:
    """Those about a target, in twistd's log."""
    return lines_of(rig.proxy.log(), uri)


def wait_lines(rig: Rig, thing: Thing, count: int) -> list[Line]:
    """The lines about an object, once there are so many."""
    until(lambda: len(lines(rig, "/" + thing.path)) >= count, f"{count} lines")
    found = lines(rig, "/" + thing.path)
    assert len(found) == count, found
    return found


def test_a_miss_and_a_hit(rig: Rig) -> None:
    film = rig.put(3 * MIB)
    film.get_whole()
    until(lambda: film.get_part(0, 10).cache_status == "proxycache; hit", "a hit")
    first, *_, last = lines(rig, "/" + film.path)
    assert (first.client, first.method, first.status, first.sent) == ("127.0.0.1", "GET", 200, film.length)
    assert first.cache + first.fill == film.length
    assert first.fill > 0
    assert (first.end, first.how) == ("complete", "proxycache; fwd=uri-miss; stored")
    assert (last.status, last.sent, last.cache + last.fill) == (206, 10, 10)
    assert (last.end, last.how) == ("complete", "proxycache; hit")
    assert abs(last.when - datetime.now(UTC)) < timedelta(seconds=60)


def test_past_the_cache(rig: Rig) -> None:
    film = rig.put(2000, cache_control="no-store")
    film.get_whole()
    (line,) = wait_lines(rig, film, 1)
    assert (line.status, line.sent, line.cache, line.fill, line.passthrough) == (200, 2000, 0, 0, 2000)
    assert "detail=no-store" in line.how


def test_several_ranges_count_content(rig: Rig) -> None:
    film = rig.put(3 * MIB)
    answer = fetch(film.url, headers=[("Range", "bytes=0-9,1000-1009")])
    (line,) = wait_lines(rig, film, 1)
    assert (line.status, line.content, line.sent) == (206, 20, len(answer.body))


def test_no_content(rig: Rig) -> None:
    film = rig.put(1000)
    film.get_whole()
    film.get(method="HEAD")
    film.get(None, ("If-None-Match", '"v1"'))
    refused = film.get("9999-")
    statuses = [(line.method, line.status, line.sent) for line in wait_lines(rig, film, 4)]
    assert statuses[1:] == [("HEAD", 200, 0), ("GET", 304, 0), ("GET", 416, len(refused.body))]


def test_errors(rig: Rig) -> None:
    missing, failing, wrong = rig.put(1), rig.put(1), rig.put(1)
    rig.origin.remove(missing.path)
    failing.fault(Fault(raw=b"nonsense\r\n"), None)
    for film, method, status in ((missing, "GET", 404), (failing, "GET", 502), (wrong, "POST", 405)):
        answer = film.get(method=method)
        (line,) = wait_lines(rig, film, 1)
        assert (line.method, line.status, line.sent, line.end) == (method, status, len(answer.body), "complete")


class TestAClientThatLeaves:
    def test_in_mid_body(self, rig: Rig) -> None:
        """What counts is what the kernel took, to the byte: not what still waited to be sent."""
        film = rig.put(64 * MIB)
        with film.stream(buffer=65536) as reading:
            same_stream(film.body, 0, 1000, reading)
            under_way = Standstill(rig.proxy.port, reading.port)
            until(under_way.reached, "no more to be sent")
        (line,) = wait_lines(rig, film, 1)
        assert (line.status, line.end, line.content) == (200, "left", line.sent)
        assert line.sent == reading.received + under_way.queued
        assert line.sent < film.length

    @pytest.mark.parametrize("cache_control", ["max-age=60", "no-store"])
    def test_at_the_very_end(self, rig: Rig, cache_control: str) -> None:
        """All of it was written, and the kernel did not take the last of it."""
        much = rig.put(64 * MIB)
        with much.stream(buffer=65536) as reading:
            full = Standstill(rig.proxy.port, reading.port)
            until(full.reached, "no more to be sent")
        film = rig.put(full.queued + 400_000, cache_control=cache_control)
        with film.stream(buffer=65536) as reading:
            under_way = Standstill(rig.proxy.port, reading.port)
            until(under_way.reached, "no more to be sent")
        (line,) = wait_lines(rig, film, 1)
        taken = reading.received + under_way.queued
        assert line.sent == line.content
        if line.end == "complete":
            # The kernel took more this time, and what a transport holds gladly is left, beside one piece.
            assert film.length - taken <= 2 * 65536
        else:
            assert (line.end, line.sent) == ("left", taken)

    def test_before_the_answer(self, rig: Rig) -> None:
        film = rig.put(1000)
        with rig.origin.gate(film.path) as gate:
            with socket.create_connection((HOST, rig.proxy.port)) as client:
                client.sendall(f"GET /{film.path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                gate.wait_held(1)
            (line,) = wait_lines(rig, film, 1)
            gate.release()
        assert (line.status, line.sent, line.content, line.end) == (499, 0, 0, "left")
        until(lambda: 'requests_total{cache="none",status="499"}' in str(rig.proxy.metrics()), "it to be counted")


@pytest.mark.parametrize("kept", [MIB, 9 * MIB], ids=["one-tenth", "nine-tenths"])
def test_what_was_fetched_again_is_no_hit(rig: Rig, kept: int) -> None:
    """The answer had begun as a hit by then."""
    film = rig.put(10 * MIB + kept // MIB)
    film.get_whole()
    until(lambda: film.get_part(0, film.length).cache_status == "proxycache; hit", "a hit")
    before, asked = rig.proxy.metrics(), len(lines(rig, "/" + film.path))
    # No other has its length.
    (stored,) = [path for path in rig.proxy.cache_dir.glob("??/*") if path.stat().st_size == film.length]
    until(lambda: stored.stat().st_blocks * 512 >= film.length, "all of it on the disk")
    os.truncate(stored, kept)
    assert film.get_whole().cache_status == "proxycache; hit"
    line = wait_lines(rig, film, asked + 1)[-1]
    assert line.how == "proxycache; fwd=partial"
    assert line.fill > 0
    counted = 'proxycache_requests_total{cache="partial",status="200"}'
    assert rig.proxy.metrics()[counted] - before.get(counted, 0) == 1


def test_a_torn_answer(rig: Rig) -> None:
    film = rig.put(3 * MIB, etag=None)
    film.fault(Fault(cut_after=MIB))
    assert not film.get().complete
    (line,) = wait_lines(rig, film, 1)
    assert (line.status, line.end) == (200, "aborted")
    assert line.sent <= MIB


def test_a_crowd_has_a_line_each(rig: Rig) -> None:
    film = rig.put(3 * MIB)
    at_once([film.get_whole] * 30)
    found = wait_lines(rig, film, 30)
    assert {(line.sent, line.content, line.end) for line in found} == {(film.length, film.length, "complete")}


def test_time_is_told(rig: Rig) -> None:
    film = rig.put(1000)
    film.fault(Fault(delay=0.3))
    film.get_whole()
    (line,) = wait_lines(rig, film, 1)
    assert 0.3 <= line.seconds < 1


class TestWhatOthersSend:
    def test_nothing_can_be_written_into_it(self, rig: Rig) -> None:
        bad = 'x" 200 1 "y\\\x1b[2J'
        fetch(rig.proxy.url + "refused?a=%20%0a%22", headers=[("User-Agent", bad), ("Referer", bad)])
        until(lambda: len(lines(rig, "/refused?a=%20%0a%22")) == 1, "a line")

    def test_who_says_it_is(self, rig: Rig) -> None:
        film = rig.put(1000)
        film.get(None, ("User-Agent", "Player/1.0 (X11)"), ("Referer", "http://page.example/?a"))
        (line,) = wait_lines(rig, film, 1)
        assert (line.agent, line.referer) == ("Player/1.0 (X11)", "http://page.example/?a")
        assert (film.get().status, wait_lines(rig, film, 2)[1].agent) == (200, "-")

    def test_nor_is_it_endless(self, rig: Rig) -> None:
        long = "y" * 10_000
        before = len(rig.proxy.log())
        fetch(rig.proxy.url + "long?" + long, headers=[("User-Agent", long), ("Referer", long)])
        until(lambda: '"GET /long?y' in rig.proxy.log()[before:], "a line")
        assert max(map(len, rig.proxy.log()[before:].splitlines())) < 4000

    @pytest.mark.parametrize("name", ["token", "%74oken", "a=1;token"])
    def test_a_secret_stays_one(self, rig: Rig, name: str) -> None:
        """Not even where the origin fails, or somebody came from a page that had it."""
        before = len(rig.proxy.log())
        film = rig.put(3000, etag=None)
        film.fault(Fault(cut_after=1000), None)
        query = f"?{name}=s3cr3t"
        fetch(film.url + query, headers=[("Referer", film.url + query)])
        until(lambda: "end=aborted" in rig.proxy.log()[before:], "a line")
        log = rig.proxy.log()[before:]
        assert f"{film.path}?{name}=***" in log
        assert "s3cr3t" not in log


class TestClients:
    """127.0.0.1 is a proxy that is trusted here."""

    @pytest.mark.parametrize(
        ("headers", "client"),
        [
            ((), "127.0.0.1"),
            ((("X-Forwarded-For", "6.6.6.6, 198.51.100.7"),), "198.51.100.7"),
            ((("X-Forwarded-For", "198.51.100.7, 127.0.0.1"),), "198.51.100.7"),
            ((("X-Forwarded-For", "[2001:db8::7]:80"),), "2001:db8::7"),
            ((("Forwarded", 'for="[2001:db8::7]:80";proto=https'),), "2001:db8::7"),
            ((("X-Forwarded-For", 'nonsense"'),), "127.0.0.1"),
        ],
    )
    def test_told_by_a_proxy(self, rig: Rig, headers: tuple[tuple[str, str], ...], client: str) -> None:
        film = rig.put(1000)
        film.get(None, *headers)
        (line,) = wait_lines(rig, film, 1)
        assert line.client == client

    def test_nobody_else_is_believed(self, tmp_path: Path, origin: Origin) -> None:
        proxy = Proxycache(tmp_path, origin.url)
        with proxy:
            strict = Rig(origin, proxy)
            film = strict.put(1000)
            film.get(None, ("X-Forwarded-For", "198.51.100.7"))
            (line,) = wait_lines(strict, film, 1)
            assert line.client == "127.0.0.1"


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
    request = data.partition(b"\r\n")[0].decode("ascii", "backslashreplace").replace("\\xff", "\\xFF")
    line = re.compile(rf'"(?:{re.escape(request)}|-)" {status} \d+ "-" "-" cache=0 .* end=(refused|complete)')
    until(lambda: line.search(rig.proxy.log()[before:]) is not None, f"a line with {status}")
