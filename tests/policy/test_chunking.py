"""Chunks tile an object."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.policy.chunking import Chunking

SIZE = 10


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.integers(1, 50), st.integers(0, 400))
def test_chunks_tile_the_object(size: int, length: int) -> None:
    chunking = Chunking(size)
    tiles = [(chunking.start(i), chunking.stop(i, length)) for i in range(chunking.count(length))]
    assert [byte for start, stop in tiles for byte in range(start, stop)] == list(range(length))
    assert all(stop - start == size for start, stop in tiles[:-1])
    if tiles:
        start, stop = tiles[-1]
        assert stop == length
        assert 0 < stop - start <= size


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.integers(1, 50), st.integers(1, 400), st.data())
def test_every_byte_lies_in_the_chunk_of_its_index(size: int, length: int, data: st.DataObject) -> None:
    chunking = Chunking(size)
    position = data.draw(st.integers(0, length - 1))
    index = chunking.index(position)
    assert chunking.start(index) <= position < chunking.stop(index, length)


@pytest.mark.parametrize(
    ("length", "count", "last"),
    [(0, 0, None), (1, 1, (0, 1)), (9, 1, (0, 9)), (10, 1, (0, 10)), (11, 2, (10, 11)), (20, 2, (10, 20))],
)
def test_borders(length: int, count: int, last: tuple[int, int] | None) -> None:
    chunking = Chunking(SIZE)
    assert chunking.count(length) == count
    if last is not None:
        assert (chunking.start(count - 1), chunking.stop(count - 1, length)) == last


def test_an_unknown_length_makes_no_chunk_shorter() -> None:
    assert Chunking(SIZE).stop(3, None) == 40


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.integers(1, 50), st.integers(0, 400), st.one_of(st.none(), st.integers(0, 400)))
def test_ceil_is_the_nearest_border_at_or_after(size: int, position: int, length: int | None) -> None:
    borders = {multiple * size for multiple in range(1000)}
    expected = min(border for border in borders if border >= position)
    assert Chunking(size).ceil(position, length) == (expected if length is None else min(expected, length))
