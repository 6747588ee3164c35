"""Byte ranges (RFC 9110, section 14).

Half-open inside the program: C{[start, stop)}. Inclusive only on the wire: C{bytes=first-last}.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import frozen

from proxycache.errors import MalformedField, UnsatisfiableRange

_MAX_DIGITS = 18
_SPEC = re.compile(rb"(\d*)-(\d*)\Z")
_CONTENT_RANGE = re.compile(rb"bytes (?:(\d+)-(\d+)|(\*))/(?:(\d+)|(\*))\Z", re.IGNORECASE)


@frozen
class ByteRange:
    """Bytes from C{start} to C{stop}, half-open."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@frozen
class RangeSpec:
    """One member of a Range field: C{first-last}, C{first-} or, with C{first} None, the suffix C{-last}.

    Inclusive, as on the wire (section 14.1.2).
    """

    first: int | None
    last: int | None


@frozen
class ContentRange:
    """A Content-Range: half-open C{[start, stop)} of C{length}, None where the origin says C{*} (section 14.4)."""

    start: int
    stop: int
    length: int | None


@frozen
class Unsatisfied:
    """C{Content-Range: bytes */length}, as a 416 carries it (sections 14.4 and 15.5.17)."""

    length: int


def _number(digits: bytes) -> int:
    digits = digits.lstrip(b"0") or b"0"
    if len(digits) > _MAX_DIGITS:
        return int(10**_MAX_DIGITS)
    return int(digits)


def parse_range(value: bytes) -> tuple[RangeSpec, ...]:
    """Parse a Range field (RFC 9110, sections 14.1.1, 14.1.2 and 14.2).

    @raise MalformedField: another unit, or no valid set of ranges. The field is then to be ignored.
    """
    unit, equals, rest = value.strip(b" \t").partition(b"=")
    if not equals or unit.lower() != b"bytes":
        raise MalformedField("range unit is not bytes")
    specs: list[RangeSpec] = []
    for member in rest.split(b","):
        member = member.strip(b" \t")
        if not member:
            continue
        match = _SPEC.match(member)
        if match is None or member == b"-":
            raise MalformedField("not a byte range")
        first, last = (_number(group) if group else None for group in match.groups())
        if first is not None and last is not None and last < first:
            raise MalformedField("a range ends before it starts")
        specs.append(RangeSpec(first, last))
    if not specs:
        raise MalformedField("an empty set of ranges")
    return tuple(specs)


def resolve(spec: RangeSpec, length: int) -> ByteRange | None:
    """The bytes of a representation of C{length} that C{spec} selects (section 14.1.2); None: none."""
    if spec.first is None:
        start = max(0, length - (spec.last or 0))
        return ByteRange(start, length) if start < length and spec.last else None
    if spec.first >= length:
        return None
    stop = length if spec.last is None else min(length, spec.last + 1)
    return ByteRange(spec.first, stop)


def select(specs: Sequence[RangeSpec], length: int) -> tuple[ByteRange, ...]:
    """The ranges to send, none where the whole is to be sent in place of them.

    The satisfiable ones, each by itself and in the order asked, but for those that overlap: these become one, at the
    place of the first of them. Where they ask for more than there is, the field is ignored, as nobody needs that
    (sections 14.1.2, 14.2, 15.3.7.2 and 17.15).

    @raise UnsatisfiableRange: none can be satisfied.
    """
    chosen = [found for spec in specs if (found := resolve(spec, length)) is not None]
    if not chosen:
        raise UnsatisfiableRange("no range overlaps the representation")
    joined: list[tuple[int, int, int]] = []
    for place, part in sorted(enumerate(chosen), key=lambda each: each[1].start):
        if joined and part.start < joined[-1][2]:
            first, start, stop = joined[-1]
            joined[-1] = (min(first, place), start, max(stop, part.stop))
        else:
            joined.append((place, part.start, part.stop))
    if len(joined) < len(chosen) and sum(map(len, chosen)) > length:
        return ()
    return tuple(ByteRange(start, stop) for _, start, stop in sorted(joined))


def wanted(asked: RangeSpec | None, length: int | None) -> tuple[int, int | None]:
    """The bytes, half-open, of an object of C{length} that a request for C{asked} (None: the whole) needs.

    All of it where the length is not known. (Section 14.1.2.)
    """
    if asked is None or length is None:
        return 0, length
    if asked.first is None:
        return max(0, length - (asked.last or 0)), length
    return min(asked.first, length), length if asked.last is None else min(length, asked.last + 1)


def parse_content_range(value: bytes) -> ContentRange | Unsatisfied:
    """Parse a Content-Range (RFC 9110, section 14.4).

    @raise MalformedField: not the grammar, C{first > last}, C{last >= length}, or C{*/*}.
    """
    match = _CONTENT_RANGE.match(value.strip(b" \t"))
    if match is None or any(len(group or b"") > _MAX_DIGITS for group in match.groups()):
        raise MalformedField("not a Content-Range")
    first, last, unsatisfied, total, _ = match.groups()
    length = None if total is None else int(total)
    if unsatisfied is not None:
        if length is None:
            raise MalformedField("Content-Range */*")
        return Unsatisfied(length)
    start, stop = int(first), int(last) + 1
    if stop <= start or (length is not None and stop > length):
        raise MalformedField("Content-Range contradicts itself")
    return ContentRange(start, stop, length)


def format_range(start: int, stop: int | None) -> bytes:
    """The value of a Range field for half-open C{[start, stop)}; open-ended where C{stop} is None (section 14.2)."""
    return b"bytes=%d-" % start if stop is None else b"bytes=%d-%d" % (start, stop - 1)


def format_content_range(part: ByteRange, length: int) -> bytes:
    """The value of a Content-Range field for C{part} of C{length} (section 14.4)."""
    return b"bytes %d-%d/%d" % (part.start, part.stop - 1, length)
