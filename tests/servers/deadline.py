"""Waiting for what another process does."""

import time
from collections.abc import Callable

INTERVAL_SECONDS = 0.01
PATIENCE_SECONDS = 120.0
"""For an event that has to come: on a busy machine nothing is late before. Only a test that fails waits so long."""


def until(condition: Callable[[], bool], what: str) -> None:
    """Poll until the condition holds; AssertionError saying what was awaited after PATIENCE_SECONDS."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {PATIENCE_SECONDS:g} s: {what}")
        time.sleep(INTERVAL_SECONDS)
