"""Imports go strictly downwards, and policy is pure; the check notices when they do not."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
POLICY = sorted((ROOT / "proxycache" / "policy").glob("*.py"))

ALLOWED_IN_POLICY = {
    "__future__",
    "attrs",
    "bisect",
    "collections",
    "datetime",
    "email",
    "enum",
    "functools",
    "http_sf",
    "ipaddress",
    "proxycache",
    "re",
    "string",
    "typing",
    "urllib",
}
"""Nothing that reads a clock, a file or a socket."""


def lint(directory: Path) -> subprocess.CompletedProcess[bytes]:
    command = Path(sys.executable).with_name("lint-imports")
    environment = {**os.environ, "PYTHONPATH": str(directory)}
    return subprocess.run([command, "--no-cache"], cwd=directory, env=environment, capture_output=True, timeout=60)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "proxycache", tmp_path / "proxycache", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    return tmp_path


def test_the_layers_hold() -> None:
    ran = lint(ROOT)
    assert ran.returncode == 0, ran.stdout.decode()


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("policy/fields.py", "import proxycache.store.space"),
        ("origin/client.py", "from proxycache.store import disk"),
        ("store/space.py", "from proxycache.fill.run import Run"),
        ("fill/run.py", "from proxycache import web"),
    ],
)
def test_an_import_upwards_is_noticed(copy: Path, module: str, line: str) -> None:
    with (copy / "proxycache" / module).open("a") as file:
        file.write(f"\n{line}\n")
    ran = lint(copy)
    assert ran.returncode == 1, ran.stdout.decode()
    assert b"BROKEN" in ran.stdout


def imported(path: Path) -> set[str]:
    """The first names of what a module imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("path", POLICY, ids=lambda path: path.stem)
def test_policy_is_pure(path: Path) -> None:
    assert imported(path) <= ALLOWED_IN_POLICY
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    called = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & {"open", "print", "input", "exec", "eval", "__import__"}
