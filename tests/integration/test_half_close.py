"""Clients that end their half of the connection once they have asked, and those that have left."""

import socket
from collections.abc import Callable
from http.client import HTTPResponse
from urllib.parse import urlsplit

import pytest

from tests.integration.rig import KIB, MIB, Rig, Thing
from tests.servers.deadline import until
from tests.servers.fetch import same
from tests.servers.origin import Fault
from tests.servers.proxycache import Config

SMALL, LARGE = 100, 20 * MIB + 7


@pytest.fixture(scope="module")
def config() -> Config:
    """No deadline ends what nobody waits for."""
    return {"fetch": {"first_byte_timeout": 300, "idle_timeout": 1}}


def connected(thing: Thing) -> socket.socket:
    """A connection to the product."""
    parts = urlsplit(thing.url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=60)


def request(thing: Thing, *lines: str, method: str = "GET", version: str = "HTTP/1.1") -> bytes:
    """The head of a request."""
    parts = urlsplit(thing.url)
    head = (f"{method} {parts.path} {version}", f"Host: {parts.netloc}", *lines, "", "")
    return "\r\n".join(head).encode()


def answers(client: socket.socket, number: int = 1, method: str = "GET") -> list[tuple[int, bytes]]:
    """Status and body of each answer, after which the connection has to end."""
    found = []
    for _ in range(number):
        answer = HTTPResponse(client, method=method)
        answer.begin()
        found.append((answer.status, answer.read()))
        answer.close()
    return found


def half_closed(thing: Thing, *lines: str, method: str = "GET", version: str = "HTTP/1.1") -> tuple[int, bytes]:
    """Ask for it, end our half of the connection, and read."""
    with connected(thing) as client:
        client.sendall(request(thing, *lines, method=method, version=version))
        client.shutdown(socket.SHUT_WR)
        ((status, body),) = answers(client, method=method)
        assert client.recv(1) == b""
        return status, body


@pytest.mark.parametrize("length", [SMALL, LARGE])
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
def test_it_gets_its_answer(rig: Rig, length: int, version: str) -> None:
    film = rig.put(length)
    for _ in ("cold", "hot"):
        status, body = half_closed(film, version=version)
        assert (status, len(body)) == (200, length)
        same(film.body, 0, body)


def test_it_may_take_its_time(rig: Rig) -> None:
    """Also while the origin is silent, and then stands still in mid-body."""
    film = rig.put(LARGE)
    film.fault(Fault(stall_after=3 * MIB))
    with rig.origin.gate(film.path) as gate, connected(film) as client:
        client.sendall(request(film))
        client.shutdown(socket.SHUT_WR)
        gate.wait_held(1)
        gate.release()
        ((status, body),) = answers(client)
        assert (status, len(body)) == (200, LARGE)
        same(film.body, 0, body)


@pytest.mark.parametrize(
    ("lines", "method", "status", "length"),
    [
        (["Range: bytes=5-1000004"], "GET", 206, MIB),
        (["Range: bytes=0-9,1000-1009"], "GET", 206, None),
        (["Range: bytes=30000000-"], "GET", 416, 0),
        (['If-None-Match: "v1"'], "GET", 304, 0),
        ([], "HEAD", 200, 0),
        (["Connection: close"], "GET", 200, LARGE),
        (["Cache-Control: only-if-cached"], "GET", 504, None),
        ([], "DELETE", 405, None),
    ],
)
def test_whatever_the_answer(rig: Rig, lines: list[str], method: str, status: int, length: int | None) -> None:
    film = rig.put(LARGE)
    found, body = half_closed(film, *lines, method=method)
    assert found == status
    if status == 206 and length is not None:
        same(film.body, 5, body)
    elif length is not None:
        assert len(body) == length


def test_an_error_of_the_origin(rig: Rig) -> None:
    film = rig.put(SMALL)
    film.fault(Fault(status=404, body=b"nothing here"))
    assert half_closed(film) == (404, b"nothing here")


def test_all_of_several_requests_are_answered(rig: Rig) -> None:
    """More than are read before the first is answered."""
    film = rig.put(2 * MIB)
    film.get_whole()
    number = 300
    with connected(film) as client:
        client.sendall(request(film, "Range: bytes=7-1006") * number)
        client.shutdown(socket.SHUT_WR)
        found = answers_in(client)
    assert len(found) == number
    for status, body in found:
        assert (status, len(body)) == (206, 1000)
        same(film.body, 7, body)


def answers_in(client: socket.socket) -> list[tuple[int, bytes]]:
    """All that come until the connection ends; each tells its length."""
    found = []
    with client.makefile("rb") as stream:
        while line := stream.readline():
            status, length = int(line.split()[1]), 0
            while (field := stream.readline()) != b"\r\n":
                name, _, value = field.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            found.append((status, stream.read(length)))
    return found


@pytest.mark.parametrize("sent", [b"", b"GET /", b"GET / HTTP/1.1\r\nHost: a\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX: "])
def test_half_a_request_is_none(rig: Rig, sent: bytes) -> None:
    film = rig.put(SMALL)
    with connected(film) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""


# Those who have left.


def shut(client: socket.socket) -> None:
    """As a program does that ends: by FIN where nothing is unread."""
    client.close()


def reset(client: socket.socket) -> None:
    """By RST."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    client.close()


def half_close_first(client: socket.socket) -> None:
    """It waited for a while."""
    client.shutdown(socket.SHUT_WR)
    assert client.recv(100, socket.MSG_PEEK) == b"HTTP/1.1 ", "a beginning by which it is found out who is there"
    client.close()


LEAVING = pytest.mark.parametrize("leave", [shut, reset, half_close_first])


@LEAVING
def test_who_has_left_is_not_fetched_for(rig: Rig, leave: Callable[[socket.socket], None]) -> None:
    """The request to the origin ends, though that has said nothing yet."""
    film = rig.put(LARGE)
    with rig.origin.gate(film.path) as gate, connected(film) as client:
        client.sendall(request(film))
        gate.wait_held(1)
        leave(client)
        until(lambda: gate.held == 0, "the request to the origin to end")
    assert film.sent == 0


@LEAVING
def test_nor_where_nothing_is_read_from_him(rig: Rig, leave: Callable[[socket.socket], None]) -> None:
    """He has asked for more than we read before the first is answered."""
    film = rig.put(LARGE)
    with rig.origin.gate(film.path) as gate, connected(film) as client:
        client.sendall(request(film) + request(film, f"X-Long: {'x' * 60 * KIB}") * 2)
        gate.wait_held(1)
        leave(client)
        until(lambda: gate.held == 0, "the request to the origin to end")
    assert film.sent == 0
