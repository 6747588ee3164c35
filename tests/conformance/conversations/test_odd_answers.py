"""Answers of origins that are odd, and all the same to be understood in one way only."""

from email.utils import formatdate

import pytest

from tests.conformance.conversations.conversation import Room, response
from tests.integration.rig import Rig, told
from tests.servers.fetch import fetch
from tests.servers.origin import Fault


class TestUnknownCodings:
    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize("coding", [b"x-own", b"x-own, x-other", b"identity, x-own"])
    def test_are_read_to_the_end(self, room: Room, method: str, coding: bytes) -> None:
        """RFC 9112, section 6.3; a length beside it says nothing."""
        client, origin, _ = room.begin(method)
        with client, origin:
            origin.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + coding + b"\r\nContent-Length: 2\r\n\r\nsome")
            head = client.head()
            assert head.status == 200
            assert head.all("Content-Length") == []
            assert head.all("Transfer-Encoding") == [b"chunked"]
            origin.send(b"text")
            origin.finish()
            assert client.body(head) == b"sometext"

    @pytest.mark.parametrize("coding", [b"identity, chunked", b", chunked", b"Chunked"])
    def test_chunked_alone_is_no_unknown_one(self, room: Room, coding: bytes) -> None:
        client, origin, _ = room.begin("POST")
        with client, origin:
            origin.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + coding + b"\r\n\r\n4\r\nsome\r\n0\r\n\r\n")
            head = client.head()
            assert (head.status, client.body(head)) == (200, b"some")

    @pytest.mark.parametrize(
        "coding",
        [b"gzip", b"gzip, chunked", b"x-own, chunked", b"chunked, x-own", b"x-own\r\nTransfer-Encoding: chunked"],
    )
    def test_those_that_hide_the_content_are_refused(self, room: Room, coding: bytes) -> None:
        """Their bytes are not the content, and nobody asked for them."""
        client, origin, _ = room.begin("POST")
        with client, origin:
            origin.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + coding + b"\r\n\r\n4\r\nsome\r\n0\r\n\r\n")
            origin.finish()
            assert client.head().status == 502

    def test_identity_is_none(self, room: Room) -> None:
        client, origin, _ = room.begin("POST")
        with client, origin:
            origin.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 4\r\n\r\nsome")
            head = client.head()
            assert (head.status, client.body(head)) == (200, b"some")

    def test_and_may_be_stored(self, room: Room) -> None:
        client, origin, _ = room.begin("GET")
        with client, origin:
            origin.send(
                b'HTTP/1.1 200 OK\r\nTransfer-Encoding: x-own\r\nCache-Control: max-age=60\r\nETag: "a"\r\n\r\n'
            )
            origin.send(b"sometext")
            origin.finish()
            assert client.body(client.head()) == b"sometext"
        head, body = room.again()
        assert (body, head.all("Content-Length"), head.all("Transfer-Encoding")) == (b"sometext", [b"8"], [])

    def test_torn_they_are_told_to_be(self, room: Room) -> None:
        client, origin, _ = room.begin("POST")
        with client:
            origin.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: x-own\r\n\r\nsome")
            client.head()
            client.until(b"some\r\n")
            origin.reset()
            assert client.rest() == b""


class TestMoreThanDeclared:
    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize("cache_control", [b"no-store", b"max-age=60"])
    def test_the_length_counts_and_the_connection_is_over(self, room: Room, method: str, cache_control: bytes) -> None:
        client, origin, _ = room.begin(method)
        with client, origin:
            origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nCache-Control: %s\r\n\r\n" % cache_control)
            origin.send(b"0123456789abcdefghijklmnopqrstuvwxyz")
            head = client.head()
            assert (head.all("Content-Length"), client.body(head)) == ([b"10"], b"0123456789")
            assert origin.rest() == b""
            client.send(room.request("POST"))
            following, _ = room.hand.asked()
            with following:
                following.send(response(b"200 OK", body=b"next"))
                assert client.body(client.head()) == b"next"

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_also_where_it_comes_later(self, room: Room, method: str) -> None:
        """The connection was kept by then, and nobody asked for anything on it."""
        client, origin, _ = room.begin(method)
        with client, origin:
            origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nCache-Control: no-store\r\n\r\ntext")
            assert client.body(client.head()) == b"text"
            origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
            assert origin.rest() == b""
            client.send(room.request("GET"))
            following, _ = room.hand.asked()
            with following:
                following.send(response(b"200 OK", body=b"next"))
                assert client.body(client.head()) == b"next"


