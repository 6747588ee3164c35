"""How much more than it asks for one request may make us fetch."""

from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.policy.amplification import FACTOR, LEAST, PIECE, UNKNOWN_LEAST, completed, read_limit
from proxycache.policy.byterange import RangeSpec

MIB = 1 << 20


def test_a_few_parts_are_fetched_in_whole_chunks() -> None:
    assert completed([MIB] * 3, 3, MIB) == [True] * 3


def test_of_many_the_first_ones() -> None:
    assert completed([MIB - 1] * 10, 10, MIB) == [True] * 3 + [False] * 7


def test_what_costs_nothing_more_always() -> None:
    assert completed([MIB, MIB, MIB, MIB, 0, MIB], 6, MIB) == [True] * 3 + [False, True, False]


def test_one_alone_is_fetched_in_whole_chunks_however_large_these_are() -> None:
    assert completed([64 * MIB], 1, 64 * MIB) == [True]


def test_in_proportion_to_what_is_asked_for() -> None:
    assert completed([MIB] * 10, 10 * MIB, MIB) == [True] * 10


@settings(deadline=None, max_examples=200, derandomize=True)
@given(
    st.lists(st.integers(0, 2 * MIB), min_size=2, max_size=64),
    st.integers(1, 2**40),
    st.sampled_from([PIECE, MIB, 8 * MIB]),
)
def test_it_is_bounded(surplus: list[int], asked: int, chunk_size: int) -> None:
    whole = completed(surplus, asked, chunk_size)
    beyond = sum(each if complete else PIECE for each, complete in zip(surplus, whole, strict=True))
    assert beyond <= max((FACTOR - 1) * asked, LEAST + len(surplus) * PIECE, chunk_size)


def test_an_object_of_unknown_length() -> None:
    assert read_limit(None) is None
    assert read_limit(RangeSpec(5, None)) is None
    assert read_limit(RangeSpec(None, 5)) is None
    assert read_limit(RangeSpec(5, 5)) == 5 + UNKNOWN_LEAST
    assert read_limit(RangeSpec(0, 10 * MIB - 1)) == 80 * MIB
