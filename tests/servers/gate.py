"""Answers held back until a test lets them go."""

import threading
from types import TracebackType

from tests.servers.deadline import PATIENCE_SECONDS


class Gate:
    """Holds the answers to one path before their headers. Leaving its context opens it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held = 0
        self._open = False

    @property
    def held(self) -> int:
        """How many answers are being held back now."""
        with self._changed:
            return self._held

    @property
    def is_open(self) -> bool:
        """Whether answers pass."""
        with self._changed:
            return self._open

    def wait_held(self, count: int, timeout: float = PATIENCE_SECONDS) -> None:
        """Wait until that many answers are held; AssertionError after timeout seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._held >= count, timeout):
                raise AssertionError(f"{self._held} answers held after {timeout} s, expected {count}")

    def release(self) -> None:
        """Let them go, and all that follow."""
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def enter(self) -> None:
        """Count an answer as held: for the origin."""
        with self._changed:
            self._held += 1
            self._changed.notify_all()

    def wait_open(self, timeout: float) -> bool:
        """Wait for the release, timeout seconds at most: for the origin."""
        with self._changed:
            return self._changed.wait_for(lambda: self._open, timeout)

    def leave(self) -> None:
        """Count an answer as no longer held: for the origin."""
        with self._changed:
            self._held -= 1
            self._changed.notify_all()

    def __enter__(self) -> "Gate":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
