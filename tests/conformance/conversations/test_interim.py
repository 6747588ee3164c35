"""Interim responses go to those who can take them, before the final one, and are never kept (RFC 9110, section 15.2)."""

from collections.abc import Callable

import pytest

from tests.conformance.conversations.conversation import Room, response
from tests.integration.rig import MIB, Rig, told
from tests.servers.byhand import Head, Peer, connect
from tests.servers.fetch import fetch
from tests.servers.origin import Fault
from tests.servers.proxycache import Proxycache

HINTS = (
    b"HTTP/1.1 103 Early Hints\r\n"
    b"Link: </a.css>; rel=preload\r\n"
    b"X-Between: 1\r\n"
    b"link: </b.js>; rel=preload\r\n"
    b"X-Text: caf\xe9\r\n\r\n"
)
LINES = [
    (b"Link", b"</a.css>; rel=preload"),
    (b"X-Between", b"1"),
    (b"link", b"</b.js>; rel=preload"),
    (b"X-Text", b"caf\xe9"),
]
PROCESSING = b"HTTP/1.1 102 Processing\r\nX-Progress: 50\r\n\r\n"
STORED = response(b"200 OK", b"Cache-Control: max-age=3600", b'ETag: "a"', body=b"text")
NOT_STORED = response(b"200 OK", b"Cache-Control: no-store", body=b"text")


def heads(room: Room, method: str, answer: bytes, *lines: str, version: str = "1.1") -> list[Head]:
    """All the heads that a client gets for this answer of the origin."""
    client, origin, _ = room.begin(method, *lines, version=version)
    with client, origin:
        origin.send(answer)
        found = [client.head()]
        while found[-1].status < 200:
            found.append(client.head())
        return found


