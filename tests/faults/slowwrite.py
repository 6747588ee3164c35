"""One write(2) that takes long, as on a busy machine or a slow disk."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

BURN = "while True: pass"
WRITE = """
import os, sys
zeros = bytes(os.stat(sys.argv[1]).st_size)
fd = os.open(sys.argv[1], os.O_WRONLY)
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
os.pwrite(fd, zeros, 0)
"""


@contextlib.contextmanager
def writing_slowly(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another program writes zeros over a whole file, with what its neighbour leaves to it of one processor.

    The kernel moves mtime when the call begins, and bytes for as long as it lasts.
    """
    pinned = [sys.executable, "-c"]
    cpu = {min(os.sched_getaffinity(0))}
    with subprocess.Popen([*pinned, BURN]) as burner, subprocess.Popen([*pinned, WRITE, str(path)]) as writer:
        try:
            for process in (burner, writer):
                os.sched_setaffinity(process.pid, cpu)
            yield writer
            burner.kill()
            assert writer.wait() == 0
        finally:
            burner.kill()
            writer.kill()
