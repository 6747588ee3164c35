"""The documentation says what is so: diagram, keys and defaults, commands, links."""

from __future__ import annotations

import re
import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

from proxycache.config import Cache, Fetch, Origin, Server

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SECTIONS: dict[str, Any] = {"server": Server, "cache": Cache, "fetch": Fetch, "origin": Origin}


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def test_the_diagram_is_drawn_from_the_table() -> None:
    drawn = runpy.run_path(str(ROOT / "docs" / "draw_serving.py"))["draw"]()
    (shown,) = re.findall(r"```mermaid\n(.*?)\n```", text("docs/architecture.md"), re.DOTALL)
    assert shown == drawn


def test_every_module_is_in_the_table_of_the_architecture() -> None:
    table = re.findall(r"^\| `(\w+)` \| (.*) \|$", text("docs/architecture.md"), re.MULTILINE)
    told = {f"{folder}/{name}" for folder, row in table for name in re.findall(r"`(\w+\.py)`", row)}
    modules = {
        f"{path.parent.name}/{path.name}"
        for path in (ROOT / "proxycache").glob("*/*.py")
        if path.name != "__init__.py" and path.parent.name != "policy"
    }
    assert told == modules


def test_the_unit_waits_longer_than_answers_get_to_finish() -> None:
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", text("docs/deploy/proxycache.service"), re.MULTILINE)
    assert int(seconds) > Server().stop_timeout


def rows() -> dict[str, str]:
    """Default by key, as the table of the configuration tells them."""
    found = re.findall(r"^\| `([a-z_.]+)` \|\s*(.*?)\s*\|", text("docs/configuration.md"), re.MULTILINE)
    return dict(found)


def fields() -> dict[str, Any]:
    """Default by key, as the program has them."""
    return {
        f"{section}.{name}": field.get_default(call_default_factory=True)
        for section, model in SECTIONS.items()
        for name, field in model.model_fields.items()
    }


def test_every_key_is_documented_and_no_other() -> None:
    assert sorted(rows()) == sorted(fields())


def shown_default(value: Any) -> set[str]:
    """The forms in which the table may show a default."""
    if value is None:
        return {"none", "`index.sqlite` in the directory"}
    if isinstance(value, Path):
        return {
            "systemd's `CACHE_DIRECTORY` where it is set, `/var/cache/proxycache` for root, "
            "else the user's cache directory"
        }
    if isinstance(value, bool):
        return {f"`{str(value).lower()}`"}
    written = str(value).replace("'", '"')
    return {f"`{written}`", f'`"{written}"`', f"`{written}.0`"}


@pytest.mark.parametrize(("key", "value"), fields().items(), ids=list(fields()))
def test_every_default_is_the_one_documented(key: str, value: Any) -> None:
    if value is PydanticUndefined:
        assert rows()[key] == ""
    elif key == "cache.max_size":
        assert rows()[key] == '`"100GiB"`'
        assert value == 100 << 30
    elif key == "cache.chunk_size":
        assert rows()[key] == '`"1MiB"`'
        assert value == 1 << 20
    elif key == "fetch.upload_rate":
        assert rows()[key] == '`"1KiB"`'
        assert value == 1 << 10
    else:
        assert rows()[key] in shown_default(value)


def test_what_ci_runs_is_the_readme_s_command() -> None:
    (command,) = re.findall(r"<!-- test command -->\n```\n(.*?)\n```", text("README.md"), re.DOTALL)
    script = text(".ci/run").replace('exec bash -euo pipefail -c "$command"', "exit 0")
    ran = subprocess.run(["bash", "-c", script, str(ROOT / ".ci/run")], cwd=ROOT, capture_output=True, text=True)
    assert ran.stdout.strip() == f"+ {command}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_every_dependency_has_its_reason() -> None:
    declared = re.search(r"install_requires =\n((?:    .*\n)+)", text("setup.cfg"))
    assert declared is not None
    names = [re.split(r"[\s>=<]", line.strip())[0] for line in declared[1].splitlines()]
    table = text("docs/architecture.md").partition("## Dependencies")[2]
    assert re.findall(r"^\| (\S+) \|", table, re.MULTILINE)[1:] == names
