"""Servers that are programs of others."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from tests.servers.deadline import until
from tests.servers.ports import HOST, free_port, is_listening

STOP_SECONDS = 60.0
TAIL = 4000
"""Characters of its log that go into a failure's message."""


class Server:
    """A program that listens on a port which it is told by its command, made by `command(port)`."""

    def __init__(
        self, directory: Path, command: Callable[[int], list[str | Path]], *, env: Mapping[str, str] | None = None
    ) -> None:
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}/"
        self._command = command(self.port)
        self._directory = directory
        self._environment = {**os.environ, **(env or {})}
        self._log = directory / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        with self._log.open("ab") as log:
            self._process = process = subprocess.Popen(
                self._command,
                cwd=self._directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until(lambda: process.poll() is not None or is_listening(self.port), f"{self._command[0]} to listen")
        assert process.poll() is None, f"it ended with {process.returncode}:\n{self._log.read_text()[-TAIL:]}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(STOP_SECONDS)
