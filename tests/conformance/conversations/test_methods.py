"""Requests that the cache cannot answer reach the origin as they are, where its configuration lists their method."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conformance.conversations.conftest import METHODS
from tests.conformance.conversations.conversation import Room, chunked, response
from tests.integration.rig import MIB, Rig, told
from tests.servers.byhand import Head, Peer, connect
from tests.servers.fetch import fetch, same
from tests.servers.origin import Pattern

OK = response(b"200 OK", body=b"done")
EVERY_BYTE = bytes(range(256)) * 3 + b"\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"
LARGE = Pattern(50 * MIB, seed=7)
UNSAFE = ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "purge"]


def in_chunks(body: bytes, size: int) -> bytes:
    """The body in chunks of that size, with its end."""
    return b"".join(chunked(body[at : at + size] for at in range(0, len(body), size)))


def names(head: Head) -> set[bytes]:
    """Of its fields, in lower case."""
    return {name.lower() for name, _ in head.lines}


class TestWhichAreForwarded:
    @pytest.mark.parametrize("method", UNSAFE)
    def test_those_that_are_listed(self, room: Room, method: str) -> None:
        head, received = room.exchange(method, OK)
        assert head.first == f"{method} {room.path} HTTP/1.1".encode()
        assert received.startswith(b"HTTP/1.1 200 ")
        assert received.endswith(b"\r\n\r\ndone")
        assert b"Cache-Status: proxycache; fwd=method\r\n" in received

    @pytest.mark.parametrize("method", ["PURGE", "Purge", "post", "get", "Put", "MKCOL", "POSTS", "TRACE", "CONNECT"])
    def test_no_other_and_case_matters(self, room: Room, method: str) -> None:
        with connect(room.port) as client:
            client.send(room.request(method, "Connection: close"))
            head = client.head()
            assert head.status == 405
            allowed = [value.strip() for value in b",".join(head.all("Allow")).decode().split(",")]
            assert allowed == (["GET", "HEAD", "OPTIONS"] if method in ("TRACE", "CONNECT") else METHODS)
        assert room.hand.left_alone(0)

    def test_each_origin_has_its_own(self, rig: Rig) -> None:
        film = rig.put(10, prefix="reading/")
        answer = fetch(film.url, method="PUT", body=b"text")
        assert (answer.status, answer.field("Allow")) == (405, "GET, HEAD, OPTIONS"), told(answer)
        assert film.requests == []

    def test_a_refused_one_with_a_body_is_answered_at_once(self, room: Room) -> None:
        """Nobody waits for a body that nobody wants."""
        with connect(room.port) as client:
            client.send(room.request("MKCOL", "Content-Length: 1000000"), b"x" * 1000)
            assert client.head().status == 405
        assert room.hand.left_alone(0)

    @pytest.mark.parametrize(
        "lines",
        [
            ("Content-Length: 5", "Transfer-Encoding: chunked"),
            ("Content-Length: 5", "Content-Length: 6"),
            ("Content-Length: +5",),
            ("Transfer-Encoding: gzip, chunked",),
            ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        ],
    )
    def test_none_whose_end_is_in_doubt(self, room: Room, lines: tuple[str, ...]) -> None:
        with connect(room.port) as client:
            client.send(room.request("POST", *lines), b"5\r\n01234\r\n0\r\n\r\n")
            assert client.head().status in (400, 501)
            client.rest()
        assert room.hand.left_alone(0)


class TestBodies:
    @pytest.mark.parametrize("method", UNSAFE)
    def test_of_a_declared_length(self, room: Room, method: str) -> None:
        client, origin, head = room.begin(method, f"Content-Length: {len(EVERY_BYTE)}", body=EVERY_BYTE)
        with client, origin:
            assert (head.all("Content-Length"), head.all("Transfer-Encoding")) == ([b"%d" % len(EVERY_BYTE)], [])
            assert origin.body(head) == EVERY_BYTE
            origin.send(OK)
            assert client.head().status == 200

    @pytest.mark.parametrize("size", [1, 7, 256, 100_000])
    @pytest.mark.parametrize("coding", ["chunked", "Chunked"])
    def test_in_chunks(self, room: Room, size: int, coding: str) -> None:
        client, origin, head = room.begin("POST", f"Transfer-Encoding: {coding}", body=in_chunks(EVERY_BYTE, size))
        with client, origin:
            assert (head.all("Transfer-Encoding"), head.all("Content-Length")) == ([b"chunked"], [])
            assert origin.body(head) == EVERY_BYTE
            origin.send(OK)
            assert client.head().status == 200

    def test_byte_by_byte(self, room: Room) -> None:
        whole = in_chunks(b"some text", 4)
        client, origin, head = room.begin("POST", "Transfer-Encoding: chunked")
        with client, origin:
            client.send(*(whole[at : at + 1] for at in range(len(whole))))
            assert origin.body(head) == b"some text"
            origin.send(OK)
            assert client.head().status == 200

    def test_large_of_a_declared_length(self, room: Room) -> None:
        client, origin, _ = room.begin("PUT", f"Content-Length: {LARGE.length}")
        with client, origin, ThreadPoolExecutor(1) as pool:
            sending = pool.submit(client.send, *map(bytes, LARGE.pieces(0, LARGE.length)))
            for at in range(0, LARGE.length, MIB):
                same(LARGE, at, origin.exactly(MIB))
            sending.result()
            origin.send(OK)
            assert client.head().status == 200

    def test_large_in_chunks(self, room: Room) -> None:
        client, origin, _ = room.begin("PUT", "Transfer-Encoding: chunked")
        with client, origin, ThreadPoolExecutor(1) as pool:
            sending = pool.submit(client.send, *chunked(map(bytes, LARGE.pieces(0, LARGE.length))))
            at = 0
            for chunk in chunks_of(origin):
                same(LARGE, at, chunk)
                at += len(chunk)
            assert at == LARGE.length
            sending.result()
            origin.send(OK)
            assert client.head().status == 200

    @pytest.mark.parametrize("method", ["POST", "PUT"])
    def test_empty(self, room: Room, method: str) -> None:
        """An origin need not guess whether there is one."""
        for lines in (["Content-Length: 0"], []):
            head, _ = room.exchange(method, OK, *lines)
            assert (head.all("Content-Length"), head.all("Transfer-Encoding")) == ([b"0"], [])

    def test_empty_in_chunks(self, room: Room) -> None:
        client, origin, head = room.begin("POST", "Transfer-Encoding: chunked", body=b"0\r\n\r\n")
        with client, origin:
            assert origin.body(head) == b""
            origin.send(OK)
            assert client.head().status == 200

    @pytest.mark.parametrize("method", ["DELETE", "OPTIONS", "M-SEARCH"])
    def test_none(self, room: Room, method: str) -> None:
        head, _ = room.exchange(method, OK)
        assert head.all("Transfer-Encoding") == []
        assert head.all("Content-Length") in ([], [b"0"])

    def test_with_options(self, room: Room) -> None:
        client, origin, head = room.begin("OPTIONS", "Content-Length: 4", "Content-Type: text/plain", body=b"text")
        with client, origin:
            assert (head.field("Content-Type"), origin.body(head)) == (b"text/plain", b"text")
            origin.send(OK)
            assert client.head().status == 200


def chunks_of(origin: Peer) -> Iterator[bytes]:
    """The chunks as they come."""
    while size := int(origin.until(b"\r\n"), 16):
        yield origin.exactly(size)
        assert origin.exactly(2) == b"\r\n"
    assert origin.exactly(2) == b"\r\n"


class TestFieldsOfTheRequest:
    def test_those_about_the_body_are_kept(self, room: Room) -> None:
        lines = [
            ("Content-Type", "Text/Plain; Charset=x"),
            ("Content-Encoding", "gzip"),
            ("Content-Language", "de"),
            ("Content-Location", "/x"),
            ("Content-Disposition", 'attachment; filename="\xe4"'),
            ("Digest", "x=y"),
            ("If-Match", '"a"'),
            ("Authorization", "Basic x"),
            ("Cookie", "a=b"),
        ]
        head, _ = room.exchange(
            "PUT", OK, "Content-Length: 4", *(f"{name}: {value}" for name, value in lines), body=b"text"
        )
        for name, value in lines:
            assert head.all(name) == [value.encode("latin-1")]

    def test_those_of_the_connection_are_not_passed_on(self, room: Room) -> None:
        head, _ = room.exchange(
            "POST",
            OK,
            "Connection: X-Private, keep-alive",
            "X-Private: 1",
            "x-PRIVATE: 2",
            "Keep-Alive: timeout=5",
            "Proxy-Connection: keep-alive",
            "Proxy-Authorization: Basic x",
            "TE: trailers",
            "Trailer: X-End",
            "Upgrade: h2c",
            "HTTP2-Settings: AAAA",
            "X-Public: 3",
            "Content-Length: 4",
            body=b"text",
        )
        gone = b"x-private keep-alive proxy-connection proxy-authorization te trailer upgrade http2-settings"
        assert names(head) & set(gone.split()) == set()
        assert head.all("X-Public") == [b"3"]
        assert b"X-Private" not in (head.field("Connection") or b"")

    def test_a_length_that_connection_names_is_kept(self, room: Room) -> None:
        """Or else the body would be taken for the next request."""
        client, origin, head = room.begin("POST", "Connection: Content-Length", "Content-Length: 4", body=b"text")
        with client, origin:
            assert origin.body(head) == b"text"
            origin.send(OK)
            assert client.head().status == 200

    def test_trailers_and_extensions_are_dropped(self, room: Room) -> None:
        body = b'5;a=b;c="d"\r\n01234\r\n0;last\r\nX-End: 1\r\nContent-Length: 99\r\n\r\n'
        client, origin, head = room.begin("POST", "Transfer-Encoding: chunked", "Trailer: X-End", body=body)
        with client, origin:
            assert b"x-end" not in names(head)
            assert origin.exactly(15) == b"5\r\n01234\r\n0\r\n\r\n"
            origin.send(OK)
            assert client.head().status == 200
            assert origin.rest() == b""

    @pytest.mark.parametrize("size", [b"f" * 17, b"4000000000000001"])
    def test_a_chunk_as_large_as_nothing_is_ends_it(self, room: Room, size: bytes) -> None:
        """Also in the middle: the origin is not left waiting, nor has it all."""
        client, origin, _ = room.begin("POST", "Transfer-Encoding: chunked", body=b"5\r\n01234\r\n")
        with client, origin:
            assert origin.exactly(10) == b"5\r\n01234\r\n"
            client.send(size + b"\r\n56789")
            assert client.head().status == 400
            assert origin.rest() == b""

    def test_a_request_after_trailers(self, room: Room) -> None:
        body = b"5\r\n01234\r\n0\r\nX-End: 1\r\n\r\n"
        client, origin, _ = room.begin("POST", "Transfer-Encoding: chunked", body=body + room.request("PUT"))
        with client:
            with origin:
                origin.send(OK)
                assert client.body(client.head()) == b"done"
            second, head = room.hand.asked()
            with second:
                assert head.first.startswith(b"PUT ")
                second.send(OK)
                assert client.head().status == 200


class TestAnswers:
    def test_are_streamed(self, room: Room) -> None:
        client, origin, _ = room.begin("POST")
        with client, origin:
            origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsome")
            assert (client.head().status, client.exactly(4)) == (200, b"some")
            origin.send(b"text")
            assert client.exactly(4) == b"text"

    def test_in_chunks(self, room: Room) -> None:
        client, origin, _ = room.begin("POST")
        with client, origin:
            origin.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n")
            head = client.head()
            assert (head.all("Transfer-Encoding"), head.all("Content-Length")) == ([b"chunked"], [])
            assert client.until(b"some\r\n") == b"4\r\n"
            origin.send(b"4\r\ntext\r\n0\r\n\r\n")
            assert client.until(b"0\r\n\r\n") == b"4\r\ntext\r\n"

    def test_a_length_that_nothing_has_is_not_told(self, room: Room) -> None:
        answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n"
        _, told = room.exchange("OPTIONS", answer)
        assert told.startswith(b"HTTP/1.1 204 "), told
        assert b"999" not in told

    def test_to_their_end(self, room: Room) -> None:
        client, origin, _ = room.begin("POST")
        with client, origin:
            origin.send(b"HTTP/1.1 200 OK\r\n\r\nsome")
            head = client.head()
            origin.send(b"text")
            origin.finish()
            assert client.body(head) == b"sometext"

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_their_trailers_are_dropped(self, room: Room, method: str) -> None:
        """Nobody asked for them; and a cache would have to keep them apart (RFC 9110, section 6.5.1)."""
        client, origin, _ = room.begin(method, "TE: trailers", "Connection: TE, close")
        with client, origin:
            origin.send(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\nCache-Control: max-age=60\r\n"
            )
            origin.send(b"\r\n4\r\ntext\r\n0\r\nX-End: 1\r\nCache-Control: no-store\r\n\r\n")
            received = client.rest()
        assert received.endswith((b"\r\n0\r\n\r\n", b"\r\n\r\ntext"))
        assert b"X-End: 1" not in received

    @pytest.mark.parametrize("status", [b"204 No Content", b"205 Reset Content", b"304 Not Modified"])
    def test_without_a_body(self, room: Room, status: bytes) -> None:
        client, origin, _ = room.begin("POST")
        with client:
            with origin:
                origin.send(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n\r\n")
                origin.finish()
                assert client.head().first.split(b" ")[1] == status[:3]
            assert client.silent(0.05)

    def test_torn_they_are_told_to_be(self, room: Room) -> None:
        """And not asked for again."""
        client, origin, _ = room.begin("POST")
        with client:
            with origin:
                origin.send(b'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: 8\r\n\r\nsome')
                head = client.head()
            assert (head.field("Content-Length"), client.rest()) == (b"8", b"some")
        assert room.hand.left_alone(0.1)

    @pytest.mark.parametrize(
        "status", [b"301 Moved Permanently", b"302 Found", b"303 See Other", b"307 Temporary Redirect"]
    )
    def test_that_lead_elsewhere_are_the_clients_to_follow(self, room: Room, status: bytes) -> None:
        """Its body is gone, and nobody may do twice what was asked once."""
        answer = response(status, b"Location: " + room.hand.url.encode() + b"elsewhere")
        _, received = room.exchange("POST", answer, "Content-Length: 4", body=b"text")
        assert received.startswith(b"HTTP/1.1 " + status)
        assert room.hand.left_alone(0)

    def test_to_http_1_0(self, room: Room) -> None:
        """It knows no chunks: the end of the connection tells it."""
        client, origin, head = room.begin("POST", "Content-Length: 4", version="1.0", body=b"text")
        with client, origin:
            assert origin.body(head) == b"text"
            origin.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n0\r\n\r\n")
            told = client.head()
            assert (told.all("Transfer-Encoding"), client.rest()) == ([], b"some")

    def test_are_never_stored(self, room: Room) -> None:
        answer = response(b"200 OK", b"Cache-Control: max-age=3600", b'ETag: "a"', body=b"post")
        room.exchange("POST", answer)
        _, received = room.exchange("GET", OK)
        assert received.endswith(b"done")
