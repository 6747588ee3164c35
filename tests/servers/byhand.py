"""Both ends of a conversation in the test's own hand, byte for byte: what no client and no scripted origin would say."""

import contextlib
import select
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from tests.servers.deadline import PATIENCE_SECONDS
from tests.servers.ports import HOST, bound

PIECE = 1 << 18


class Ended(Exception):
    """The connection ended before what was waited for."""


@dataclass(frozen=True)
class Head:
    """A start line and the header lines after it, as they came."""

    first: bytes
    lines: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def status(self) -> int:
        """Of a response."""
        return int(self.first.split(b" ")[1])

    def all(self, name: str) -> list[bytes]:
        """The value of every line of that name."""
        return [value for key, value in self.lines if key.lower() == name.lower().encode("ascii")]

    def field(self, name: str) -> bytes | None:
        """The value of the first line of that name."""
        return next(iter(self.all(name)), None)


class Peer:
    """One end of a connection."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE_SECONDS)
        self._sock = sock
        self._buffer = bytearray()

    def send(self, *pieces: bytes) -> None:
        """Send them, one after the other."""
        for piece in pieces:
            self._sock.sendall(piece)

    def send_while_taken(self, more: Callable[[], bytes], patience: float) -> int:
        """Send what there is until the other side takes nothing for so many seconds; how much it took.

        The last piece may have gone in part, so nothing useful can follow.
        """
        self._sock.setblocking(False)
        sent, view = 0, memoryview(b"")
        while view or (view := memoryview(more())):
            if not select.select([], [self._sock], [], patience)[1]:
                break
            count = self._sock.send(view)
            sent, view = sent + count, view[count:]
        self._sock.settimeout(PATIENCE_SECONDS)
        return sent

    def head(self) -> Head:
        """The next head: of a request, or of a response, interim ones included."""
        first, *lines = self.until(b"\r\n\r\n").split(b"\r\n")
        pairs = (line.partition(b":") for line in lines)
        return Head(first, [(name, value.strip(b" \t")) for name, _, value in pairs])

    def body(self, head: Head) -> bytes:
        """The body that goes with the head, by its framing."""
        if head.field("Transfer-Encoding") is not None:
            return b"".join(self._chunks())
        length = head.field("Content-Length")
        if length is not None:
            return self.exactly(int(length))
        return self.rest() if head.first.startswith(b"HTTP/") else b""

    def _chunks(self) -> list[bytes]:
        chunks = []
        while size := int(self.until(b"\r\n").partition(b";")[0], 16):
            chunks.append(self.exactly(size))
            self.until(b"\r\n")
        while self.until(b"\r\n"):
            pass
        return chunks

    def until(self, mark: bytes) -> bytes:
        """The bytes up to a mark, which is passed over."""
        at = 0
        while (found := self._buffer.find(mark, at)) < 0:
            at = max(0, len(self._buffer) - len(mark) + 1)
            self._more()
        part = bytes(self._buffer[:found])
        del self._buffer[: found + len(mark)]
        return part

    def exactly(self, count: int) -> bytes:
        """The next so many bytes."""
        while len(self._buffer) < count:
            self._more()
        part = bytes(self._buffer[:count])
        del self._buffer[:count]
        return part

    def rest(self) -> bytes:
        """All that comes until the other side ends the connection, in whatever way."""
        with contextlib.suppress(Ended):
            while True:
                self._more()
        part = bytes(self._buffer)
        self._buffer.clear()
        return part

    def silent(self, seconds: float) -> bool:
        """Whether for so long nothing comes, the end neither."""
        return not self._buffer and not select.select([self._sock], [], [], seconds)[0]

    def _more(self) -> None:
        try:
            data = self._sock.recv(PIECE)
        except ConnectionError as error:
            raise Ended(f"{error} after {bytes(self._buffer[-200:])!r}") from error
        if not data:
            raise Ended(f"after {bytes(self._buffer[-200:])!r}")
        self._buffer += data

    def finish(self) -> None:
        """Send nothing more, and go on reading."""
        # A peer that has seen enough may have hung up.
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Cut the connection by RST."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()

    def close(self) -> None:
        """Hang up."""
        self._sock.close()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect(port: int, receive_buffer: int | None = None) -> Peer:
    """A client's end."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(PATIENCE_SECONDS)
    sock.connect((HOST, port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Peer(sock)


class Listener:
    """An origin's port: each connection is the test's to answer."""

    def __init__(self) -> None:
        self._sock = bound()
        self._sock.settimeout(PATIENCE_SECONDS)
        self._sock.listen(128)
        self.port: int = self._sock.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}/"

    def accept(self) -> Peer:
        """The next connection."""
        sock, _ = self._sock.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Peer(sock)

    def asked(self) -> tuple[Peer, Head]:
        """The next connection, and the head of the first request on it."""
        peer = self.accept()
        return peer, peer.head()

    def turn_away(self) -> None:
        """Hang up on all who connected and were not accepted."""
        while not self.left_alone(0):
            self.accept().close()

    def left_alone(self, seconds: float) -> bool:
        """Whether nobody connects for so long."""
        return not select.select([self._sock], [], [], seconds)[0]

    def __enter__(self) -> "Listener":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sock.close()
