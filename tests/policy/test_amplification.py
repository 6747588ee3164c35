"""How much more than it asks for one request may make us fetch."""

from collections.abc import Container

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.policy.amplification import FACTOR, LEAST, PIECE, UNKNOWN_LEAST, outlay, read_limit
from proxycache.policy.byterange import ByteRange, RangeSpec
from proxycache.policy.chunking import Chunking

MIB = 1 << 20


def cost(
    *starts: int, size: int = 1, chunk: int = MIB, length: int = 1 << 40, present: Container[int] = ()
) -> tuple[list[bool], int]:
    """Of so many bytes at each place: which are fetched in whole chunks, and what all of it costs."""
    parts = [ByteRange(start, min(length, start + size)) for start in starts]
    found = outlay(parts, Chunking(chunk), length, lambda start, stop: start // chunk in present, present)
    return found.whole, found.fetched


def test_a_few_parts_are_fetched_in_whole_chunks() -> None:
    assert cost(0, 10 * MIB, 20 * MIB) == ([True] * 3, 3 * MIB)


def test_of_many_the_first_ones() -> None:
    whole, fetched = cost(*(number * 10 * MIB for number in range(10)))
    assert whole == [True] * 3 + [False] * 7
    assert fetched == 3 * MIB + 7 * PIECE


def test_what_is_in_one_chunk_costs_it_once() -> None:
    assert cost(*range(0, MIB, 1000)) == ([True] * 1049, MIB)
    assert cost(*range(0, 3 * MIB - 50, 100), size=50) == ([True] * 31457, 3 * MIB)


def test_chunks_of_which_half_is_wanted_are_fetched_as_a_whole() -> None:
    assert cost(*range(0, 50 * MIB, 2 * PIECE)) == ([True] * 400, 50 * MIB)
    assert cost(*range(0, 50 * MIB, 3 * PIECE))[1] < 22 * MIB


def test_what_is_here_costs_nothing() -> None:
    assert cost(0, 10 * MIB, 20 * MIB, 30 * MIB, 40 * MIB, present=range(40)) == ([True] * 5, MIB)


def test_one_alone_is_fetched_in_whole_chunks_however_large_these_are() -> None:
    assert cost(5 * MIB, chunk=64 * MIB) == ([True], 64 * MIB)


def test_in_proportion_to_what_is_asked_for() -> None:
    assert cost(*(number * 10 * MIB + 10 for number in range(10)), size=MIB) == ([True] * 10, 20 * MIB)


def test_nothing_beyond_the_end() -> None:
    assert cost(10, 10 * MIB, length=10 * MIB + 5) == ([True, True], MIB + 5)


@pytest.mark.parametrize(
    ("number", "size", "proportionate"),
    [
        (1024, 1, True),
        (1025, 1, False),
        # Eight times as much as is asked for, and more than 64 MiB.
        (5000, 8 * 1024, True),
        (5000, 8 * 1024 - 1, False),
    ],
)
def test_what_is_not_ours_to_do(number: int, size: int, proportionate: bool) -> None:
    """RFC 9110, section 17.15."""
    parts = [ByteRange(start, start + size) for start in range(0, number * 10 * MIB, 10 * MIB)]
    found = outlay(parts, Chunking(MIB), None, lambda start, stop: False, ())
    assert found.in_proportion is proportionate
    there = outlay(parts, Chunking(MIB), None, lambda start, stop: True, range(10 * number))
    assert (there.in_proportion, there.fetched) == (True, 0)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(0, 2**30), st.integers(1, 2 * MIB)), min_size=1, max_size=64),
    st.sampled_from([PIECE, MIB, 8 * MIB]),
    st.sets(st.integers(0, 1100)),
)
def test_it_is_bounded(places: list[tuple[int, int]], chunk_size: int, present: set[int]) -> None:
    parts = [ByteRange(start, start + size) for start, size in places]
    chunking = Chunking(chunk_size)

    def is_here(start: int, stop: int) -> bool:
        return present.issuperset(range(chunking.index(start), chunking.index(stop - 1) + 1))

    found = outlay(parts, chunking, None, is_here, present)
    bytes_asked = sum(map(len, parts))
    least = bytes_asked + 2 * len(parts) * PIECE
    assert found.fetched <= max(FACTOR * bytes_asked, bytes_asked + max(LEAST, chunk_size), least)
    assert found.asked == bytes_asked


def test_an_object_of_unknown_length() -> None:
    assert read_limit(None) is None
    assert read_limit(RangeSpec(5, None)) is None
    assert read_limit(RangeSpec(None, 5)) is None
    assert read_limit(RangeSpec(5, 5)) == 5 + UNKNOWN_LEAST
    assert read_limit(RangeSpec(0, 10 * MIB - 1)) == 80 * MIB
