"""The time of day as the product sees it: set forward and back while it runs, by Debian's faketime."""

import os
from pathlib import Path

HOUR = 3600
DAY = 24 * HOUR


class TimeOfDay:
    """What the clocks of a program show, which begin with the right time.

    With `all_clocks` those that run evenly are set as well: so it is for a program that was stopped meanwhile.
    """

    def __init__(self, directory: Path, *, all_clocks: bool = False) -> None:
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
        self._control = directory / "time-of-day"
        self.set(0)
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._control),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "0" if all_clocks else "1",
            # Else it takes the waits of the interpreter's own lock for over at once.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            "NO_FAKE_STAT": "1",
        }
        """What a program needs to live by it."""

    def set(self, seconds: int) -> None:
        """From now on they show so many seconds more than is right."""
        new = self._control.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        os.replace(new, self._control)
