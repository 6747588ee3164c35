"""A disk that fails, lies or hangs under the product, whenever a test says so."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).with_name("faultydisk.c")


def compiled(directory: Path) -> Path:
    """The library made of faultydisk.c."""
    library = directory / "faultydisk.so"
    command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return library


class FaultyDisk:
    """Faults by operation (open, read, write, truncate or punch) and by a pattern of paths; see faultydisk.c."""

    def __init__(self, library: Path, control: Path) -> None:
        self.environment = {"LD_PRELOAD": str(library), "FAULTY_DISK": str(control)}
        """What a program needs to live with this disk."""
        self._control = control
        self._rules: list[str] = []

    @contextlib.contextmanager
    def failing(self, number: int, pattern: str, *ops: str) -> Iterator[None]:
        """Operations on files that match fail with an errno."""
        with self._obeying(f"error:{number}", pattern, ops):
            yield

    @contextlib.contextmanager
    def hanging(self, pattern: str, *ops: str) -> Iterator[None]:
        """Operations on files that match do not return before this context is left."""
        with self._obeying("hang", pattern, ops):
            yield

    @contextlib.contextmanager
    def slow(self, seconds: float, pattern: str, *ops: str) -> Iterator[None]:
        """Operations on files that match take so much longer."""
        with self._obeying(f"slow:{seconds * 1000:.0f}", pattern, ops):
            yield

    @contextlib.contextmanager
    def quota(self, size: int, pattern: str) -> Iterator[None]:
        """Writes to files that match fail with EDQUOT where all cache files take up so many bytes."""
        with self._obeying(f"quota:{size}", pattern, ("write",)):
            yield

    @contextlib.contextmanager
    def few_files(self, number: int, pattern: str) -> Iterator[None]:
        """Files that match cannot be made where there are so many."""
        with self._obeying(f"files:{number}", pattern, ("open",)):
            yield

    @contextlib.contextmanager
    def flipping(self, offset: int, pattern: str) -> Iterator[None]:
        """What is read from files that match has a wrong bit in the byte at that offset, and no stat(2) tells."""
        with self._obeying(f"flip:{offset}", pattern, ("read",)):
            yield

    @contextlib.contextmanager
    def _obeying(self, action: str, pattern: str, ops: tuple[str, ...]) -> Iterator[None]:
        rules = [f"{op} {action} {pattern}" for op in ops]
        self._write([*rules, *self._rules])
        try:
            yield
        finally:
            self._write([rule for rule in self._rules if rule not in rules])

    def _write(self, rules: list[str]) -> None:
        self._rules = rules
        new = self._control.with_suffix(".new")
        new.write_text("".join(rule + "\n" for rule in rules))
        os.replace(new, self._control)
