"""A plugin of coverage: what a process ran is kept also where it ends itself by a signal.

twistd does so after a SIGTERM: it has shut down in order by then, and takes the signal's default way out of the process,
on which nothing that waits for the interpreter's end is called.
"""

import os

from coverage import Coverage
from coverage.plugin_support import Plugins


def coverage_init(reg: Plugins, options: object) -> None:
    """Called by coverage in each process that it measures."""
    kill = os.kill

    def saving(pid: int, signal: int) -> None:
        measured = Coverage.current()
        if pid == os.getpid() and measured is not None:
            measured.stop()
            measured.save()
        kill(pid, signal)

    os.kill = saving
