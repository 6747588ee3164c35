"""An origin that sends without end before or between the bytes of a body: a limit on what arrives, and no second request."""

from collections.abc import Iterator

import pytest

from tests.conformance.conversations.conversation import Room
from tests.integration.rig import KIB, MIB
from tests.servers.byhand import Peer
from tests.servers.proxycache import Proxycache

OK = b"HTTP/1.1 200 OK\r\n"
TEXT = b"b" * 1000
FLOOD = 64 * MIB
TAKEN = 4 * MIB
"""More than the limits of the product and the sockets' buffers together."""

HEADS = {
    "folded lines": (OK + b"X-A: b\r\n", b" " + TEXT + b"\r\n"),
    "short folded lines": (OK + b"X-A: b\r\n", b" b\r\n" * 250),
    "folded lines of an interim response": (b"HTTP/1.1 103 Early Hints\r\nX-A: b\r\n", b" " + TEXT + b"\r\n"),
    "fields": (OK, b"X-A: " + TEXT + b"\r\n"),
    "fields of no length": (OK, b"X:\r\n" * 250),
    "interim responses": (b"", b"HTTP/1.1 102 Processing\r\n" + (b"X-A: " + TEXT + b"\r\n") * 32 + b"\r\n"),
    "one line": (OK + b"X-A: ", TEXT),
    "a status line": (b"HTTP/1.1 200 ", TEXT),
}

BODIES = {
    "chunk extensions": b"1;a=" + TEXT + b"\r\nx\r\n",
    "a chunk size": b"0" * 1000,
    "trailers": b"0\r\nX-A: b\r\n" + b"X-A: b\r\n" * 125,
}


def flood(origin: Peer, beginning: bytes, piece: bytes) -> int:
    """Send C{beginning} and then pieces without end; how many bytes went until nobody took them."""
    pieces = [piece * (64 * KIB // len(piece))] * (FLOOD // (64 * KIB))
    more: Iterator[bytes] = iter([beginning, *pieces] if beginning else pieces)
    begun = 0

    def following() -> bytes:
        nonlocal begun
        data = next(more, b"")
        begun += len(data)
        return data

    try:
        origin.send_while_taken(following, 5)
    except ConnectionError:
        pass
    return begun


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize(
    ("method", "lines"), [("GET", ()), ("GET", ("Range: bytes=0-9",)), ("HEAD", ()), ("POST", ("Content-Length: 0",))]
)
def test_before_a_body(room: Room, proxy: Proxycache, name: str, method: str, lines: tuple[str, ...]) -> None:
    before = proxy.rss()
    client, origin, _ = room.begin(method, "Connection: close", *lines)
    with client, origin:
        assert flood(origin, *HEADS[name]) < TAKEN
        head = client.head()
        while head.status < 200:
            head = client.head()
        assert head.status == 502
        client.rest()
    assert room.hand.left_alone(0), "it was asked for again"
    assert proxy.rss() - before < 8 * MIB


@pytest.mark.parametrize("name", BODIES)
def test_between_the_bytes_of_a_body(room: Room, proxy: Proxycache, name: str) -> None:
    before = proxy.rss()
    client, origin, _ = room.begin("POST", "Connection: close", "Content-Length: 0")
    with client, origin:
        assert flood(origin, OK + b"Transfer-Encoding: chunked\r\n\r\n", BODIES[name]) < TAKEN
        assert client.head().status == 502 or not client.rest().endswith(b"\r\n0\r\n\r\n")
    assert proxy.rss() - before < 8 * MIB


def test_what_ends_within_the_limit_is_an_answer(room: Room) -> None:
    client, origin, _ = room.begin("GET", "Connection: close")
    with client, origin:
        lines = b"X-A: b\r\n" + (b" " + TEXT + b"\r\n") * 100
        origin.send(OK + lines + b"Content-Length: 4\r\nCache-Control: max-age=60\r\n\r\ntext")
        head = client.head()
        assert (head.status, client.body(head)) == (200, b"text")


@pytest.mark.parametrize("line", [b" folded before any field", b"no colon", b"Content-Length: four"])
def test_what_is_malformed_is_not_asked_for_again(room: Room, line: bytes) -> None:
    for lines in ((), ("Range: bytes=0-9",)):
        client, origin, _ = room.begin("GET", "Connection: close", *lines)
        with client, origin:
            origin.send(OK + line + b"\r\n\r\ntext")
            assert client.head().status == 502
            client.rest()
        assert room.hand.left_alone(0), "it was asked for again"
