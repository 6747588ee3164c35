"""Parsing and resolving of ranges (RFC 9110, section 14)."""

import pytest
from hypothesis import example, given, settings
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
)

range_like = st.one_of(
    st.binary(max_size=40),
    st.text("bytesBYTES=0123456789-, \t*/", max_size=40).map(str.encode),
    st.from_regex(rb"\Abytes=([0-9]{0,25}-[0-9]{0,25},? ?){1,4}\Z"),
    st.from_regex(rb"\Abytes ([0-9]{1,25}-[0-9]{1,25}|\*)/([0-9]{1,25}|\*)\Z"),
)


@pytest.mark.parametrize(
    ("value", "specs"),
    [
        (b"bytes=0-0", [(0, 0)]),
        (b"bytes=0-499", [(0, 499)]),
        (b"bytes=9500-", [(9500, None)]),
        (b"bytes=-500", [(None, 500)]),
        (b"bytes=-0", [(None, 0)]),
        (b"BYTES=1-2", [(1, 2)]),
        (b" bytes=1-2\t", [(1, 2)]),
        (b"bytes=0-0,-1", [(0, 0), (None, 1)]),
        (b"bytes= 0-999, 4500-5499 ,\t-1000", [(0, 999), (4500, 5499), (None, 1000)]),
        (b"bytes=,0-1,,2-3,", [(0, 1), (2, 3)]),
        (b"bytes=007-009", [(7, 9)]),
    ],
)
def test_valid_ranges(value: bytes, specs: list[tuple[int | None, int | None]]) -> None:
    assert parse_range(value) == tuple(RangeSpec(*spec) for spec in specs)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"bytes",
        b"bytes=",
        b"bytes=,",
        b"bytes=-",
        b"bytes=a-b",
        b"bytes=5-4",
        b"bytes=1-2-3",
        b"bytes=--1",
        b"bytes=+1-2",
        b"bytes=1",
        b"bytes=0 - 1",
        b"bytes=0-1;2-3",
        b"bytes=0-1\n",
        b"bytes=0x0-0x1",
        b"bytes=0-1,5-4",
        b"bytes =0-1",
        b"octets=0-1",
        b"0-1",
        "bytes=\N{ARABIC-INDIC DIGIT ZERO}-\N{ARABIC-INDIC DIGIT ONE}".encode(),
    ],
)
def test_malformed_ranges(value: bytes) -> None:
    with pytest.raises(MalformedField):
        parse_range(value)


@settings(deadline=None, max_examples=500, derandomize=True)
@given(range_like)
@example(b"bytes=" + b"9" * 5000 + b"-")
@example(b"bytes 0-" + b"9" * 5000 + b"/*")
def test_parsers_raise_nothing_else(value: bytes) -> None:
    for parse in (parse_range, parse_content_range):
        try:
            parse(value)
        except MalformedField:
            continue


def test_numbers_beyond_any_object_stay_beyond_any_object() -> None:
    (spec,) = parse_range(b"bytes=" + b"9" * 40 + b"-")
    assert resolve(spec, 10**18 - 1) is None
    (spec,) = parse_range(b"bytes=5-" + b"9" * 40)
    assert resolve(spec, 10) == ByteRange(5, 10)
    (spec,) = parse_range(b"bytes=-" + b"9" * 40)
    assert resolve(spec, 10) == ByteRange(0, 10)


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


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        (b"bytes 0-0/1", ContentRange(0, 1, 1)),
        (b"bytes 42-1233/1234", ContentRange(42, 1234, 1234)),
        (b"bytes 42-1233/*", ContentRange(42, 1234, None)),
        (b"Bytes 0-9/10", ContentRange(0, 10, 10)),
        (b" bytes 0-9/10 ", ContentRange(0, 10, 10)),
        (b"bytes */1234", Unsatisfied(1234)),
        (b"bytes */0", Unsatisfied(0)),
    ],
)
def test_valid_content_ranges(value: bytes, meaning: ContentRange | Unsatisfied) -> None:
    assert parse_content_range(value) == meaning


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"bytes",
        b"bytes */*",
        b"bytes 0-9",
        b"bytes 0-9/9",
        b"bytes 5-4/10",
        b"bytes 10-10/10",
        b"bytes -5/10",
        b"bytes 0-/10",
        b"bytes=0-9/10",
        b"bytes  0-9/10",
        b"bytes 0-9/10\n",
        b"bytes 0-9/10, bytes 10-19/20",
        b"octets 0-9/10",
        b"bytes 0-9/" + b"9" * 30,
    ],
)
def test_malformed_content_ranges(value: bytes) -> None:
    with pytest.raises(MalformedField):
        parse_content_range(value)
