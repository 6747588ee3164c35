"""The case files themselves."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from .casefile import FOLDER, SECTION, load

FILES = sorted(path.stem for path in FOLDER.glob("*.toml"))


@pytest.mark.parametrize("file", FILES)
def test_every_case_cites_a_section_and_has_a_name_of_its_own(file: str) -> None:
    cases = load(file)
    assert cases
    assert [case.section for case in cases if not SECTION.match(case.section)] == []
    assert [name for name, count in Counter(case.name for case in cases).items() if count > 1] == []


def test_every_file_is_read_by_one_test() -> None:
    read = [
        call.args[0].value
        for module in Path(__file__).parent.glob("test_*.py")
        for call in ast.walk(ast.parse(module.read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "cases"
        and isinstance(call.args[0], ast.Constant)
    ]
    assert sorted(map(str, read)) == FILES
