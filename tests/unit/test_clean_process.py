"""The fixture that fails a test which leaves something behind does so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"

LEFT_BEHIND = {
    "delayed calls left": """
def test_it():
    from twisted.internet import reactor
    reactor.callLater(60, lambda: None)
""",
    "sockets left open": """
def test_it():
    from twisted.internet import protocol, reactor
    reactor.listenTCP(0, protocol.Factory(), interface="127.0.0.1")
""",
    "threads left running": """
def test_it():
    import threading
    threading.Thread(target=threading.Event().wait, daemon=True).start()
""",
    "errors were logged: .*nobody handled": """
def test_it():
    from twisted.internet.defer import fail
    fail(ValueError("nobody handled it"))
""",
    "errors were logged: .*went wrong": """
def test_it():
    from twisted.logger import Logger
    Logger().error("it went wrong")
""",
}

CLEAN = """
import threading
from twisted.internet import defer, reactor

def test_it():
    reactor.callLater(60, lambda: None).cancel()
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    defer.fail(ValueError()).addErrback(lambda failure: None)
"""


def run(directory: Path, test: str) -> subprocess.CompletedProcess[str]:
    """A session of its own with one test, under our conftest."""
    (directory / "conftest.py").write_text(
        CONFTEST.read_text("utf-8").replace("QUIET_SECONDS = 5.0", "QUIET_SECONDS = 0.1")
    )
    (directory / "test_one.py").write_text(test)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(directory),
        str(directory),
    ]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("complaint", LEFT_BEHIND)
def test_what_is_left_behind_is_noticed(tmp_path: Path, complaint: str) -> None:
    ran = run(tmp_path, LEFT_BEHIND[complaint])
    assert ran.returncode == 1, ran.stdout
    assert "1 passed, 1 error" in ran.stdout
    assert re.search(complaint, ran.stdout), ran.stdout


def test_a_clean_one_passes(tmp_path: Path) -> None:
    ran = run(tmp_path, CLEAN)
    assert ran.returncode == 0, ran.stdout
