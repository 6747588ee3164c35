"""One answer on the wire, right or broken, at the pace asked for."""

import fcntl
import select
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from tests.servers.answers import Answer
from tests.servers.faults import Fault
from tests.servers.journal import Journal, Served

POLL_SECONDS = 0.01
PACE_SECONDS = 0.01
"""How often a throttled answer sends a piece."""


class Ended(Exception):
    """The connection ends here, as was asked for or because the peer hung up."""


@dataclass(frozen=True)
class Wire:
    """A connection, with what may interrupt the waiting on it."""

    sock: socket.socket
    stopping: threading.Event
    release: threading.Event
    journal: Journal

    def hung_up(self) -> bool:
        """Whether the peer closed, or the origin is being stopped."""
        if self.stopping.is_set():
            return True
        try:
            return not self.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def wait(self, passed: Callable[[float], bool]) -> None:
        """Wait until passed(seconds to wait) is true; Ended if the peer hangs up before."""
        while not passed(POLL_SECONDS):
            if self.hung_up():
                raise Ended

    def pause(self, seconds: float) -> None:
        """Wait for some time; Ended if the origin is being stopped."""
        if seconds > 0 and self.stopping.wait(seconds):
            raise Ended

    def send(self, data: bytes | memoryview, served: Served | None = None) -> None:
        """Send it all, counting it as body bytes of an answer."""
        view = memoryview(data)
        while view:
            try:
                view = view[self.journal.send(self.sock, view, served) :]
            except BlockingIOError:
                select.select((), (self.sock,), ())

    def end(self, reset: bool) -> None:
        """End the connection by FIN, or by RST when the peer's kernel has everything."""
        if reset:
            while self._unsent() and not self.hung_up():
                self.stopping.wait(POLL_SECONDS)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Ended

    def _unsent(self) -> int:
        count: int = struct.unpack("i", fcntl.ioctl(self.sock, termios.TIOCOUTQ, b"\0" * 4))[0]
        return count


def head_of(status: int, headers: tuple[tuple[str, str], ...]) -> bytes:
    """A status line and fields."""
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Unknown"
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")


class Exchange:
    """Sends one answer."""

    def __init__(
        self, wire: Wire, served: Served, answer: Answer, fault: Fault, rate: Callable[[], float | None]
    ) -> None:
        self._wire = wire
        self._served = served
        self._answer = answer
        self._fault = fault
        self._rate = rate
        self._position = 0
        self._due = 0.0

    def send(self, change: Callable[[], None]) -> None:
        """Send the answer; change() replaces the object. Ended if the connection is not to be used again."""
        fault, wire = self._fault, self._wire
        wire.pause(fault.delay)
        if fault.refuse:
            wire.end(fault.reset)
        for status in fault.interim:
            wire.send(head_of(status, (("Link", "</x>; rel=preload"),) if status == 103 else ()))
        if fault.raw is not None:
            wire.send(fault.raw)
            wire.end(fault.reset)
        wire.journal.decided(self._served, self._answer.status)
        wire.send(head_of(self._answer.status, self._framed_headers()))
        if self._served.method == "HEAD" or self._answer.status in (204, 304):
            return
        self._due = time.monotonic()
        self._send_body(change)
        if fault.framing == "chunked":
            wire.send(b"0\r\n\r\n")
        elif fault.framing == "chunked-bad":
            wire.send(b"zz\r\n")
        if fault.framing != "length" and fault.framing != "chunked":
            wire.end(fault.reset)
        wire.send(fault.extra)

    def _framed_headers(self) -> tuple[tuple[str, str], ...]:
        headers, fault = self._answer.headers, self._fault
        if fault.framing == "close":
            return (*headers, ("Connection", "close"))
        if fault.framing != "length":
            return (*headers, ("Transfer-Encoding", "chunked"))
        present = {name.lower() for name, _ in headers}
        left_out = {name.lower() for name in fault.without}
        if "content-length" in present | left_out or self._answer.status in (204, 304):
            return headers
        return (*headers, ("Content-Length", str(self._answer.size)))

    def _send_body(self, change: Callable[[], None]) -> None:
        fault, wire = self._fault, self._wire
        if fault.stall_after is not None:
            self._send_until(fault.stall_after)
            wire.wait(wire.release.wait)
        if fault.change_after is not None:
            self._send_until(fault.change_after.after)
            change()
            wire.end(fault.reset)
        if fault.cut_after is not None:
            self._send_until(fault.cut_after)
            wire.end(fault.reset)
        self._send_until(self._answer.size)

    def _send_until(self, position: int) -> None:
        answer = self._answer
        stop = min(position, answer.size)
        for piece in answer.body.pieces(answer.start + self._position, answer.start + max(stop, self._position)):
            self._send_piece(piece)

    def _send_piece(self, piece: memoryview) -> None:
        chunked = self._fault.framing.startswith("chunked")
        while piece:
            rate = self._rate()
            size = len(piece) if rate is None else max(1, int(rate * PACE_SECONDS))
            part, piece = piece[:size], piece[size:]
            if chunked:
                self._wire.send(b"%x\r\n" % len(part))
            self._wire.send(part, self._served)
            if chunked:
                self._wire.send(b"\r\n")
            self._position += len(part)
            if rate is not None:
                self._due += len(part) / rate
                self._wire.pause(self._due - time.monotonic())
