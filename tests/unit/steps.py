"""How much work something is, counted, not timed."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def steps_of(work: Callable[[], object]) -> int:
    """The instructions of Python's machine in C{work}: turns of a loop count, also where nothing is called in them."""
    count = 0

    def counted(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        count += event == "opcode"
        return counted

    before = sys.gettrace()
    # What others left behind would be cleared away meanwhile, and counted.
    gc.collect()
    gc.disable()
    sys.settrace(counted)
    try:
        work()
    finally:
        sys.settrace(before)
        gc.enable()
    return count


def growth(steps: Callable[[int], float], few: int, many: int) -> float:
    """How many times as many steps C{many} take as C{few}, once all is as it is after a first time."""
    steps(few)
    return steps(many) / steps(few)
