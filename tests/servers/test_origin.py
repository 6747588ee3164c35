"""The origin does what tests ask of it: rightly by default, wrongly on demand."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from tests.servers.fetch import Answer, fetch, raw, same, same_stream, stream
from tests.servers.origin import Change, Fault, Origin, Pattern
from tests.servers.ports import HOST

MIB = 1 << 20
DATE = "Mon, 02 Jan 2023 03:04:05 GMT"
LATER = "Tue, 03 Jan 2023 03:04:05 GMT"


@pytest.fixture
def origin() -> Iterator[Origin]:
    """A started origin."""
    with Origin() as started:
        yield started


@pytest.fixture
def ten(origin: Origin) -> str:
    """The URL of ten bytes at /ten."""
    return origin.put("/ten", b"0123456789", last_modified=DATE)


def get(url: str, **headers: str) -> Answer:
    """Fetch with headers whose names are written with underscores."""
    return fetch(url, headers=[(name.replace("_", "-"), value) for name, value in headers.items()])


class TestPattern:
    def test_reading_in_parts_equals_reading_at_once(self) -> None:
        pattern = Pattern(3 * MIB + 17, seed=3)
        whole = pattern.read(0, pattern.length)
        assert len(whole) == pattern.length
        for start, stop in ((0, 1), (MIB - 1, MIB + 1), (17, 2 * MIB + 5), (3 * MIB, 3 * MIB + 17), (9, 9)):
            assert pattern.read(start, stop) == whole[start:stop]

    def test_no_two_aligned_places_are_alike(self) -> None:
        pattern = Pattern(1 << 40)
        starts = [i << 16 for i in range(64)] + [i << 30 for i in range(64)]
        assert len({pattern.read(start, start + 16) for start in starts}) == 127

    def test_seeds_differ(self) -> None:
        assert Pattern(100, seed=1).read(0, 100) != Pattern(100, seed=2).read(0, 100)

    def test_out_of_bounds(self) -> None:
        with pytest.raises(ValueError, match="not within"):
            Pattern(10).read(5, 11)

    def test_same_tells_the_first_difference(self) -> None:
        pattern = Pattern(2 * MIB)
        body = bytearray(pattern.read(5, 2 * MIB))
        body[MIB + 7] ^= 1
        with pytest.raises(AssertionError, match=f"byte {MIB + 12} of the object"):
            same(pattern, 5, bytes(body))
        with pytest.raises(AssertionError):
            same(pattern, 5, pattern.read(6, 100))
        same(pattern, 6, pattern.read(6, 100))


class TestRightAnswers:
    def test_whole(self, origin: Origin, ten: str) -> None:
        answer = get(ten)
        assert (answer.status, answer.body, answer.complete) == (200, b"0123456789", True)
        for name, value in (
            ("Content-Length", "10"),
            ("ETag", '"v1"'),
            ("Last-Modified", DATE),
            ("Accept-Ranges", "bytes"),
            ("Cache-Control", "max-age=3600"),
            ("Content-Type", "application/octet-stream"),
        ):
            assert answer.field(name) == value
        assert answer.field("Date") is not None
        assert origin.body_bytes("/ten") == 10

    @pytest.mark.parametrize(
        ("wanted", "status", "content_range", "body"),
        [
            ("bytes=2-4", 206, "bytes 2-4/10", b"234"),
            ("bytes=7-", 206, "bytes 7-9/10", b"789"),
            ("bytes=-3", 206, "bytes 7-9/10", b"789"),
            ("bytes=-30", 206, "bytes 0-9/10", b"0123456789"),
            ("bytes=8-100", 206, "bytes 8-9/10", b"89"),
            ("bytes=10-", 416, "bytes */10", b""),
            ("bytes=-0", 416, "bytes */10", b""),
            ("bytes=4-2", 200, None, b"0123456789"),
            ("pages=1-2", 200, None, b"0123456789"),
            ("bytes=0-1,4-5", 200, None, b"0123456789"),
        ],
    )
    def test_range(self, ten: str, wanted: str, status: int, content_range: str | None, body: bytes) -> None:
        answer = get(ten, Range=wanted)
        assert (answer.status, answer.field("Content-Range"), answer.body) == (status, content_range, body)
        assert answer.complete

    @pytest.mark.parametrize(
        ("validator", "status"), [('"v1"', 206), ('"v2"', 200), ('W/"v1"', 200), (DATE, 206), (LATER, 200)]
    )
    def test_if_range(self, ten: str, validator: str, status: int) -> None:
        assert get(ten, Range="bytes=0-0", If_Range=validator).status == status

    @pytest.mark.parametrize(
        ("name", "value", "status"),
        [
            ("If_None_Match", '"v1"', 304),
            ("If_None_Match", '"v0", W/"v1"', 304),
            ("If_None_Match", '"v2"', 200),
            ("If_None_Match", "*", 304),
            ("If_Modified_Since", DATE, 304),
            ("If_Modified_Since", "Sun, 01 Jan 2023 03:04:05 GMT", 200),
            ("If_Match", '"v1"', 200),
            ("If_Match", '"v2"', 412),
            ("If_Unmodified_Since", "Sun, 01 Jan 2023 03:04:05 GMT", 412),
        ],
    )
    def test_preconditions(self, ten: str, name: str, value: str, status: int) -> None:
        answer = get(ten, **{name: value})
        assert (answer.status, answer.complete) == (status, True)
        assert answer.field("ETag") == '"v1"'

    def test_head(self, ten: str) -> None:
        answer = fetch(ten, method="HEAD", headers=[("Range", "bytes=0-1")])
        assert (answer.status, answer.field("Content-Length"), answer.body) == (200, "10", b"")

    def test_missing(self, origin: Origin) -> None:
        assert get(origin.url + "nothing").status == 404

    def test_other_methods_keep_their_body(self, origin: Origin, ten: str) -> None:
        assert fetch(ten, method="OPTIONS").status == 204
        assert fetch(ten, method="POST", body=b"abc").status == 200
        chunked = b"PUT /ten HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        raw(HOST, origin.port, chunked + b"3\r\nabc\r\n0\r\n\r\n")
        assert [served.body for served in origin.requests("ten")] == [b"", b"abc", b"abc"]

    def test_own_headers_stand_in_place_of_default_ones(self, origin: Origin) -> None:
        url = origin.put(
            "/x",
            b"x",
            etag=None,
            cache_control=None,
            content_type=None,
            headers=(("Date", DATE), ("Vary", "A")),
        )
        fields = [(name, value) for name, value in get(url).fields if name != "Content-Length"]
        assert fields == [("Accept-Ranges", "bytes"), ("Date", DATE), ("Vary", "A")]

    def test_no_ranges(self, origin: Origin) -> None:
        answer = get(origin.put("/x", b"xyz", accept_ranges=False), Range="bytes=1-1")
        assert (answer.status, answer.body, answer.field("Accept-Ranges")) == (200, b"xyz", None)

    def test_query(self, origin: Origin) -> None:
        url = origin.put("/x", b"any")
        origin.put("/x?b", b"b")
        assert [get(url + query).body for query in ("", "?a", "?b")] == [b"any", b"any", b"b"]
        assert [served.target for served in origin.requests("/x?b")] == [b"/x?b"]
        assert len(origin.requests("/x")) == 3

    def test_keep_alive(self, origin: Origin, ten: str) -> None:
        request = b"GET /ten HTTP/1.1\r\nHost: a\r\n"
        received = raw(HOST, origin.port, request + b"\r\n" + request + b"Connection: close\r\n\r\n")
        assert received.count(b"0123456789") == 2
        assert [served.connection for served in origin.log] == [1, 1]

    def test_log(self, origin: Origin, ten: str) -> None:
        get(ten + "?%2f", Range="bytes=1-2", X_Y="z")
        [served] = origin.requests("/ten")
        assert (served.method, served.target, served.range) == ("GET", b"/ten?%2f", "bytes=1-2")
        assert (served.status, served.sent) == (206, 2)
        assert (b"X-Y", b"z") in served.fields
        assert served.field("x-y") == "z"
        assert served.at <= time.monotonic()
        origin.wait_for(lambda log: log[0].done)
        with pytest.raises(AssertionError, match="GET"):
            origin.wait_for(lambda log: len(log) > 1, timeout=0.0)


class TestFaults:
    def test_they_are_taken_in_order(self, origin: Origin, ten: str) -> None:
        origin.fault("/ten", Fault(status=503), times=2)
        origin.fault("/ten", Fault(status=404, body=b"gone", headers=(("Retry-After", "1"),)))
        answers = [get(ten) for _ in range(4)]
        assert [answer.status for answer in answers] == [503, 503, 404, 200]
        assert [answer.body for answer in answers] == [b"", b"", b"gone", b"0123456789"]
        assert answers[2].field("Retry-After") == "1"

    def test_for_ever_and_only_when(self, origin: Origin, ten: str) -> None:
        origin.fault("/ten", Fault(refuse=True), None, when=lambda served: served.range is not None)
        assert [get(ten).status, get(ten, Range="bytes=0-0").status, get(ten, Range="bytes=1-1").status] == [
            200,
            0,
            0,
        ]
        origin.clear_faults("/ten")
        assert get(ten, Range="bytes=0-0").status == 206

    @pytest.mark.parametrize("reset", [False, True])
    def test_cut(self, origin: Origin, reset: bool) -> None:
        pattern = Pattern(20 * MIB)
        url = origin.put("/big", pattern)
        origin.fault("/big", Fault(cut_after=3 * MIB + 1, reset=reset))
        answer = get(url)
        assert (answer.status, answer.complete) == (200, False)
        assert len(answer.body) == 3 * MIB + 1
        same(pattern, 0, answer.body)
        assert origin.body_bytes("/big") == 3 * MIB + 1

    def test_stall_and_release(self, origin: Origin, ten: str) -> None:
        origin.fault("/ten", Fault(stall_after=4))
        with stream(ten) as stalled:
            assert stalled.recv_exactly(4) == b"0123"
            origin.release.set()
            assert stalled.rest() == b"456789"

    def test_stall_until_the_peer_hangs_up(self, origin: Origin, ten: str) -> None:
        origin.fault("/ten", Fault(stall_after=4))
        assert fetch(ten, read=4).body == b"0123"
        origin.wait_for(lambda log: log[0].done)
        assert origin.body_bytes("/ten") == 4

    def test_delay(self, origin: Origin, ten: str) -> None:
        origin.fault("/ten", Fault(delay=0.1))
        before = time.monotonic()
        assert get(ten).complete
        assert time.monotonic() - before >= 0.1

    def test_ignored_range(self, origin: Origin, ten: str) -> None:
        origin.fault("/ten", Fault(ignore_range=True))
        answer = get(ten, Range="bytes=2-3")
        assert (answer.status, answer.body) == (200, b"0123456789")

    def test_wrong_content_range(self, origin: Origin, ten: str) -> None:
        origin.fault("/ten", Fault(content_range="bytes 2-4/*"))
        origin.fault("/ten", Fault(content_range="bytes 3-4/10", body_range=(3, 5)))
        for content_range, body in (("bytes 2-4/*", b"234"), ("bytes 3-4/10", b"34")):
            answer = get(ten, Range="bytes=2-4")
            assert (answer.status, answer.field("Content-Range"), answer.body) == (206, content_range, body)
            assert answer.complete

    def test_no_content_length(self, origin: Origin, ten: str) -> None:
        origin.fault("/ten", Fault(framing="close"))
        origin.fault("/ten", Fault(framing="close", cut_after=4, reset=True))
        answer = get(ten)
        assert (answer.body, answer.complete, answer.field("Content-Length")) == (b"0123456789", True, None)
        answer = get(ten)
        assert (answer.body, answer.complete) == (b"0123", False)

    def test_chunked(self, origin: Origin) -> None:
        pattern = Pattern(3 * MIB)
        url = origin.put("/big", pattern)
        for framing, complete in (("chunked", True), ("chunked-truncated", False), ("chunked-bad", False)):
            origin.fault("/big", Fault(framing=framing))  # type: ignore[arg-type]
            answer = get(url)
            assert (len(answer.body), answer.complete) == (3 * MIB, complete)
            same(pattern, 0, answer.body)

    def test_extra_bytes(self, origin: Origin, ten: str) -> None:
        origin.fault("/ten", Fault(extra=b"EXTRA"))
        request = b"GET /ten HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        assert raw(HOST, origin.port, request).endswith(b"0123456789EXTRA")

    def test_encoding_redirect_interim_raw(self, origin: Origin, ten: str) -> None:
        for fault in (
            Fault(content_encoding="gzip"),
            Fault(redirect="/other", status=307),
            Fault(interim=(100, 103)),
            Fault(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfew"),
            Fault(without=("ETag", "Content-Length"), framing="close"),
        ):
            origin.fault("/ten", fault)
        assert get(ten).field("Content-Encoding") == "gzip"
        answer = get(ten)
        assert (answer.status, answer.field("Location"), answer.complete) == (307, "/other", True)
        answer = get(ten)
        assert (answer.interim, answer.status, answer.body) == ([100, 103], 200, b"0123456789")
        answer = get(ten)
        assert (answer.status, answer.body, answer.complete) == (200, b"few", False)
        assert get(ten).field("ETag") is None

    def test_change_in_mid_answer(self, origin: Origin, ten: str) -> None:
        origin.fault("/ten", Fault(change_after=Change(4, b"abcdef", '"v2"')))
        answer = get(ten)
        assert (answer.body, answer.complete) == (b"0123", False)
        answer = get(ten, Range="bytes=4-", If_Range='"v1"')
        assert (answer.status, answer.body, answer.field("ETag")) == (200, b"abcdef", '"v2"')


class TestPace:
    def test_throttle(self, origin: Origin) -> None:
        pattern = Pattern(200_000)
        url = origin.put("/slow", pattern)
        origin.throttle("/slow", 1_000_000)
        before = time.monotonic()
        same(pattern, 0, get(url).body)
        assert time.monotonic() - before >= 0.18

    def test_throttle_is_heeded_by_answers_under_way(self, origin: Origin) -> None:
        pattern = Pattern(200_000)
        url = origin.put("/slow", pattern)
        origin.throttle("/slow", 1000)
        with stream(url) as streaming:
            same_stream(pattern, 0, 100, streaming)
            assert origin.body_bytes("/slow") < pattern.length
            origin.throttle("/slow", None)
            same_stream(pattern, 100, pattern.length, streaming)

    def test_gate(self, origin: Origin, ten: str) -> None:
        with ThreadPoolExecutor(3) as pool:
            with origin.gate("/ten") as gate:
                answers = [pool.submit(get, ten) for _ in range(3)]
                gate.wait_held(3)
                assert origin.body_bytes("/ten") == 0
            assert [answer.result().body for answer in answers] == [b"0123456789"] * 3
        assert gate.held == 0
        with pytest.raises(AssertionError):
            gate.wait_held(1, timeout=0.0)

    def test_its_objects_cost_no_memory(self, origin: Origin) -> None:
        pattern = Pattern(256 * MIB)
        url = origin.put("/huge", pattern)
        before = psutil.Process().memory_info().rss
        with stream(url) as streaming:
            while streaming.recv(MIB):
                pass
            assert streaming.answer.complete
        assert psutil.Process().memory_info().rss - before < 64 * MIB

    def test_a_stream_is_compared_as_it_comes(self, origin: Origin) -> None:
        pattern = Pattern(5 * MIB)
        url = origin.put("/big", pattern)
        with stream(url, [("Range", "bytes=100-")], receive_buffer=65536) as streaming:
            same_stream(pattern, 100, 3 * MIB, streaming)
            assert not streaming.ended
            same_stream(pattern, 3 * MIB, 5 * MIB, streaming)
            assert streaming.ended
            with pytest.raises(EOFError):
                streaming.recv_exactly(1)

    def test_a_reader_that_leaves_is_not_sent_much(self, origin: Origin) -> None:
        url = origin.put("/huge", Pattern(1 << 30))
        with stream(url, receive_buffer=65536) as streaming:
            streaming.recv_exactly(1000)
        origin.wait_for(lambda log: log[0].done)
        assert origin.body_bytes("/huge") < 2 * MIB


class TestLife:
    def test_down_and_up_again(self, origin: Origin, ten: str) -> None:
        assert get(ten).complete
        origin.stop()
        origin.stop()
        with pytest.raises(ConnectionRefusedError):
            get(ten)
        origin.start()
        assert get(ten).body == b"0123456789"
        assert len(origin.log) == 2

    def test_stopping_ends_whatever_goes_on(self, origin: Origin, ten: str) -> None:
        origin.put("/slow", Pattern(1 << 30))
        origin.throttle("/slow", 1000)
        origin.put("/held", b"x")
        origin.put("/delayed", b"x")
        origin.fault("/ten", Fault(stall_after=1))
        origin.fault("/delayed", Fault(delay=3600))
        paths = ("ten", "slow", "held", "delayed")
        with ThreadPoolExecutor(len(paths)) as pool:
            gate = origin.gate("/held")
            answers = [pool.submit(fetch, origin.url + path) for path in paths]
            gate.wait_held(1)
            origin.wait_for(lambda log: len(log) == 4 and sum(served.sent > 0 for served in log) == 2)
            origin.stop()
            assert not any(answer.result().complete for answer in answers)
        assert origin.connections == 0

    def test_connections_can_be_dropped(self, origin: Origin, ten: str) -> None:
        origin.fault("/ten", Fault(stall_after=5))
        with stream(ten) as stalled:
            stalled.recv_exactly(5)
            origin.drop_connections()
            assert stalled.rest() == b""
            assert not stalled.answer.complete
        assert get(ten).complete