class TestFailuresThatAreMeant:
    @pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 599])
    @pytest.mark.parametrize(
        "field", [("Cache-Control", "max-age=60"), ("Expires", formatdate(4_000_000_000, usegmt=True))]
    )
    def test_are_stored_and_asked_for_once(self, rig: Rig, status: int, field: tuple[str, str]) -> None:
        film = rig.put(1000, cache_control=None)
        film.fault(Fault(status=status, body=b"sorry", headers=(field,)), None)
        for expected in ("proxycache; fwd=uri-miss; stored", "proxycache; hit"):
            answer = fetch(film.url)
            assert (answer.status, answer.body, answer.cache_status) == (status, b"sorry", expected), told(answer)
        assert len(film.requests) == 1

    def test_not_where_they_may_not_be_stored(self, rig: Rig) -> None:
        film = rig.put(1000)
        film.fault(Fault(status=503, headers=(("Cache-Control", "no-store, max-age=60"),)), None)
        for count in (1, 2):
            assert film.get().status == 503
            assert len(film.requests) == count

    def test_a_bare_one_is_tried_again_and_recovers(self, rig: Rig) -> None:
        film = rig.put(1000)
        film.fault(Fault(status=503))
        assert film.get_whole().cache_status == "proxycache; fwd=uri-miss; stored"
        assert [served.status for served in film.requests] == [503, 200]


class TestFramingInDoubt:
    """RFC 9112, section 6.3: an answer that two readers could cut differently is not passed on."""

    @pytest.mark.parametrize(
        "lines",
        [
            b"Content-Length: 4\r\nContent-Length: 8",
            b"Content-Length: 4, 8",
            b"Content-Length: -4",
            b"Content-Length: +4",
            b"Content-Length: 4 4",
            b"Content-Length: 0x4",
            b"Content-Length: four",
            b"Content-Length: 4;a",
        ],
    )
    @pytest.mark.parametrize("method", ["POST", "DELETE"])
    def test_of_a_length(self, room: Room, method: str, lines: bytes) -> None:
        client, origin, _ = room.begin(method)
        with client, origin:
            origin.send(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n\r\nsometext")
            assert client.head().status == 502

    @pytest.mark.parametrize("lines", [b"Content-Length: 4\r\nContent-Length: 4", b"Content-Length: 4, 4"])
    def test_the_same_length_twice(self, room: Room, lines: bytes) -> None:
        """May be taken for one, or refused."""
        client, origin, _ = room.begin("POST")
        with client, origin:
            origin.send(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n\r\nsometext")
            head = client.head()
            if head.status != 502:
                assert (head.all("Content-Length"), client.body(head)) == ([b"4"], b"some")

    def test_chunks_count_more_than_a_length(self, room: Room) -> None:
        client, origin, _ = room.begin("POST")
        with client, origin:
            origin.send(
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n0\r\n\r\n"
            )
            head = client.head()
            if head.status != 502:
                assert (head.all("Content-Length"), client.body(head)) == ([], b"some")


class TestStatusLines:
    @pytest.mark.parametrize("line", [b"HTTP/1.1 200 ", b"HTTP/1.1 200", b"HTTP/1.1 200 \xe4\xf6", b"HTTP/1.0 200 OK"])
    def test_that_will_do(self, room: Room, line: bytes) -> None:
        client, origin, _ = room.begin("POST")
        with client, origin:
            origin.send(line + b"\r\nContent-Length: 4\r\n\r\ntext")
            head = client.head()
            assert (head.first.split(b" ")[:2], client.body(head)) == ([b"HTTP/1.1", b"200"], b"text")

    @pytest.mark.parametrize(
        "line", [b"HTTP/1.1 abc OK", b"HTTP/1.1", b"ICY 200 OK", b"", b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK"]
    )
    def test_that_will_not(self, room: Room, line: bytes) -> None:
        client, origin, _ = room.begin("POST")
        with client, origin:
            origin.send(line + b"\r\nContent-Length: 4\r\n\r\ntext")
            origin.finish()
            assert client.head().status == 502
