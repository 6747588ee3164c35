"""The product's death in the middle of its work."""

import contextlib
import threading

from tests.faults.rig import Subject
from tests.servers.fetch import same


def kill_during(subject: Subject, sent: int, seconds: float = 0.0) -> None:
    """Ask for an object that is not cached, and kill the product once the origin has sent so many bytes of it.

    By what was sent, and not by the time, it is in the middle of its work however slow the machine is.

    @param seconds: how long after that.
    """
    origin = subject.rig.origin
    timer = threading.Timer(seconds, subject.rig.proxy.kill)

    def killing() -> None:
        origin.wait_for(lambda _: origin.body_bytes(subject.name) >= sent)
        timer.start()
        timer.join()

    thread = threading.Thread(target=killing)
    thread.start()
    try:
        with contextlib.suppress(ConnectionError):
            same(subject.content, 0, subject.get().body)
    finally:
        thread.join()
