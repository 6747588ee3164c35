"""Requests that are none, or that others might read otherwise: a 4xx with one line, or the right answer."""

import socket
from collections.abc import Callable

import psutil
import pytest

from tests.integration.replies import Reply, replies_to, reply_to
from tests.integration.rig import Rig
from tests.servers.deadline import until
from tests.servers.fetch import raw
from tests.servers.ports import HOST

CONTENT = b"0123456789"
CLOSE = b"Connection: close\r\n"
GET = b"GET /object HTTP/1.1\r\nHost: a\r\n"


@pytest.fixture
def ask(rig: Rig) -> Callable[[bytes], Reply]:
    """Send bytes for the one object there is; the only answer to them."""
    rig.put(CONTENT, path="object")
    return lambda data: reply_to(rig.proxy.port, data)


def right(reply: Reply) -> None:
    """The object."""
    assert (reply.status, reply.body) == (200, CONTENT), reply


def refused(reply: Reply, *statuses: int) -> None:
    """One line, and the end of the connection."""
    assert reply.status in (statuses or (400,)), reply
    assert reply.reason
    assert reply.fields.get("connection") == "close", reply


def ascii_start(value: bytes) -> str:
    """What tells a value of many bytes from others."""
    return f"{value[:20].decode('latin-1')!a}*{len(value)}"


class TestHost:
    @pytest.mark.parametrize(
        "host",
        [b"a", b"films.example:8080", b"127.0.0.1", b"[::1]:80", b"", b"A.B-c_d", b"xn--bcher-kva.example", b"a" * 255],
    )
    def test_any_will_do(self, ask: Callable[[bytes], Reply], host: bytes) -> None:
        right(ask(b"GET /object HTTP/1.1\r\nHost: " + host + b"\r\n" + CLOSE + b"\r\n"))

    @pytest.mark.parametrize(
        "host",
        [
            b"a b",
            b"a/b",
            b"a?b",
            b"a#b",
            b"a@b",
            b"a\\b",
            b'"a"',
            b"<a>",
            b"a\tb",
            b"\xff",
            b"\xc3\xa9",
            b"a|b",
            b"{a}",
        ],
    )
    def test_but_it_has_to_be_one(self, ask: Callable[[bytes], Reply], host: bytes) -> None:
        refused(ask(b"GET /object HTTP/1.1\r\nHost: " + host + b"\r\n" + CLOSE + b"\r\n"))

    def test_missing(self, ask: Callable[[bytes], Reply]) -> None:
        refused(ask(b"GET /object HTTP/1.1\r\n" + CLOSE + b"\r\n"))

    @pytest.mark.parametrize("second", [b"a", b"b"])
    def test_twice(self, ask: Callable[[bytes], Reply], second: bytes) -> None:
        refused(ask(GET + b"Host: " + second + b"\r\n" + CLOSE + b"\r\n"))

    def test_http_1_0_needs_none(self, ask: Callable[[bytes], Reply]) -> None:
        right(ask(b"GET /object HTTP/1.0\r\n\r\n"))
        right(ask(b"GET /object HTTP/1.0\r\nHost: a\r\n\r\n"))


