"""What the origin was asked, and what it sent."""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

Fields = list[tuple[bytes, bytes]]


@dataclass
class Served:
    """One request and what became of it; it grows while the answer is sent."""

    method: str
    target: bytes
    """The request target, byte for byte."""
    fields: Fields
    """The request's header fields as they came."""
    range: str | None
    """The value of Range."""
    at: float
    """When the head had been read, by time.monotonic()."""
    connection: int
    """Which connection it came on, counted from 1."""
    body: bytes = b""
    """The request's body."""
    status: int = 0
    """0 until decided, and for an answer that has none."""
    sent: int = 0
    """Body bytes handed to the socket."""
    done: bool = False
    """Whether nothing more will be sent, for whatever reason."""

    def field(self, name: str) -> str | None:
        """The request's first field of that name."""
        wanted = name.lower().encode("latin-1")
        for key, value in self.fields:
            if key.lower() == wanted:
                return value.decode("latin-1")
        return None

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.decode("latin-1").partition("?")[0]


class Journal:
    """The log of an origin, safe to read from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._served: list[Served] = []

    def add(self, served: Served) -> None:
        """Append a request."""
        with self._changed:
            self._served.append(served)
            self._changed.notify_all()

    def decided(self, served: Served, status: int) -> None:
        """The answer's status is known."""
        with self._changed:
            served.status = status
            self._changed.notify_all()

    def send(self, sock: socket.socket, data: memoryview, served: Served | None) -> int:
        """Hand bytes to the socket, and count them as the body's: in one, so that no client has what is not counted.

        Whoever waited for a client's answer and then looks at the log finds all that the client got. BlockingIOError
        where the socket takes nothing.
        """
        with self._changed:
            count = sock.send(data, socket.MSG_DONTWAIT)
            if served is not None:
                served.sent += count
                self._changed.notify_all()
        return count

    def finished(self, served: Served) -> None:
        """Nothing more will be sent."""
        with self._changed:
            served.done = True
            self._changed.notify_all()

    def all(self) -> list[Served]:
        """All requests so far, in the order they came."""
        with self._changed:
            return list(self._served)

    def clear(self) -> None:
        """Forget all requests so far."""
        with self._changed:
            self._served.clear()

    def wait_for(self, predicate: Callable[[list[Served]], bool], timeout: float) -> None:
        """Wait until the predicate of the log holds; AssertionError with the log after timeout seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: predicate(self._served), timeout):
                lines = "\n".join(f"  {each}" for each in self._served) or "  nothing"
                raise AssertionError(f"not within {timeout} s; the origin's log:\n{lines}")
