"""Running clients."""

import subprocess
from pathlib import Path

TIMEOUT_SECONDS = 60.0


def run(*command: str | Path, timeout: float = TIMEOUT_SECONDS) -> str:
    """Run a program to its end; its standard output. AssertionError with what it said if it failed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout, check=False)
    said = done.stderr.decode(errors="replace")
    assert done.returncode == 0, f"{' '.join(words)}: exit code {done.returncode}\n{said}"
    return done.stdout.decode(errors="replace")
