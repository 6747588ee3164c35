"""A logger whose lines a test looks at, in place of the process's log, where errors fail the test."""

from __future__ import annotations

from collections.abc import Callable


class Recorder:
    """Remembers what was logged.

    @ivar lines: level and format of each line.
    """

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __getattr__(self, level: str) -> Callable[..., None]:
        def record(format: str, *arguments: object, **values: object) -> None:
            self.lines.append((level, format.format(**values)))

        return record

    def levels(self) -> list[str]:
        """The level of each line."""
        return [level for level, _ in self.lines]
