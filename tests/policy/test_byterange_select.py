"""Which ranges are sent, and in which order (RFC 9110, sections 14.2, 15.3.7.2 and 17.15)."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.errors import UnsatisfiableRange
from proxycache.policy.byterange import (
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


def overlap(one: ByteRange, other: ByteRange) -> bool:
    return one.start < other.stop and other.start < one.stop


@settings(deadline=None, max_examples=300, derandomize=True)
@given(specs, lengths)
def test_what_is_sent_is_what_was_asked(asked: list[RangeSpec], length: int) -> None:
    wanted = [found for spec in asked if (found := resolve(spec, length)) is not None]
    if not wanted:
        with pytest.raises(UnsatisfiableRange):
            select(asked, length)
        return
    sent = select(asked, length)
    overlapping = any(overlap(one, other) for one, other in itertools.combinations(wanted, 2))
    if overlapping and sum(map(len, wanted)) > length:
        assert sent == ()
        return
    assert bytes_of(list(sent)) == bytes_of(wanted)
    assert sum(map(len, sent)) == len(bytes_of(wanted)), "no byte comes twice"
    if not overlapping:
        assert list(sent) == wanted


@settings(deadline=None, max_examples=300, derandomize=True)
@given(specs, lengths.filter(bool))
def test_parts_come_in_the_order_in_which_they_were_asked(asked: list[RangeSpec], length: int) -> None:
    wanted = [found for spec in asked if (found := resolve(spec, length)) is not None]
    sent = select(asked, length) if wanted else ()

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


def test_many_ranges_cost_a_little_each() -> None:
    """As many as a header section holds, in any order, overlapping or not."""
    apart = [RangeSpec(n * 3, n * 3) for n in range(12_000)]
    assert select(apart, 10**6) == tuple(ByteRange(n * 3, n * 3 + 1) for n in range(12_000))
    backwards = select(apart[::-1], 10**6)
    assert backwards == tuple(ByteRange(n * 3, n * 3 + 1) for n in reversed(range(12_000)))
    chained = [RangeSpec(n * 3, n * 3 + 3) for n in range(12_000)]
    assert select(chained[::2] + chained[1::2], 10**6) == (ByteRange(0, 36_001),)
