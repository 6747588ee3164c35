"""Requests, byte ranges and multipart/byteranges, read and written without the product's help."""

import re
from dataclasses import dataclass, replace

Field = tuple[str, str]
Span = tuple[int, int]
"""Bytes of a representation, half-open."""

_RANGE_SPEC = re.compile(r"(\d*)-(\d*)")
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@dataclass(frozen=True)
class Request:
    """A GET or HEAD without content; no field name stands in it twice."""

    method: str
    fields: tuple[Field, ...] = ()

    def field(self, name: str) -> str | None:
        """The value of that field."""
        return next((value for key, value in self.fields if key == name), None)

    def without(self, *names: str) -> "Request":
        """The same, less these fields."""
        return replace(self, fields=tuple(field for field in self.fields if field[0] not in names))

    def with_field(self, name: str, value: str) -> "Request":
        """The same, with this field in place of one of its name, or behind the others."""
        if self.field(name) is None:
            return replace(self, fields=(*self.fields, (name, value)))
        return replace(self, fields=tuple((key, value if key == name else kept) for key, kept in self.fields))

    def __str__(self) -> str:
        return ", ".join((self.method, *(f"{name}: {value}" for name, value in self.fields)))


@dataclass(frozen=True)
class RangeSpec:
    """An int-range, or with no first-pos a suffix-range whose suffix-length is C{last} (section 14.1.1)."""

    first: int | None
    last: int | None

    def __str__(self) -> str:
        return "-".join("" if position is None else str(position) for position in (self.first, self.last))

    def span(self, length: int) -> Span | None:
        """What it selects of a representation; None where it cannot be satisfied (section 14.1.2)."""
        if self.first is None:
            start, stop = max(0, length - (self.last or 0)), length
        else:
            start, stop = self.first, length if self.last is None else min(length, self.last + 1)
        return (start, stop) if start < stop else None


def range_field(specs: tuple[RangeSpec, ...]) -> str:
    """A Range field in its plainest form."""
    return "bytes=" + ",".join(map(str, specs))


def range_specs(value: str | None) -> tuple[RangeSpec, ...]:
    """The members of a Range field (section 14.1); none where there is no such field, or it is not valid."""
    unit, _, members = (value or "").partition("=")
    if unit.lower() != "bytes":
        return ()
    specs = []
    for member in filter(None, (each.strip(" \t") for each in members.split(","))):
        found = _RANGE_SPEC.fullmatch(member)
        if found is None or member == "-":
            return ()
        first, last = (int(digits) if digits else None for digits in found.groups())
        if first is not None and last is not None and last < first:
            return ()
        specs.append(RangeSpec(first, last))
    return tuple(specs)


@dataclass(frozen=True)
class BodyPart:
    """A part of a 206: what it says it is, and what it is."""

    content_type: str | None
    content_range: str | None
    content: bytes

    def span(self, length: int) -> Span:
        """The bytes it says it is, of a representation of that length."""
        found = _CONTENT_RANGE.fullmatch(self.content_range or "")
        assert found is not None, f"no Content-Range: {self.content_range!r}"
        first, last, complete = map(int, found.groups())
        assert first <= last < complete == length, f"{self.content_range!r} of {length} bytes"
        return first, last + 1


def body_parts(content_type: str, body: bytes) -> list[BodyPart]:
    """The parts of multipart/byteranges, by the letter (RFC 2046, section 5.1.1; RFC 9110, section 14.6)."""
    boundary = re.fullmatch(r"multipart/byteranges; *boundary=([0-9A-Za-z'()+_,./:=?-]{1,70})", content_type)
    assert boundary is not None, content_type
    delimiter = b"\r\n--" + boundary[1].encode()
    opening, *sections, closing = (b"\r\n" * (not body.startswith(b"\r\n")) + body).split(delimiter)
    assert (opening, closing) == (b"", b"--\r\n"), f"framed by {opening[:80]!r} and {closing[:80]!r}"
    return [_body_part(section) for section in sections]


def _body_part(section: bytes) -> BodyPart:
    head, separator, content = section.partition(b"\r\n\r\n")
    assert separator, f"no end of a part's fields: {section[:80]!r}"
    assert head.startswith(b"\r\n"), f"no line of its own for the boundary: {section[:80]!r}"
    fields = {}
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        assert name.lower() not in fields, f"{name} twice in a part"
        fields[name.lower()] = value.strip()
    return BodyPart(fields.get("content-type"), fields.get("content-range"), content)
