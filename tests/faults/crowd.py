"""Several clients at once."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.faults.rig import Subject
from tests.servers.fetch import same

Client = Callable[[Subject], object]

PIECE = 1 << 16
SLOW_BUFFER = 1 << 16
"""SO_RCVBUF of a slow client, so that the product notices."""


def read_at(rate: float) -> Client:
    """A client that takes so many bytes a second, checking each."""

    def read(subject: Subject) -> None:
        with subject.stream(receive_buffer=SLOW_BUFFER) as streaming:
            assert streaming.answer.status == 200, streaming.answer
            began, position = time.monotonic(), 0
            while piece := streaming.recv(PIECE):
                same(subject.content, position, piece)
                position += len(piece)
                time.sleep(max(0.0, began + position / rate - time.monotonic()))
            assert streaming.answer.complete, f"aborted after {position} bytes"
            assert position == subject.length

    return read


def together(subject: Subject, clients: Sequence[Client], event: Callable[[], object] | None = None) -> None:
    """Run all clients at the same time, and event in this thread meanwhile; every client has to be content."""
    with ThreadPoolExecutor(len(clients)) as pool:
        running = [pool.submit(client, subject) for client in clients]
        if event is not None:
            event()
    for each in running:
        each.result()
