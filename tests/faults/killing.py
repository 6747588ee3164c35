"""The product's death in the middle of its work."""

import contextlib
import threading

from tests.faults.rig import Subject
from tests.servers.fetch import same


def kill_during(subject: Subject, seconds: float) -> None:
    """Kill the product so many seconds after an object was asked for. What came is right as far as it goes."""
    timer = threading.Timer(seconds, subject.rig.proxy.kill)
    timer.start()
    try:
        with contextlib.suppress(ConnectionError):
            same(subject.content, 0, subject.get().body)
    finally:
        timer.join()
