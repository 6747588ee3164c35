"""Starting the product with a configuration that it should refuse."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers.proxycache import ROOT, START_SECONDS


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    status: int
    output: str

    @property
    def lines(self) -> list[str]:
        """What it said, without twistd's log of its own start and end."""
        return [line for line in self.output.splitlines() if " [" not in line[:30]]

    @property
    def only_line(self) -> str:
        """The one line that tells what is wrong."""
        assert self.status != 0, self.output
        assert "Traceback" not in self.output, self.output
        (line,) = self.lines
        return line


def _environment(directory: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(directory), "XDG_CACHE_HOME": str(directory)}


def begin(directory: Path, command: list[str]) -> "subprocess.Popen[str]":
    """Start a command, all it says in one pipe."""
    return subprocess.Popen(
        command,
        cwd=directory,
        env=_environment(directory),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def end(process: "subprocess.Popen[str]") -> Ended:
    """Wait for its end; a product that starts after all is ended, and fails the test."""
    try:
        output, _ = process.communicate(timeout=START_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        raise AssertionError(f"it started:\n{output}") from None
    return Ended(process.returncode, output)


def twistd(directory: Path, *options: str, twistd_options: Sequence[str] = ()) -> "subprocess.Popen[str]":
    """Begin `twistd -n proxycache`."""
    program = str(Path(sys.executable).with_name("twistd"))
    return begin(directory, [program, "-n", "--pidfile=", *twistd_options, "proxycache", *options])


def proxycache(directory: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Begin the `proxycache` command."""
    main = "import sys; from proxycache.cli import main; sys.exit(main())"
    return begin(directory, [sys.executable, "-c", main, *arguments])


def check_config(directory: Path, file: Path) -> "subprocess.Popen[str]":
    """Begin `proxycache check-config`."""
    return proxycache(directory, "check-config", str(file))


EACH = """
import contextlib, io, json, sys
from proxycache.cli import main
for file in sys.argv[1:]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = main(["check-config", file])
    print(json.dumps([status, said.getvalue()]))
"""


def check_configs(directory: Path, files: Sequence[Path]) -> list[Ended]:
    """`proxycache check-config` on each, in one process, for there are many."""
    ended = end(begin(directory, [sys.executable, "-c", EACH, *map(str, files)]))
    assert ended.status == 0, ended.output
    return [Ended(*json.loads(line)) for line in ended.output.splitlines()]
