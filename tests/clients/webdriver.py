"""Chromium, driven by chromedriver's plain WebDriver protocol."""

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.servers.deadline import until
from tests.servers.ports import HOST, free_port

SCRIPT_SECONDS = 30
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--autoplay-policy=no-user-gesture-required",
    "--window-size=800,600",
)


class Chromium:
    """A headless Chromium with an empty profile, for as long as its context."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = free_port()
        self._session = ""
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Chromium":
        log = (self._directory / "chromedriver.log").open("wb")
        # In a session of its own, so that it can be ended with all its children.
        self._process = process = subprocess.Popen(
            ["chromedriver", f"--port={self._port}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        log.close()
        try:
            until(lambda: process.poll() is not None or self._ready(), "chromedriver to be ready")
            profile = f"--user-data-dir={self._directory / 'profile'}"
            options = {"args": [*ARGUMENTS, profile]}
            wanted = {"browserName": "chrome", "goog:chromeOptions": options}
            made = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
            self._session = f"/session/{made['sessionId']}"
            self._ask("POST", f"{self._session}/timeouts", {"script": SCRIPT_SECONDS * 1000})
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._ask("DELETE", self._session)
        finally:
            self._kill()

    def open(self, url: str) -> None:
        """Load a page."""
        self._ask("POST", f"{self._session}/url", {"url": url})

    def wait_for(self, script: str, *arguments: object) -> Any:
        """Run an asynchronous function's body in the page; what it returns."""
        wrapped = (
            "const done = arguments[arguments.length - 1];"
            f"(async function() {{ {script} }}).apply(null, arguments)"
            ".then(value => done({value}), error => done({error: String(error)}));"
        )
        body = {"script": wrapped, "args": list(arguments)}
        result = self._ask("POST", f"{self._session}/execute/async", body)
        assert "error" not in result, result["error"]
        return result.get("value")

    def _ready(self) -> bool:
        try:
            return bool(self._ask("GET", "/status")["ready"])
        except OSError:
            return False

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{HOST}:{self._port}{path}", data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=SCRIPT_SECONDS + 10) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.read().decode(errors='replace')}") from None

    def _kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
