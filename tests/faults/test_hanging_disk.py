"""A disk that does not answer: the client is not to wait for it."""

import time
from concurrent.futures import ThreadPoolExecutor

from tests.faults.rig import MIB, Rig, Subject

CACHE_FILES = "*/cache/??/*"
EVERYTHING = "*/cache/*"
CLIENTS = 4
PATIENCE_SECONDS = 20.0
"""The disk is given five, once: not for each chunk."""


def read_in_time(subject: Subject) -> None:
    """Read it with several clients at once, soon enough."""
    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        for running in [pool.submit(subject.read) for _ in range(CLIENTS)]:
            running.result()
    assert time.monotonic() - began < PATIENCE_SECONDS


def test_in_operation(rig: Rig) -> None:
    cold, on_disk, in_memory = rig.put(16), rig.put_cached(8), rig.put_cached(3)
    with rig.disk.hanging(CACHE_FILES, "read"), ThreadPoolExecutor(2) as pool:
        reading = pool.submit(read_in_time, on_disk)
        with rig.disk.hanging(EVERYTHING, "write", "open", "truncate"):
            read_in_time(cold)
            ready, failing = rig.ready()
            assert not ready
            assert "disk" in failing
            reading.result()
    in_memory.read_as_hit()
    assert cold.bytes_sent() <= cold.length + MIB // 2
    for subject in (cold, on_disk):
        subject.until_hit()
    new = rig.put(3)
    new.read()
    new.until_hit()
    new.wait_recorded()


def test_at_the_end(rig: Rig) -> None:
    """SIGTERM is obeyed although a thread waits for the disk."""
    subject = rig.put(3)
    with rig.disk.hanging(CACHE_FILES, "write"):
        subject.read()
        began = time.monotonic()
        rig.proxy.stop()
        assert time.monotonic() - began < PATIENCE_SECONDS
