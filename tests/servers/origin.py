"""A real HTTP/1.1 origin on 127.0.0.1, in threads, that can be told to break."""

import contextlib
import itertools
import socket
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TypeVar

from tests.servers.answers import Thing, faulty_answer, right_answer
from tests.servers.deadline import PATIENCE_SECONDS
from tests.servers.exchange import Ended, Exchange, Wire
from tests.servers.faults import Change, Fault
from tests.servers.gate import Gate
from tests.servers.journal import Journal, Served
from tests.servers.pattern import Body, Literal, Pattern, body_of
from tests.servers.ports import HOST, bound
from tests.servers.wire import Gone, Reader, Request

__all__ = ["Body", "Change", "Fault", "Gate", "Literal", "Origin", "Pattern", "Served"]

SEND_BUFFER = 1 << 17
"""Small, so that the count of bytes sent stays near what the peer has read."""
JOIN_SECONDS = 10.0

T = TypeVar("T")


@dataclass
class _Queued:
    fault: Fault
    left: int | None
    when: Callable[[Served], bool]


class Origin:
    """An origin of registered objects.

    Started again after a stop, it has the same port, objects, faults and log. A path is what stands in a
    request target, without its query unless one was given to put(): "/a/b.bin".
    """

    def __init__(self, *, send_buffer: int = SEND_BUFFER) -> None:
        self.release = threading.Event()
        """Lets go of every answer that is stalled, and of those to come while it is set."""
        self._send_buffer = send_buffer
        self._lock = threading.Lock()
        self._things: dict[str, Thing] = {}
        self._personal: dict[tuple[str, str], Thing] = {}
        self._faults: defaultdict[str, deque[_Queued]] = defaultdict(deque)
        self._rates: dict[str, float] = {}
        self._gates: dict[str, Gate] = {}
        self._journal = Journal()
        self._numbers = itertools.count(1)
        self._stopping = threading.Event()
        self._listener: socket.socket | None = None
        self._threads: set[threading.Thread] = set()
        self._socks: set[socket.socket] = set()
        with bound() as sock:
            self.port: int = sock.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}/"

    # Objects and what happens to their answers.

    def put(
        self,
        path: str,
        body: bytes | Body,
        *,
        etag: str | None = '"v1"',
        last_modified: str | None = None,
        content_type: str | None = "application/octet-stream",
        cache_control: str | None = "max-age=3600",
        accept_ranges: bool = True,
        headers: tuple[tuple[str, str], ...] = (),
        cookie: str | None = None,
    ) -> str:
        """Register or replace an object; its URL.

        Headers stand in place of the default ones of the same name. Without accept_ranges the origin ignores
        Range, and says so by silence. With a cookie it is for requests that bring that very one.
        """
        thing = Thing(body_of(body), etag, last_modified, content_type, cache_control, accept_ranges, tuple(headers))
        with self._lock:
            if cookie is None:
                self._things[_rooted(path)] = thing
            else:
                self._personal[_rooted(path), cookie] = thing
        return self.url + _rooted(path)[1:]

    def remove(self, path: str) -> None:
        """Unregister an object: 404 from now on."""
        with self._lock:
            del self._things[_rooted(path)]

    def fault(
        self,
        path: str,
        fault: Fault,
        times: int | None = 1,
        *,
        when: Callable[[Served], bool] = lambda served: True,
    ) -> None:
        """Queue a fault for the next requests to a path, or for all of them (times=None).

        The first queued one whose `when` accepts the request is taken.
        """
        with self._lock:
            self._faults[_rooted(path)].append(_Queued(fault, times, when))

    def clear_faults(self, path: str | None = None) -> None:
        """Forget the faults of a path, or of all."""
        with self._lock:
            if path is None:
                self._faults.clear()
            else:
                self._faults.pop(_rooted(path), None)

    def throttle(self, path: str, rate: float | None) -> None:
        """Send answers to a path, also those under way, at so many body bytes per second; None for as fast as can be."""
        with self._lock:
            if rate is None:
                self._rates.pop(_rooted(path), None)
            else:
                self._rates[_rooted(path)] = rate

    def gate(self, path: str) -> Gate:
        """Hold back the answers to a path, before their headers, until the gate is released."""
        gate = Gate()
        with self._lock:
            self._gates[_rooted(path)] = gate
        return gate

    # The log.

    @property
    def log(self) -> list[Served]:
        """All requests so far; the entries of running ones still grow."""
        return self._journal.all()

    def clear_log(self) -> None:
        """Forget all requests so far."""
        self._journal.clear()

    def requests(self, path: str) -> list[Served]:
        """The requests to a path, whatever their query; with a query in path, those with the same."""
        return [served for served in self.log if _asked(served, _rooted(path))]

    def body_bytes(self, path: str) -> int:
        """Body bytes sent in answers to a path."""
        return sum(served.sent for served in self.requests(path))

    def wait_for(self, predicate: Callable[[list[Served]], bool], timeout: float = PATIENCE_SECONDS) -> None:
        """Wait until the predicate of the log holds; AssertionError with the log after timeout seconds."""
        self._journal.wait_for(predicate, timeout)

    # Life.

    def start(self) -> None:
        """Listen."""
        assert self._listener is None, "already started"
        self._stopping.clear()
        listener = bound(self.port)
        listener.listen(1024)
        self._listener = listener
        self._spawn(self._accept, listener)

    def stop(self) -> None:
        """Close the port and all connections, and join all threads. A stopped origin may be stopped again."""
        if self._listener is None:
            return
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._listener = None
        self.drop_connections()
        end = time.monotonic() + JOIN_SECONDS
        while thread := self._any_thread():
            thread.join(max(0.0, end - time.monotonic()))
            assert not thread.is_alive(), f"{thread.name} does not end"

    def drop_connections(self) -> None:
        """Shut down every connection there is, idle or in mid-answer, and go on listening."""
        with self._lock:
            socks = list(self._socks)
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        with self._lock:
            return len(self._socks)

    def __enter__(self) -> "Origin":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # Threads.

    def _spawn(self, target: Callable[[socket.socket], None], sock: socket.socket) -> None:
        def run() -> None:
            try:
                target(sock)
            finally:
                with self._lock:
                    self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=run, name=f"origin {target.__name__}", daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()

    def _any_thread(self) -> threading.Thread | None:
        with self._lock:
            return next(iter(self._threads), None)

    def _accept(self, listener: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer)
            with self._lock:
                self._socks.add(sock)
            if self._stopping.is_set():
                self._forget(sock)
            else:
                self._spawn(self._converse, sock)

    def _forget(self, sock: socket.socket) -> None:
        with self._lock:
            self._socks.discard(sock)
        sock.close()

    def _converse(self, sock: socket.socket) -> None:
        reader, number = Reader(sock), next(self._numbers)
        try:
            while not self._stopping.is_set():
                request = reader.request()
                served = Served(
                    request.method,
                    request.target,
                    request.fields,
                    request.field("Range"),
                    time.monotonic(),
                    number,
                    request.body,
                )
                self._journal.add(served)
                try:
                    self._answer(sock, request, served)
                finally:
                    self._journal.finished(served)
                if not request.keeps_alive:
                    break
        except (Gone, Ended, OSError):
            pass
        finally:
            self._forget(sock)

    def _answer(self, sock: socket.socket, request: Request, served: Served) -> None:
        wire = Wire(sock, self._stopping, self.release, self._journal)
        with self._lock:
            gate = _find(self._gates, served)
        if gate is not None and not gate.is_open:
            gate.enter()
            try:
                wire.wait(gate.wait_open)
            finally:
                gate.leave()
        with self._lock:
            thing = self._personal.get((served.path, served.field("Cookie") or "")) or _find(self._things, served)
            fault = self._take_fault(served)
        answer = right_answer(thing, request) if fault is None else faulty_answer(thing, request, fault)

        def change() -> None:
            if fault is not None and fault.change_after is not None:
                self._replace(served, fault.change_after)

        def rate() -> float | None:
            with self._lock:
                return _find(self._rates, served)

        Exchange(wire, served, answer, fault or Fault(), rate).send(change)

    def _replace(self, served: Served, change: Change) -> None:
        with self._lock:
            for name in _names(served):
                if name in self._things:
                    new = replace(self._things[name], body=body_of(change.body), etag=change.etag)
                    self._things[name] = new
                    return

    def _take_fault(self, served: Served) -> Fault | None:
        for name in _names(served):
            queue = self._faults.get(name, deque())
            for queued in queue:
                if not queued.when(served):
                    continue
                if queued.left is not None:
                    queued.left -= 1
                    if queued.left == 0:
                        queue.remove(queued)
                return queued.fault
        return None


def _rooted(path: str) -> str:
    return path if path.startswith("/") else "/" + path


def _names(served: Served) -> tuple[str, str]:
    """What the object may be registered under: the target, or the target without its query."""
    return served.target.decode("latin-1"), served.path


def _asked(served: Served, path: str) -> bool:
    return path in _names(served)


def _find(table: dict[str, T], served: Served) -> T | None:
    return next((table[name] for name in _names(served) if name in table), None)
