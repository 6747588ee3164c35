"""Running clients."""

import subprocess
from pathlib import Path

TIMEOUT_SECONDS = 60.0


def run(
    *command: str | Path,
    timeout: float = TIMEOUT_SECONDS,
    directory: Path | None = None,
    standard_input: bytes = b"",
    encoding: str = "utf-8",
) -> str:
    """Run a program to its end, in C{directory}; its standard output. AssertionError with what it said if it failed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, input=standard_input, timeout=timeout, check=False, cwd=directory)
    said = done.stderr.decode(errors="replace")
    assert done.returncode == 0, f"{' '.join(words)}: exit code {done.returncode}\n{said}"
    return done.stdout.decode(encoding, errors="replace")
