"""A disk that works, slowly, with a queue before it: who waits too long goes without, and the cache stays in service."""

import time
from concurrent.futures import ThreadPoolExecutor

from tests.faults.rig import Rig

CACHE_FILES = "*/cache/??/*"
THREADS = 4
"""The product's, for its cache files."""

PATIENCE_SECONDS = 5.0
"""Nobody waits longer for the disk."""


def test_reads_in_line(rig: Rig) -> None:
    """A second of queue more than anybody waits for, and no single read that is late by itself."""
    crowd = [rig.put_cached(1) for _ in range(2 * THREADS)]
    began = time.monotonic()
    with rig.disk.slow(PATIENCE_SECONDS * 0.52, CACHE_FILES, "read"), ThreadPoolExecutor(len(crowd)) as pool:
        list(pool.map(lambda subject: subject.read(), crowd))
        assert time.monotonic() - began > PATIENCE_SECONDS, "nobody had to wait for his turn"
        # It was not given up: what is read next comes from it.
        crowd[0].read_as_hit()
    for subject in crowd:
        subject.read_as_hit()
