"""The public suite for HTTP caches: its origin server and its command line, which run under node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.deadline import until
from tests.servers.ports import HOST, free_port, is_listening

HERE = Path(__file__).with_name("suite")
PACKAGE = HERE / "node_modules" / "http-cache-tests"
RUN_SECONDS = 240.0
"""For all of its tests; they take some 25."""

MAX_LATE = 40
"""More that fail are no matter of seconds."""


@dataclass(frozen=True)
class Score:
    """One test of the suite, scored as the suite scores.

    `kind` is required, optimal or check; `outcome` is the suite's sign for it.
    """

    id: str
    kind: str
    outcome: str
    why: str

    @property
    def passed(self) -> bool:
        """Whether it is counted as passed; of a check, whether the answer is yes."""
        return self.outcome in ("✅", "Y")


def _node() -> str:
    """The one of the virtual environment, else the machine's."""
    beside = Path(sys.executable).with_name("node")
    found = str(beside) if beside.exists() else shutil.which("node")
    assert found is not None, "node is missing: install the project's extra 'test'"
    return found


def _check_installed() -> None:
    assert PACKAGE.exists(), f"the suite is missing: npm install --prefix {HERE} --no-package-lock"


@contextmanager
def suite_origin(directory: Path) -> Iterator[str]:
    """The suite's origin server, started; gives its URL."""
    _check_installed()
    port = free_port()
    settings = {"protocol": "http", "port": str(port), "pidfile": str(directory / "suite.pid")}
    env = {**os.environ, **{f"npm_config_{name}": value for name, value in settings.items()}}
    with (directory / "suite-server.log").open("wb") as log:
        server = subprocess.Popen(
            [_node(), "--no-warnings", "server/server.mjs"], cwd=PACKAGE, env=env, stdout=log, stderr=log
        )
    try:
        until(lambda: is_listening(port), "the suite's server to listen")
        yield f"http://{HOST}:{port}/"
    finally:
        server.kill()
        server.wait()


def run_suite(base_url: str, directory: Path, disputed: set[str]) -> list[Score]:
    """Run all of its tests against a cache at `base_url`.

    It runs them at once, and some judge by seconds (`max-age=2`, an Age, a pause of three): what a busy machine was too
    late for is found out by running that test alone. A cache that is wrong is wrong then as well.

    @param disputed: ids of those that need not pass.
    """
    base = base_url.rstrip("/")
    names = {"npm_config_base": base, "npm_config_id": "", "npm_package_config_id": ""}
    results = _json(["cli.mjs"], PACKAGE, {**os.environ, **names})
    scores = _scored(results, directory)
    late = [score.id for score in scores if score.kind != "check" and not score.passed and score.id not in disputed]
    if not 0 < len(late) <= MAX_LATE:
        return scores
    return _scored({**results, **_json(["alone.mjs", base, *late], HERE)}, directory)


def _json(command: list[str], cwd: Path, env: dict[str, str] | None = None) -> Any:
    """What a program of node prints."""
    ran = subprocess.run(
        [_node(), "--no-warnings", *command], cwd=cwd, env=env, capture_output=True, timeout=RUN_SECONDS, check=True
    )
    return json.loads(ran.stdout)


def _scored(results: dict[str, object], directory: Path) -> list[Score]:
    file = directory / "results.json"
    file.write_text(json.dumps(results))
    return [Score(**each) for each in _json(["score.mjs", str(file)], HERE)]
