"""A blocking HTTP/1.1 client that hides nothing: a torn answer is neither mended nor an exception."""

import contextlib
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urlsplit

from tests.servers.deadline import PATIENCE_SECONDS
from tests.servers.pattern import Body, body_of

TIMEOUT_SECONDS = PATIENCE_SECONDS
"""How long to wait for the next byte: then TimeoutError, since hanging is never right."""
PIECE = 1 << 18

Headers = Sequence[tuple[str, str]]


@dataclass
class Answer:
    """What came."""

    status: int = 0
    """0 if the connection ended before a whole head."""
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    """The body as far as it came, without its framing; empty in the answer of a stream."""
    complete: bool = False
    """Whether the body ended where its framing said, or where the client stopped reading by its own will."""
    interim: list[int] = field(default_factory=list)
    """Statuses of the 1xx answers before."""

    def field(self, name: str) -> str | None:
        """The first field of that name."""
        return next((value for key, value in self.fields if key.lower() == name.lower()), None)

    @property
    def cache_status(self) -> str:
        """Cache-Status less C{ttl}, which depends on the time; empty where there is none."""
        return re.sub(r"; ttl=-?\d+", "", self.field("Cache-Status") or "")


class Stream:
    """One request on a connection of its own, whose body is read as the test wants it.

    `receive_buffer` sets SO_RCVBUF (the kernel doubles it), so that an unread answer soon stops flowing.
    With `ask_only` the head of the answer is left to be read by `read_head`.
    """

    def __init__(
        self,
        url: str,
        headers: Headers = (),
        *,
        method: str = "GET",
        body: bytes = b"",
        receive_buffer: int | None = None,
        timeout: float = TIMEOUT_SECONDS,
        ask_only: bool = False,
    ) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None, url
        self.answer = Answer()
        self._sock = _connect(parts.hostname, parts.port or 80, receive_buffer, timeout)
        self._buffer = bytearray()
        self._method = method
        self._left: int | None = None
        self._chunked = False
        self._ended = False
        # Not from urlsplit, which would drop an empty query.
        target = "/" + url.partition("://")[2].partition("/")[2]
        names = {name.lower() for name, _ in headers}
        lines = [f"{method} {target} HTTP/1.1"]
        if "host" not in names:
            lines.append(f"Host: {parts.netloc}")
        if body and not names & {"content-length", "transfer-encoding"}:
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name}: {value}" for name, value in headers]
        with contextlib.suppress(ConnectionError):
            self._sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        if not ask_only:
            self.read_head()

    @property
    def port(self) -> int:
        """Our end of the connection."""
        port: int = self._sock.getsockname()[1]
        return port

    @property
    def received(self) -> int:
        """Bytes of a body of declared length that were taken from the socket."""
        assert self._left is not None
        return int(self.answer.field("Content-Length") or 0) - self._left + len(self._buffer)

    @property
    def ended(self) -> bool:
        """Whether no more body comes; `answer.complete` tells whether that is right."""
        return self._ended

    def recv(self, limit: int = PIECE) -> bytes:
        """Up to limit bytes of the body, as they come; empty at its end, right or wrong."""
        if self._ended:
            return b""
        if self._chunked and not self._left:
            self._next_chunk()
            return self.recv(limit)
        if self._left is not None:
            limit = min(limit, self._left)
        data = self._some(limit)
        if not data:
            self._end(complete=self._left is None and not self._torn)
            return b""
        if self._left is not None:
            self._left -= len(data)
            if self._left == 0 and not self._chunked:
                self._end(complete=True)
        return data

    def recv_exactly(self, count: int) -> bytes:
        """The next count bytes of the body; EOFError if it ends before."""
        data = self.take(count)
        if len(data) < count:
            raise EOFError(f"the body ended {count - len(data)} bytes early")
        return data

    def rest(self) -> bytes:
        """The body to its end, right or wrong."""
        return self.take(None)

    def take(self, count: int | None) -> bytes:
        """The next count bytes of the body (None: all), or fewer if it ends before."""
        data = bytearray()
        while count is None or len(data) < count:
            piece = self.recv(PIECE if count is None else min(PIECE, count - len(data)))
            if not piece:
                break
            data += piece
        return bytes(data)

    def close(self) -> None:
        """Hang up."""
        self._sock.close()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    _torn = False
    """Whether the connection was reset, not closed."""

    def _end(self, *, complete: bool) -> None:
        self._ended = True
        self.answer.complete = complete

    def _some(self, limit: int) -> bytes:
        """Bytes from the connection; empty at its end."""
        if self._buffer:
            data = bytes(self._buffer[:limit])
            del self._buffer[:limit]
            return data
        try:
            return self._sock.recv(limit)
        except TimeoutError:
            raise
        except OSError:
            self._torn = True
            return b""

    def _until(self, end: bytes) -> bytes | None:
        """Bytes up to an end mark; None if the connection ends before."""
        while end not in self._buffer:
            kept, self._buffer = self._buffer, bytearray()
            data = self._some(65536)
            self._buffer = kept + data
            if not data:
                return None
        part, _, rest = self._buffer.partition(end)
        self._buffer = rest
        return bytes(part)

    def read_head(self) -> None:
        """Read the head of the answer, and what comes before it."""
        while True:
            head = self._until(b"\r\n\r\n")
            if head is None:
                self._end(complete=False)
                return
            lines = head.decode("latin-1").split("\r\n")
            status = int(lines[0].split(" ")[1])
            if status >= 200:
                break
            self.answer.interim.append(status)
        self.answer.status = status
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.answer.fields.append((name, value.strip()))
        if self._method == "HEAD" or status in (204, 304):
            self._end(complete=True)
        elif (self.answer.field("Transfer-Encoding") or "").lower() == "chunked":
            self._chunked = True
        elif (length := self.answer.field("Content-Length")) is not None:
            self._left = int(length)
            if self._left == 0:
                self._end(complete=True)

    def _next_chunk(self) -> None:
        # What ends the chunk before; there is none before the first.
        if self._left == 0 and self._until(b"\r\n") is None:
            self._end(complete=False)
            return
        line = self._until(b"\r\n")
        try:
            self._left = int((line or b"").partition(b";")[0], 16)
        except ValueError:
            self._end(complete=False)
            return
        if self._left == 0:
            trailer = self._until(b"\r\n")
            while trailer:
                trailer = self._until(b"\r\n")
            self._end(complete=trailer is not None)


