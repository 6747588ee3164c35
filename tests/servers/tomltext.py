"""TOML out of dictionaries, as far as configurations need it."""

import json
from collections.abc import Mapping, Sequence


def toml_text(document: Mapping[str, object]) -> str:
    """The document as TOML: scalars, lists, tables, and lists of tables at the top."""
    lines: list[str] = []
    for key, value in document.items():
        if not isinstance(value, Mapping) and not _is_tables(value):
            lines.append(f"{json.dumps(key)} = {_value(value)}")
    for key, value in document.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{json.dumps(key)}]", *_pairs(value)]
        elif isinstance(value, Sequence) and _is_tables(value):
            for table in value:
                lines += ["", f"[[{json.dumps(key)}]]", *_pairs(table)]
    return "\n".join(lines).strip() + "\n"


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, Mapping) for each in value)


def _pairs(table: Mapping[str, object]) -> list[str]:
    return [f"{json.dumps(key)} = {_value(value)}" for key, value in table.items()]


def _value(value: object) -> str:
    match value:
        case bool() | int() | float() | str():
            return json.dumps(value, ensure_ascii=False)
        case Mapping():
            return "{ " + ", ".join(_pairs(value)) + " }"
        case Sequence():
            return "[" + ", ".join(_value(each) for each in value) + "]"
        case _:
            raise TypeError(f"no TOML for {value!r}")
