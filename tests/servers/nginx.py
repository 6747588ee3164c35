"""A real nginx, in front of an upstream or as an origin itself, run in the foreground."""

import os
import socket
import subprocess
from pathlib import Path
from types import TracebackType

from tests.servers.deadline import until
from tests.servers.ports import HOST, free_port

DEPLOYED = Path(__file__).parents[2] / "docs" / "deploy" / "nginx.conf"
"""The server block that the documentation recommends."""
DOCUMENTED_LISTEN = "listen 80;"
DOCUMENTED_UPSTREAM = "proxy_pass http://127.0.0.1:8080;"
STOP_SECONDS = 60.0


class Nginx:
    """nginx with one server block, in which `listen` and `proxy_pass` of the documentation are replaced.

    Without an upstream the block is that of an origin, and has no `proxy_pass`.
    """

    def __init__(self, directory: Path, server: str, upstream: str | None = None) -> None:
        for text in (DOCUMENTED_LISTEN, *([DOCUMENTED_UPSTREAM] if upstream is not None else [])):
            assert server.count(text) == 1, f"no {text!r}, or more than one"
        self.directory = directory
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}/"
        self._server = server.replace(DOCUMENTED_LISTEN, f"listen {HOST}:{self.port};")
        if upstream is not None:
            self._server = self._server.replace(DOCUMENTED_UPSTREAM, f"proxy_pass {upstream.rstrip('/')};")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it and wait until its port is open."""
        config = self.directory / "nginx.conf"
        config.write_text(self._config())
        with self._log_file.open("ab") as log:
            command = ["nginx", "-p", str(self.directory), "-e", str(self._log_file), "-c", str(config)]
            self._process = process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            until(lambda: process.poll() is not None or self._is_open(), "nginx to listen")
            assert process.poll() is None, f"nginx ended with {process.returncode}"
        except AssertionError as error:
            process.kill()
            process.wait()
            raise AssertionError(f"{error}; its log:\n{self.log()}") from None

    def stop(self) -> None:
        """End it by SIGTERM."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(STOP_SECONDS)
            self._process = None

    def __enter__(self) -> "Nginx":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def log(self) -> str:
        """Its error log."""
        return self._log_file.read_text(errors="replace")

    @property
    def _log_file(self) -> Path:
        return self.directory / "nginx.log"

    def _is_open(self) -> bool:
        with socket.socket() as sock:
            return sock.connect_ex((HOST, self.port)) == 0

    def _config(self) -> str:
        scratch = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        lines = [
            "daemon off;",
            # Its workers would run as nobody, who cannot see a test's directory.
            *(["user root;"] if os.geteuid() == 0 else []),
            "worker_processes 1;",
            f"pid {self.directory}/nginx.pid;",
            "events { worker_connections 256; }",
            "http {",
            f"access_log {self.directory}/access.log;",
            *(f"{name}_temp_path {self.directory}/{name};" for name in scratch),
            self._server,
            "}",
        ]
        return "\n".join(lines) + "\n"
