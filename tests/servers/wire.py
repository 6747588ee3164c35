"""Reading HTTP/1.1 requests from a socket."""

import socket
from dataclasses import dataclass

from tests.servers.journal import Fields

HEAD_LIMIT = 1 << 20


class Gone(Exception):
    """The peer closed the connection, or sent what is no request."""


@dataclass(frozen=True)
class Request:
    """A request's head and body."""

    method: str
    target: bytes
    version: bytes
    fields: Fields
    body: bytes

    def field(self, name: str) -> str | None:
        """The first field of that name, without the space around it."""
        wanted = name.lower().encode("latin-1")
        for key, value in self.fields:
            if key.lower() == wanted:
                return value.decode("latin-1")
        return None

    @property
    def keeps_alive(self) -> bool:
        """Whether another request may follow on the connection."""
        return self.version == b"HTTP/1.1" and (self.field("Connection") or "").lower() != "close"


class Reader:
    """Reads the requests of one connection, one after the other."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = b""

    def request(self) -> Request:
        """The next request; Gone if there is none."""
        lines = self._until(b"\r\n\r\n").split(b"\r\n")
        try:
            method, target, version = lines[0].split(b" ")
        except ValueError:
            raise Gone(f"not a request line: {lines[0]!r}") from None
        fields = []
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            if not colon:
                raise Gone(f"not a field: {line!r}")
            fields.append((name, value.strip(b" \t")))
        head = Request(method.decode("latin-1"), target, version, fields, b"")
        if (head.field("Expect") or "").lower() == "100-continue":
            self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return Request(head.method, target, version, fields, self._body(head))

    def _body(self, head: Request) -> bytes:
        if "chunked" in (head.field("Transfer-Encoding") or "").lower():
            parts = []
            while size := int(self._until(b"\r\n").partition(b";")[0], 16):
                parts.append(self._exactly(size))
                self._until(b"\r\n")
            while self._until(b"\r\n"):
                pass
            return b"".join(parts)
        return self._exactly(int(head.field("Content-Length") or "0"))

    def _more(self) -> None:
        data = self._sock.recv(65536)
        if not data:
            raise Gone("closed")
        self._buffer += data

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            if len(self._buffer) > HEAD_LIMIT:
                raise Gone("head too large")
            self._more()
        part, _, self._buffer = self._buffer.partition(end)
        return part

    def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._more()
        part, self._buffer = self._buffer[:count], self._buffer[count:]
        return part
