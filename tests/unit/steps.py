"""How much work something is, counted, not timed."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import FrameType


def steps_of(work: Callable[[], object]) -> int:
    """The calls of functions, and turns of generators, in C{work}."""
    count = 0

    def counted(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    # What others left behind would be cleared away meanwhile, and counted.
    gc.collect()
    gc.disable()
    sys.setprofile(counted)
    try:
        work()
    finally:
        sys.setprofile(before)
        gc.enable()
    return count
