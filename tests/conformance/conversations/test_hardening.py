"""What reviews found: clients that leave, requests that must not be repeated, sockets that must not stay behind."""

import psutil
import pytest

from tests.conformance.conversations.conversation import Room, response
from tests.integration.rig import Rig, at_once_held, exact, told
from tests.servers.byhand import connect
from tests.servers.deadline import until
from tests.servers.origin import Fault

STORED = response(b"200 OK", b"Cache-Control: max-age=3600", body=b"text")


def is_stored(room: Room) -> bool:
    with connect(room.port) as client:
        client.send(room.request("GET", "Connection: close", "Cache-Control: only-if-cached"))
        return client.head().status == 200


class TestClientsThatLeave:
    @pytest.mark.parametrize("method", ["POST", "DELETE"])
    def test_their_change_counts(self, room: Room, method: str) -> None:
        """The origin does what was asked, whoever waits for its answer."""
        room.exchange("GET", STORED)
        assert is_stored(room)
        client, origin, _ = room.begin(method)
        with origin:
            client.close()
            origin.send(response(b"204 No Content"))
            origin.finish()
            until(lambda: not is_stored(room), "it to be forgotten")

    def test_a_change_without_an_answer_may_have_been_made(self, room: Room) -> None:
        room.exchange("GET", STORED)
        client, origin, _ = room.begin("DELETE", "Connection: close")
        with client:
            origin.close()
            assert client.head().status == 502
        assert not is_stored(room)


class TestBodies:
    @pytest.mark.parametrize("framing", ["Content-Length: 5", "Transfer-Encoding: chunked"])
    def test_of_safe_methods_are_sent_once_as_well(self, room: Room, framing: str) -> None:
        body = b"hello" if "Length" in framing else b"5\r\nhello\r\n0\r\n\r\n"
        failure = response(b"503 Service Unavailable", body=b"not now")
        _, answer = room.exchange("OPTIONS", failure, framing, body=body)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert answer.endswith(b"not now")
        assert room.hand.left_alone(1)

    @pytest.mark.parametrize(
        "answer",
        [b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno", b"no\r\n"],
    )
    def test_answered_early_leave_no_socket_behind(self, room: Room, rig: Rig, answer: bytes) -> None:
        """Also where the origin reads no more, and keeps its end open."""
        process = psutil.Process(rig.proxy.pid)
        before = connections_to(process, room.hand.port)
        client, origin, _ = room.begin("POST", "Content-Length: 50000000")
        with client, origin:
            client.send_while_taken(lambda: b"x" * 65536, 0.3)
            origin.send(answer)
            assert client.head().status in (413, 502)
            until(lambda: connections_to(process, room.hand.port) <= before, "the connection to be closed")


def connections_to(process: psutil.Process, port: int) -> int:
    return sum(1 for each in process.net_connections("tcp") if each.raddr and each.raddr.port == port)


class TestJoining:
    def test_who_may_not_get_what_is_stale_is_worth_every_attempt(self, rig: Rig) -> None:
        """Another, for whom the stale answer would do, asked first and once."""
        film = rig.put(1000, cache_control="max-age=0")
        film.get_whole()
        film.fault(Fault(refuse=True), 3)
        stale, fresh = at_once_held(film, [film.get, lambda: film.get(None, ("Cache-Control", "no-cache"))])
        exact(stale, film.body)
        exact(fresh, film.body)


def test_an_answer_without_content_has_no_length(room: Room) -> None:
    room.exchange("GET", b"HTTP/1.1 204 No Content\r\nCache-Control: max-age=3600\r\n\r\n")
    with connect(room.port) as client:
        client.send(room.request("GET", "Cache-Control: only-if-cached"))
        head = client.head()
    assert (head.status, head.all("Content-Length")) == (204, []), head


def test_more_new_objects_at_once_than_are_kept_idle(rig: Rig) -> None:
    """All of them linger, and still each is stored."""
    pages = [rig.put(10) for _ in range(530)]
    for _ in range(2):
        last = [page.get_whole() for page in pages]
    assert {answer.cache_status for answer in last} == {"proxycache; hit"}, told(last[0])


def test_what_was_being_written_at_the_end_is_recorded(rig: Rig) -> None:
    for _ in range(5):
        film = rig.put(3 << 20)
        film.get_whole()
        rig.proxy.restart()
        assert film.get_whole().cache_status == "proxycache; hit"