class TestFields:
    @pytest.mark.parametrize(
        "field",
        [
            b"X: a\0b",
            b"X: a\rb",
            b"X\0Y: a",
            b"X Y: a",
            b"X : a",
            b" X: a",
            b": a",
            b"no colon",
            b"X: a\r\n folded",
            b"X: a\r\n\tfolded",
            b"X\xff: a",
            b"X(y): a",
        ],
    )
    def test_malformed_ones(self, ask: Callable[[bytes], Reply], field: bytes) -> None:
        refused(ask(GET + field + b"\r\n" + CLOSE + b"\r\n"))

    @pytest.mark.parametrize("field", [b"X:", b"X:a", b"X: \xe9\xff", b"X:   a   ", b"x-1!#$%&'*+.^_`|~: a"])
    def test_odd_but_right_ones(self, ask: Callable[[bytes], Reply], field: bytes) -> None:
        right(ask(GET + field + b"\r\n" + CLOSE + b"\r\n"))

    def test_control_characters_in_values(self, rig: Rig, ask: Callable[[bytes], Reply]) -> None:
        for code in {*range(0x20), 0x7F} - {*b"\t"}:
            for value in (b"a%cb", b"%ca", b"a%c", b"%c"):
                refused(ask(GET + b"X: " + value % code + b"\r\n" + CLOSE + b"\r\n"))
        assert rig.origin.log == []

    def test_all_other_bytes_in_values(self, rig: Rig) -> None:
        rig.put(CONTENT, path="bytes")
        value = b"a\t" + bytes({*range(0x20, 0x100)} - {0x7F}) + b"b"
        right(reply_to(rig.proxy.port, b"GET /bytes HTTP/1.1\r\nHost: a\r\nX: " + value + b"\r\n" + CLOSE + b"\r\n"))
        (served,) = rig.origin.log
        assert (b"X", value) in served.fields

    def test_what_no_name_may_hold(self, rig: Rig, ask: Callable[[bytes], Reply]) -> None:
        letters = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        for code in {*range(0x100)} - {*letters, *b":"}:
            refused(ask(GET + b"X%cY: a\r\n" % code + CLOSE + b"\r\n"))
        assert rig.origin.log == []

    @pytest.mark.parametrize("size", [70_000, 1_000_000])
    def test_a_giant_line(self, ask: Callable[[bytes], Reply], size: int) -> None:
        refused(ask(GET + b"X: " + b"y" * size + b"\r\n" + CLOSE + b"\r\n"), 400, 431)

    def test_many(self, ask: Callable[[bytes], Reply]) -> None:
        refused(ask(GET + b"X: y\r\n" * 5000 + CLOSE + b"\r\n"), 400, 431)

    def test_many_large_ones(self, ask: Callable[[bytes], Reply]) -> None:
        refused(ask(GET + (b"X: " + b"y" * 8000 + b"\r\n") * 100 + CLOSE + b"\r\n"), 400, 431)

    def test_an_endless_line(self, ask: Callable[[bytes], Reply]) -> None:
        """It is refused before it ends, since it does not."""
        refused(ask(GET + b"X: " + b"y" * 200_000), 400, 431)

    def test_a_giant_target(self, ask: Callable[[bytes], Reply]) -> None:
        refused(ask(b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"), 400, 414, 431)


class TestRequestLine:
    @pytest.mark.parametrize(
        "line",
        [
            b"GET",
            b"GET /object",
            b"GET  /object HTTP/1.1",
            b"GET /object  HTTP/1.1",
            b"GET /object HTTP/1.1 ",
            b" GET /object HTTP/1.1",
            b"GET /obj ect HTTP/1.1",
            b"GET\t/object\tHTTP/1.1",
            b"GET /object HTTP/2.0",
            b"GET /object HTTP/3",
            b"GET /object http/1.1",
            b"GET /object XYZ/1.1",
            b"GET /object HTTP/1.1.1",
            b"GET /object HTTP/",
            b"G\0T /object HTTP/1.1",
            b"G(T /object HTTP/1.1",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"PRI * HTTP/2.0",
        ],
    )
    def test_malformed_ones(self, ask: Callable[[bytes], Reply], line: bytes) -> None:
        refused(ask(line + b"\r\nHost: a\r\n" + CLOSE + b"\r\n"), 400, 405, 505)

    def test_an_empty_line_before_is_passed_over(self, ask: Callable[[bytes], Reply]) -> None:
        right(ask(b"\r\n" + GET + CLOSE + b"\r\n"))

    @pytest.mark.parametrize("line", [b"CONNECT a:443", b"CONNECT /object", b"TRACE /object"])
    def test_methods_that_are_never_for_us(self, ask: Callable[[bytes], Reply], line: bytes) -> None:
        reply = ask(line + b" HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n")
        assert reply.status == 405, reply
        assert reply.fields["allow"] == "GET, HEAD, OPTIONS"
        assert reply.reason

    @pytest.mark.parametrize(
        "method", [b"POST", b"PUT", b"DELETE", b"PATCH", b"PROPFIND", b"PURGE", b"M-SEARCH", b"get", b"FOO", b"X" * 200]
    )
    def test_methods_that_are_not_configured(self, rig: Rig, ask: Callable[[bytes], Reply], method: bytes) -> None:
        reply = ask(method + b" /object HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n")
        assert reply.status == 405, reply
        assert reply.fields["allow"] == "GET, HEAD, OPTIONS"
        assert reply.reason
        assert rig.origin.log == []

    def test_options_of_the_server(self, rig: Rig, ask: Callable[[bytes], Reply]) -> None:
        reply = ask(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n")
        assert (reply.status, reply.body) == (204, b""), reply
        assert reply.fields["allow"] == "GET, HEAD, OPTIONS"
        assert rig.origin.log == []

    @pytest.mark.parametrize("method", [b"GET", b"TRACE", b"POST"])
    def test_nothing_else_of_the_server(self, rig: Rig, ask: Callable[[bytes], Reply], method: bytes) -> None:
        refused(ask(method + b" * HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n"), 400, 405)
        assert rig.origin.log == []

    def test_options_of_an_object_is_the_origins(self, rig: Rig, ask: Callable[[bytes], Reply]) -> None:
        reply = ask(b"OPTIONS /object HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n")
        assert (reply.status, reply.fields["allow"]) == (204, "GET, HEAD, OPTIONS"), reply
        assert [served.method for served in rig.origin.log] == ["OPTIONS"]


class TestBodies:
    """A GET has none; what follows its head is not taken for another request."""

    SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

    def asked(self, rig: Rig) -> list[str]:
        """The paths the origin was asked for."""
        return [served.path for served in rig.origin.log]

    def test_an_empty_one(self, ask: Callable[[bytes], Reply]) -> None:
        right(ask(GET + b"Content-Length: 0\r\n" + CLOSE + b"\r\n"))

    @pytest.mark.parametrize("size", [1, 1000, 60_000, 1_000_000])
    def test_a_body(self, rig: Rig, ask: Callable[[bytes], Reply], size: int) -> None:
        body = self.SMUGGLED.ljust(size, b"x")[:size]
        reply = ask(GET + b"Content-Length: %d\r\n" % size + CLOSE + b"\r\n" + body)
        assert reply.status in (400, 413), reply
        assert reply.reason
        assert "/smuggled" not in self.asked(rig)

    def test_one_that_never_comes(self, ask: Callable[[bytes], Reply]) -> None:
        refused(ask(GET + b"Content-Length: 99999999999\r\n" + CLOSE + b"\r\n"), 413)

    @pytest.mark.parametrize("size", [1, 1000, 200_000])
    def test_in_chunks(self, rig: Rig, ask: Callable[[bytes], Reply], size: int) -> None:
        chunk = self.SMUGGLED.ljust(size, b"x")[:size]
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (size, chunk)
        reply = ask(GET + b"Transfer-Encoding: chunked\r\n" + CLOSE + b"\r\n" + body)
        assert reply.status in (400, 413), reply
        assert reply.reason
        assert "/smuggled" not in self.asked(rig)

    @pytest.mark.parametrize(
        "fields",
        [
            b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            b"Content-Length: 5\r\nContent-Length: 6\r\n",
            b"Content-Length: 5, 5\r\n",
            b"Content-Length: +5\r\n",
            b"Content-Length: -5\r\n",
            b"Content-Length: 0x5\r\n",
            b"Content-Length: five\r\n",
            b"Content-Length: \r\n",
            b"Transfer-Encoding: chunked, chunked\r\n",
            b"Transfer-Encoding: identity, chunked\r\n",
            b"Transfer-Encoding: xchunked\r\n",
            b"Transfer-Encoding: gzip\r\n",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        ],
    )
    def test_framing_in_doubt(self, rig: Rig, ask: Callable[[bytes], Reply], fields: bytes) -> None:
        reply = ask(GET + fields + CLOSE + b"\r\n0\r\n\r\n" + self.SMUGGLED)
        refused(reply, 400, 413, 501)
        assert "/smuggled" not in self.asked(rig)

    @pytest.mark.parametrize(
        "length",
        [
            b"9" * 19,
            b"9223372036854775808",
            b"18446744073709551616",
            b"9" * 5000,
            b"0" * 5000 + b"5",
            b"5_0",
            b"\xb2",
            b"5 5",
        ],
        ids=ascii_start,
    )
    @pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
    def test_a_length_that_nothing_has(self, rig: Rig, method: bytes, length: bytes) -> None:
        rig.put(CONTENT, path="object")
        head = method + b" /object HTTP/1.1\r\nHost: a\r\nContent-Length: " + length + b"\r\n"
        refused(reply_to(rig.proxy.port, head + CLOSE + b"\r\n"))
        assert rig.origin.log == []

    @pytest.mark.parametrize(
        "size",
        [
            b"zz",
            b"-1",
            b"+5",
            b" 5",
            b"5 ",
            b"5_0",
            b"5;\0",
            b"0x5",
            b"",
            b";x",
            b"f" * 16,
            b"f" * 17,
            b"4000000000000001",
            b"f" * 5000,
            b"0" * 5000 + b"5",
            b"5;" + b"x" * 100_000,
            b"5" + b";x=y" * 1000,
        ],
        ids=ascii_start,
    )
    def test_bad_chunks(self, rig: Rig, ask: Callable[[bytes], Reply], size: bytes) -> None:
        reply = ask(GET + b"Transfer-Encoding: chunked\r\n" + CLOSE + b"\r\n" + size + b"\r\n" + self.SMUGGLED)
        refused(reply, 400, 413)
        assert "/smuggled" not in self.asked(rig)

    @pytest.mark.parametrize("size", [b"1" * 2, b"0" * 900 + b"5", b"5;x=y", b"5;"], ids=ascii_start)
    def test_right_chunks_are_read_to_their_end(self, ask: Callable[[bytes], Reply], size: bytes) -> None:
        """And only then refused, since a GET has no body."""
        body = size + b"\r\n" + b"x" * int(size.partition(b";")[0], 16) + b"\r\n0\r\n\r\n"
        reply = ask(GET + b"Transfer-Encoding: chunked\r\n" + CLOSE + b"\r\n" + body)
        assert (reply.status, reply.reason) == (400, "a GET with a body is not accepted\n"), reply

    @pytest.mark.parametrize(
        "trailer", [b"X: " + b"y" * 200_000, b"X: y\r\n" * 50_000, b"\ry" * 50_000], ids=["a line", "lines", "no end"]
    )
    def test_endless_trailers(self, ask: Callable[[bytes], Reply], trailer: bytes) -> None:
        refused(ask(GET + b"Transfer-Encoding: chunked\r\n" + CLOSE + b"\r\n0\r\n" + trailer))

    def test_chunked_in_http_1_0(self, ask: Callable[[bytes], Reply]) -> None:
        refused(ask(b"GET /object HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))

    def test_one_that_is_announced(self, ask: Callable[[bytes], Reply]) -> None:
        """Expect: 100-continue; the client waits for leave to send what is not wanted."""
        refused(ask(GET + b"Content-Length: 1000000\r\nExpect: 100-continue\r\n" + CLOSE + b"\r\n"), 413, 417)


class TestConnections:
    def test_requests_in_a_row_are_answered_in_order(self, rig: Rig) -> None:
        bodies = [b"first", b"second!", b"third"]
        for number, body in enumerate(bodies):
            rig.put(body, path=f"row-{number}")
        requests = [b"GET /row-%d HTTP/1.1\r\nHost: a\r\n" % number for number in range(3)]
        data = b"\r\n".join(requests) + CLOSE + b"\r\n"
        for _ in ("cold", "hot"):
            replies = replies_to(rig.proxy.port, data)
            assert [(reply.status, reply.body) for reply in replies] == [(200, body) for body in bodies]

    def test_many_in_a_row(self, rig: Rig) -> None:
        rig.put(CONTENT, path="object")
        replies = replies_to(rig.proxy.port, (GET + b"\r\n") * 200 + GET + CLOSE + b"\r\n")
        assert [(reply.status, reply.body) for reply in replies] == [(200, CONTENT)] * 201

    def test_a_refusal_in_a_row_ends_it(self, rig: Rig) -> None:
        rig.put(CONTENT, path="object")
        replies = replies_to(rig.proxy.port, GET + b"\r\n" + GET + b"Host: b\r\n\r\n" + GET + b"\r\n")
        assert [reply.status for reply in replies] == [200, 400]

    def test_a_missing_object_does_not(self, rig: Rig) -> None:
        rig.put(CONTENT, path="object")
        data = b"GET /missing HTTP/1.1\r\nHost: a\r\n\r\n" + GET + CLOSE + b"\r\n"
        assert [reply.status for reply in replies_to(rig.proxy.port, data)] == [404, 200]

    def test_http_1_0_closes(self, rig: Rig) -> None:
        rig.put(CONTENT, path="object")
        data = b"GET /object HTTP/1.0\r\n\r\n"
        assert [reply.status for reply in replies_to(rig.proxy.port, data + data)] == [200]

    @pytest.mark.parametrize("sent", [b"", b"G", b"GET /object HTTP/1.1\r\nHo", GET, GET + b"\r\n"])
    def test_leaving_early_disturbs_nobody(self, rig: Rig, ask: Callable[[bytes], Reply], sent: bytes) -> None:
        for _ in range(5):
            with socket.create_connection((HOST, rig.proxy.port), timeout=5) as sock:
                sock.sendall(sent)
        right(ask(GET + CLOSE + b"\r\n"))

    def test_nothing_is_left_open(self, rig: Rig) -> None:
        """Refused connections are closed, not forgotten."""
        process = psutil.Process(rig.proxy.pid)
        before = process.num_fds()
        for _ in range(50):
            assert raw(HOST, rig.proxy.port, b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400 ")
        until(lambda: process.num_fds() <= before, "the connections to be closed")
