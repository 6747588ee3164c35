"""Waiting for what another process does."""

import time
from collections.abc import Callable

INTERVAL_SECONDS = 0.01


def until(condition: Callable[[], bool], timeout: float, what: str) -> None:
    """Poll until the condition holds; AssertionError saying what was awaited after timeout seconds."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(INTERVAL_SECONDS)
