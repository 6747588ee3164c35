"""Parsing and resolving of ranges (RFC 9110, section 14)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.errors import MalformedField
from proxycache.policy.byterange import (
    ByteRange,
    ContentRange,
    RangeSpec,
    Unsatisfied,
    format_content_range,
    format_range,
    parse_content_range,
    parse_range,
    resolve,
    wanted,
)

from .casefile import Case, cases


def or_none(number: int | str) -> int | None:
    return number if isinstance(number, int) else None


@cases("ranges", "value", "specs")
def test_the_range_field(case: Case) -> None:
    if case["specs"] == "malformed":
        with pytest.raises(MalformedField):
            parse_range(case.octets("value"))
        return
    assert parse_range(case.octets("value")) == tuple(RangeSpec(*map(or_none, spec)) for spec in case["specs"])


@cases("content-range", "value", "range", "unsatisfied", "malformed")
def test_the_content_range_field(case: Case) -> None:
    value = case.octets("value")
    if case.get("malformed"):
        with pytest.raises(MalformedField):
            parse_content_range(value)
    elif "unsatisfied" in case:
        assert parse_content_range(value) == Unsatisfied(case["unsatisfied"])
    else:
        start, stop, length = case["range"]
        assert parse_content_range(value) == ContentRange(start, stop, or_none(length))


@cases("wanted", "value", "length", "wanted")
def test_the_bytes_that_a_request_needs(case: Case) -> None:
    asked = parse_range(case.octets("value"))[0] if "value" in case else None
    start, stop = case["wanted"]
    assert wanted(asked, None if case["length"] < 0 else case["length"]) == (start, or_none(stop))


def bytes_selected(spec: RangeSpec, length: int) -> list[int]:
    """Section 14.1.2, byte by byte."""
    if spec.first is None:
        return [byte for byte in range(length) if byte >= length - (spec.last or 0)]
    return [byte for byte in range(length) if spec.first <= byte and (spec.last is None or byte <= spec.last)]


def test_resolve_agrees_with_the_section_byte_by_byte() -> None:
    ends = [None, *range(9)]
    specs = [
        RangeSpec(first, last)
        for first in ends
        for last in ends
        if (first, last) != (None, None) and (first is None or last is None or first <= last)
    ]
    assert len(specs) == 9 + 9 + 45
    for length in range(8):
        for spec in specs:
            found = resolve(spec, length)
            expected = bytes_selected(spec, length)
            assert (found is None) == (not expected)
            if found is not None:
                assert list(range(found.start, found.stop)) == expected
                assert len(found) == len(expected)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.integers(0, 10**17), st.integers(1, 10**6), st.integers(0, 10**6))
def test_content_range_round_trip(start: int, size: int, rest: int) -> None:
    part, length = ByteRange(start, start + size), start + size + rest
    assert parse_content_range(format_content_range(part, length)) == ContentRange(start, start + size, length)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.integers(0, 10**17), st.one_of(st.none(), st.integers(1, 10**6)))
def test_range_round_trip(start: int, size: int | None) -> None:
    stop = None if size is None else start + size
    assert parse_range(format_range(start, stop)) == (RangeSpec(start, None if stop is None else stop - 1),)
