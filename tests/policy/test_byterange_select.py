"""Which ranges are sent, and in which order (RFC 9110, sections 14.2, 15.3.7.2 and 17.15)."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.errors import UnsatisfiableRange
from proxycache.policy.byterange import (
    COALESCE_GAP,
    MAX_RANGES,
    ByteRange,
    RangeSpec,
    parse_range,
    resolve,
    select,
)

from .casefile import Case, cases

first_to_last = st.tuples(st.integers(0, 1500), st.integers(0, 300)).map(lambda t: RangeSpec(t[0], t[0] + t[1]))
open_ended = st.integers(0, 1500).map(lambda first: RangeSpec(first, None))
suffix = st.integers(0, 400).map(lambda last: RangeSpec(None, last))
specs = st.lists(st.one_of(first_to_last, open_ended, suffix), min_size=1, max_size=10)
lengths = st.integers(0, 1200)


def bytes_of(parts: list[ByteRange]) -> set[int]:
    return {byte for part in parts for byte in range(part.start, part.stop)}


@settings(deadline=None, max_examples=300, derandomize=True)
@given(specs, lengths)
def test_what_is_sent_is_what_was_asked_and_small_gaps(asked: list[RangeSpec], length: int) -> None:
    wanted = [found for spec in asked if (found := resolve(spec, length)) is not None]
    if not wanted:
        with pytest.raises(UnsatisfiableRange):
            select(asked, length)
        return
    sent = select(asked, length)
    assert all(0 <= part.start < part.stop <= length for part in sent)
    assert sum(len(part) for part in sent) <= length
    asked_bytes, sent_bytes = bytes_of(wanted), bytes_of(list(sent))
    assert asked_bytes <= sent_bytes
    for byte in sent_bytes - asked_bytes:
        below = max(other for other in asked_bytes if other < byte)
        above = min(other for other in asked_bytes if other > byte)
        assert above - below - 1 <= COALESCE_GAP
    in_order_of_bytes = sorted(sent, key=lambda part: part.start)
    for one, other in itertools.pairwise(in_order_of_bytes):
        assert other.start - one.stop > COALESCE_GAP


@settings(deadline=None, max_examples=300, derandomize=True)
@given(specs, lengths.filter(bool))
def test_parts_come_in_the_order_in_which_they_were_asked(asked: list[RangeSpec], length: int) -> None:
    wanted = [found for spec in asked if (found := resolve(spec, length)) is not None]
    if not wanted:
        return
    sent = select(asked, length)

    def place(part: ByteRange) -> int:
        return min(n for n, each in enumerate(wanted) if part.start <= each.start and each.stop <= part.stop)

    assert list(sent) == sorted(sent, key=place)


@cases("range-selection", "value", "length", "sent")
def test_ranges_that_are_sent(case: Case) -> None:
    asked = parse_range(case.octets("value"))
    if case["sent"] == "unsatisfiable":
        with pytest.raises(UnsatisfiableRange):
            select(asked, case["length"])
        return
    assert select(asked, case["length"]) == tuple(ByteRange(*part) for part in case["sent"])


def test_the_gap_that_is_bridged() -> None:
    assert COALESCE_GAP == 80, "the cases have gaps of one less, and of one more"


def test_too_many_ranges_are_refused() -> None:
    scattered = [RangeSpec(n * 1000, n * 1000) for n in range(MAX_RANGES + 1)]
    assert len(select(scattered[:-1], 10**6)) == MAX_RANGES
    with pytest.raises(UnsatisfiableRange):
        select(scattered, 10**6)
