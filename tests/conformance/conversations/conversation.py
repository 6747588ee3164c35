"""A client, the product and an origin, with both ends in the test's hand."""

import itertools
from collections.abc import Iterable, Iterator

from tests.faults.index import Index
from tests.servers.byhand import Head, Listener, Peer, connect
from tests.servers.deadline import until
from tests.servers.proxycache import Proxycache

_numbers = itertools.count(1)


def chunked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """A body in chunks, with its end."""
    for piece in pieces:
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def response(status: bytes, *lines: bytes, body: bytes = b"") -> bytes:
    """A whole answer of an origin, which then closes."""
    head = [b"HTTP/1.1 " + status, *lines, b"Connection: close", b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*head, b"", body])


def restart(proxy: Proxycache, *source_urls: str, variants: int = 1) -> None:
    """Stop and start, once what is stored of these URLs at the origin is in the database: what is on its way may be lost."""
    index = Index(proxy.database)
    until(lambda: all(index.entries(url) >= variants for url in source_urls), f"{source_urls} to be recorded")
    proxy.restart()


class Room:
    """An object of its own at the origin in the test's hand."""

    def __init__(self, proxy: Proxycache, hand: Listener) -> None:
        self.hand = hand
        self.port = proxy.port
        self.path = f"/object-{next(_numbers)}"
        self.target = "/hand" + self.path
        self.source_url = hand.url + self.path[1:]

    def request(self, method: str, *lines: str, version: str = "1.1") -> bytes:
        """The head of a request for it."""
        first = f"{method} {self.target} HTTP/{version}"
        return "\r\n".join([first, "Host: a", *lines, "", ""]).encode("latin-1")

    def begin(self, method: str, *lines: str, version: str = "1.1", body: bytes = b"") -> tuple[Peer, Peer, Head]:
        """A request on its way: the client's end, the origin's, and the head that came there.

        For HEAD the cache may ask by a GET of its own.
        """
        client = connect(self.port)
        client.send(self.request(method, *lines, version=version) + body)
        origin, head = self.hand.asked()
        asked = {method, "GET"} if method == "HEAD" else {method}
        assert head.first in {f"{each} {self.path} HTTP/1.1".encode("latin-1") for each in asked}
        return client, origin, head

    def exchange(
        self, method: str, answer: bytes, *lines: str, version: str = "1.1", body: bytes = b""
    ) -> tuple[Head, bytes]:
        """Ask, and let the origin answer so; what came there, and all that the client gets until it is closed."""
        client, origin, head = self.begin(method, "Connection: close", *lines, version=version, body=body)
        with client, origin:
            origin.send(answer)
            origin.finish()
            return head, client.rest()

    def again(self, *lines: str) -> tuple[Head, bytes]:
        """Ask for what must be stored."""
        with connect(self.port) as client:
            client.send(self.request("GET", "Connection: close", "Cache-Control: only-if-cached", *lines))
            head = client.head()
            assert head.status != 504, "it is not stored"
            return head, client.body(head)