def stream(url: str, headers: Headers = (), *, receive_buffer: int | None = None, method: str = "GET") -> Stream:
    """Send a request and read the head of its answer."""
    return Stream(url, headers, receive_buffer=receive_buffer, method=method)


def fetch(
    url: str,
    *,
    headers: Headers = (),
    method: str = "GET",
    body: bytes = b"",
    read: int | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> Answer:
    """One request on a connection of its own. With `read`, hang up after that many bytes of the body."""
    with Stream(url, (*headers, ("Connection", "close")), method=method, body=body, timeout=timeout) as answering:
        answer = answering.answer
        if read is None:
            answer.body = answering.rest()
        else:
            answer.body = answering.take(read)
            answer.complete = answer.complete or len(answer.body) == read
        return answer


def raw(host: str, port: int, data: bytes, *, timeout: float = TIMEOUT_SECONDS) -> bytes:
    """Send bytes and return all that comes until the peer closes; the request should ask it to."""
    with _connect(host, port, None, timeout) as sock:
        sock.sendall(data)
        received = bytearray()
        with contextlib.suppress(ConnectionError):
            while piece := sock.recv(65536):
                received += piece
        return bytes(received)


def same(content: bytes | Body, start: int, body: bytes) -> None:
    """Assert that the body is the content's bytes from start on, telling the first difference."""
    source = body_of(content)
    stop = start + len(body)
    assert stop <= source.length, f"{len(body)} bytes from {start} on of an object of {source.length}"
    at = start
    view = memoryview(body)
    for piece in source.pieces(start, stop):
        got = view[at - start : at - start + len(piece)]
        if got != piece:
            first = next(i for i in range(len(piece)) if got[i] != piece[i])
            raise AssertionError(
                f"first difference at byte {at + first} of the object ({at + first - start} of the body): "
                f"{bytes(got[first : first + 16]).hex()} in place of {bytes(piece[first : first + 16]).hex()}"
            )
        at += len(piece)


def same_stream(content: bytes | Body, start: int, stop: int, source: Stream) -> None:
    """Assert that a stream goes on with the content's bytes from start to stop, piece by piece."""
    while start < stop:
        piece = source.recv(min(PIECE, stop - start))
        assert piece, f"the body ended at byte {start} of the object, {stop - start} bytes early"
        same(content, start, piece)
        start += len(piece)


def _connect(host: str, port: int, receive_buffer: int | None, timeout: float) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(timeout)
    sock.connect((host, port))
    return sock