class TestArePassedOn:
    @pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
    @pytest.mark.parametrize("final", [STORED, NOT_STORED])
    def test_with_their_fields(self, room: Room, method: str, final: bytes) -> None:
        early, last = heads(room, method, HINTS + final)
        assert early.first.split(b" ")[:2] == [b"HTTP/1.1", b"103"]
        assert early.lines == LINES
        assert last.status == 200

    def test_as_soon_as_they_come(self, room: Room) -> None:
        client, origin, _ = room.begin("GET")
        with client, origin:
            for interim, status in ((PROCESSING, 102), (HINTS, 103)):
                origin.send(interim)
                assert client.head().status == status
            origin.send(STORED)
            head = client.head()
            assert (head.status, client.body(head)) == (200, b"text")

    def test_several_in_their_order(self, room: Room) -> None:
        found = heads(room, "GET", PROCESSING + HINTS + PROCESSING + HINTS + STORED)
        assert [head.status for head in found] == [102, 103, 102, 103, 200]

    def test_of_a_kind_that_nobody_knows(self, room: Room) -> None:
        early, last = heads(room, "GET", b"HTTP/1.1 150 Whatever\r\nX-A: b\r\n\r\n" + STORED)
        assert (early.status, early.lines, last.status) == (150, [(b"X-A", b"b")], 200)

    def test_before_a_revalidated_answer(self, room: Room) -> None:
        heads(room, "GET", STORED.replace(b"3600", b"0"))
        early, last = heads(room, "GET", HINTS + b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nConnection: close\r\n\r\n')
        assert (early.status, last.status) == (103, 200)

    def test_less_what_belongs_to_the_connection(self, room: Room) -> None:
        interim = (
            b"HTTP/1.1 103 Early Hints\r\nConnection: X-Private\r\nX-Private: 1\r\nKeep-Alive: 5\r\nX-A: b\r\n\r\n"
        )
        early, _ = heads(room, "GET", interim + STORED)
        assert early.lines == [(b"X-A", b"b")]

    def test_without_what_would_end_a_line(self, room: Room) -> None:
        early, last = heads(room, "GET", b"HTTP/1.1 103 Early Hints\r\nX-A: b\rX-B: c\x00d\r\n\r\n" + STORED)
        assert [name for name, _ in early.lines] == [b"X-A"]
        assert not {b"\r"[0], 0} & set(early.lines[0][1])
        assert last.status == 200

    def test_a_length_in_them_is_nobodys(self, room: Room) -> None:
        client, origin, _ = room.begin("GET")
        with client, origin:
            origin.send(b"HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\n\r\n" + STORED)
            assert client.head().status == 103
            head = client.head()
            assert (head.status, client.body(head)) == (200, b"text")


class TestAreNotPassedOn:
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_to_http_1_0(self, room: Room, method: str) -> None:
        (only,) = heads(room, method, HINTS + PROCESSING + STORED, version="1.0")
        assert only.status == 200

    def test_with_a_hit(self, room: Room) -> None:
        heads(room, "GET", HINTS + STORED)
        head, body = room.again()
        assert (head.status, body) == (200, b"text")
        assert head.all("Link") == head.all("X-Between") == []

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_100_to_those_who_do_not_wait_for_it(self, room: Room, method: str) -> None:
        (only,) = heads(room, method, b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + STORED)
        assert only.status == 200

    def test_100_to_http_1_0_which_cannot_wait_for_it(self, room: Room) -> None:
        client, origin, _ = room.begin("PUT", "Expect: 100-continue", "Content-Length: 1", version="1.0")
        with client, origin:
            origin.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            assert client.silent(0.1)
            client.send(b"x")
            assert origin.exactly(1) == b"x"
            origin.send(STORED)
            assert client.head().status == 200


class TestWithSeveralClients:
    def test_those_who_joined_get_it_at_once(self, room: Room) -> None:
        """Also who came too late for it, while the answer is still to come."""
        client, origin, _ = room.begin("GET")
        with client, origin, connect(room.port) as second, connect(room.port) as third:
            second.send(room.request("GET"))
            assert second.silent(0.1)
            origin.send(HINTS)
            for each in (client, second):
                assert each.head().lines == LINES
            third.send(room.request("GET"))
            assert third.head().lines == LINES
            origin.send(STORED)
            for each in (client, second, third):
                head = each.head()
                assert (head.status, each.body(head)) == (200, b"text")
            assert room.hand.left_alone(0)

    @pytest.mark.parametrize("who", [("first", "second"), (None, "second"), ("first", None)])
    def test_somebody_in_particular_gets_it_with_the_answer(self, room: Room, who: tuple[str | None, ...]) -> None:
        """It may be about the one who asked, until it is known that the answer is not."""
        lines = [() if each is None else (f"Cookie: {each}",) for each in who]
        client, origin, _ = room.begin("GET", *lines[0])
        with client, origin, connect(room.port) as second:
            second.send(room.request("GET", *lines[1]))
            assert second.silent(0.1)
            origin.send(HINTS)
            assert client.head().lines == LINES
            assert second.silent(0.1)
            origin.send(STORED)
            assert second.head().lines == LINES
            for each in (client, second):
                head = each.head()
                assert (head.status, each.body(head)) == (200, b"text")

    def test_who_gets_an_answer_of_his_own_gets_none(self, room: Room) -> None:
        client, origin, _ = room.begin("GET", "Cookie: first")
        with client, origin, connect(room.port) as second:
            second.send(room.request("GET", "Cookie: second"))
            assert second.silent(0.1)
            origin.send(HINTS, NOT_STORED)
            origin.finish()
            assert [client.head().status, client.head().status] == [103, 200]
            again, _ = room.hand.asked()
            with again:
                again.send(STORED)
                head = second.head()
                assert (head.status, second.body(head)) == (200, b"text")

    @pytest.mark.parametrize("leave", [Peer.close, Peer.reset])
    def test_one_who_left_disturbs_nobody(self, room: Room, leave: Callable[[Peer], None]) -> None:
        """The one who asked is gone when it comes, and another waits for the answer."""
        client, origin, _ = room.begin("GET")
        with client, origin, connect(room.port) as second:
            second.send(room.request("GET"))
            assert second.silent(0.1)
            leave(client)
            assert second.silent(0.1)
            origin.send(HINTS, STORED)
            origin.finish()
            assert second.head().lines == LINES
            head = second.head()
            assert (head.status, second.body(head)) == (200, b"text")
            assert room.hand.left_alone(0)


class TestNonsense:
    def test_another_protocol_that_nobody_asked_for(self, room: Room) -> None:
        client, origin, _ = room.begin("POST")
        with client, origin:
            origin.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + STORED)
            head = client.head()
            assert (head.status, head.field("Upgrade")) == (502, None)
            assert origin.rest() == b""

    def test_nor_where_the_client_did(self, room: Room) -> None:
        """Its wish is not passed on, so the origin cannot fulfil it."""
        head, _ = room.exchange("POST", STORED, "Connection: upgrade", "Upgrade: websocket")
        assert head.field("Upgrade") is None
        assert head.field("Connection") in (None, b"close")

    def test_to_a_get_too(self, rig: Rig) -> None:
        film = rig.put(1000)
        film.fault(Fault(raw=b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), None)
        answer = fetch(film.url)
        assert (answer.status, answer.interim) == (502, []), told(answer)

    def test_thousands_are_a_flood(self, room: Room, proxy: Proxycache) -> None:
        before = proxy.rss()
        client, origin, _ = room.begin("POST")
        with client, origin:
            flood = iter([(b"HTTP/1.1 102 Processing\r\nX-A: %s\r\n\r\n" % (b"b" * 1000)) * 100] * 1000)
            try:
                origin.send_while_taken(lambda: next(flood, b""), 0.5)
            except ConnectionError:
                pass
            head = client.head()
            passed = 0
            while head.status == 102:
                head, passed = client.head(), passed + 1
            assert head.status == 502
            assert passed < 1000
        assert proxy.rss() - before < 16 * MIB

    def test_none_that_ends(self, room: Room) -> None:
        """A header section without end is refused, interim or not."""
        client, origin, _ = room.begin("POST")
        with client, origin:
            try:
                origin.send(b"HTTP/1.1 103 Early Hints\r\n", *[b"X-A: %s\r\n" % (b"b" * 1000)] * 10_000)
            except ConnectionError:
                pass
            assert client.head().status == 502

    def test_only_interim_ones_are_no_answer(self, room: Room) -> None:
        client, origin, _ = room.begin("POST")
        with client:
            with origin:
                origin.send(HINTS)
                assert client.head().status == 103
            assert client.head().status == 502
