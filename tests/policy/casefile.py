"""The cases under tests/cases, one file for each rule: a table for each section that is cited, a line for each case.

Text stands for octets, character for octet (Latin-1). C{{now-60}} is the IMF-fixdate of that moment. A header field is
written C{Name: value}, several of them as an array. The string C{none} stands for None where the outcome is asked for.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from proxycache.policy.fields import Fields, Line

from .samples import NOW, http_date

FOLDER = Path(__file__).parent.parent / "cases"

SECTION = re.compile(r"RFC \d{4}, section \d+(\.\d+)*\Z|Edge Architecture, [\w-]+\Z|beyond the RFCs\Z")

_MOMENT = re.compile(r"\{now([+-]\d+)?\}")


def octets(text: str) -> bytes:
    """The octets that a text of a case stands for."""
    return _MOMENT.sub(lambda match: http_date(NOW + int(match[1] or 0)).decode("ascii"), text).encode("latin-1")


def field_lines(written: str | list[str]) -> list[Line]:
    """Header fields as a case writes them."""
    lines = [written] if isinstance(written, str) else written
    parted = [octets(line).partition(b": ") for line in lines]
    assert all(colon for _, colon, _ in parted), f"not a header field: {written}"
    return [(name, value) for name, _, value in parted]


@frozen
class Case:
    """One line of such a file."""

    name: str
    section: str
    values: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def get(self, key: str, default: Any = None) -> Any:
        """The value as it is written, or C{default}."""
        return self.values.get(key, default)

    def outcome(self, key: str) -> Any:
        """What is expected; None where the case says C{none}."""
        value = self.values[key]
        return None if value == "none" else value

    def octets(self, key: str) -> bytes:
        """A text, as octets."""
        return octets(self.values[key])

    def octets_or_none(self, key: str) -> bytes | None:
        """A text, as octets; None where there is none, or where it says C{none}."""
        value = self.values.get(key, "none")
        return None if value == "none" else octets(value)

    def fields(self, key: str) -> Fields:
        """Header fields; none at all where the case has none."""
        return Fields(field_lines(self.values.get(key, [])))


def load(file: str) -> list[Case]:
    """All cases of a file."""
    with (FOLDER / f"{file}.toml").open("rb") as opened:
        tables = tomllib.load(opened)
    return [Case(name, section, values) for section, table in tables.items() for name, values in table.items()]


def cases(file: str, *keys: str) -> pytest.MarkDecorator:
    """Run a test with every case of a file, as C{case}. A case may have no other C{keys}."""
    found = load(file)
    for case in found:
        strange = case.values.keys() - set(keys)
        assert not strange, f"{file}.toml, {case.name!r}: {strange}"
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in found])
