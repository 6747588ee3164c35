"""A chunk in memory."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.fill.chunkbuffer import BufferState, ChunkBuffer

START, SIZE = 100, 20
CONTENT = bytes(range(SIZE))


def put(buffer: ChunkBuffer, start: int, stop: int) -> None:
    buffer.put(start, memoryview(CONTENT)[start - START : stop - START])


def test_bytes_can_be_read_as_they_arrive() -> None:
    buffer = ChunkBuffer(START, SIZE)
    assert (buffer.start, buffer.stop, buffer.state) == (START, START + SIZE, BufferState.ARRIVING)
    assert buffer.reach(START) == START
    put(buffer, 105, 108)
    assert [buffer.reach(position) for position in (104, 105, 107, 108)] == [104, 108, 108, 108]
    assert buffer.read(105, 108) == CONTENT[5:8]
    assert not buffer.complete


def test_complete_when_the_last_gap_is_filled() -> None:
    buffer = ChunkBuffer(START, SIZE)
    put(buffer, 110, 120)
    put(buffer, 100, 105)
    assert not buffer.complete
    put(buffer, 105, 110)
    assert buffer.complete
    assert buffer.read(START, buffer.stop) == CONTENT


def test_what_was_read_stays_as_it_was() -> None:
    buffer = ChunkBuffer(START, SIZE)
    put(buffer, 100, 110)
    data = buffer.read(100, 110)
    buffer.data[:] = b"y" * SIZE
    assert data == CONTENT[:10]


def test_the_object_may_turn_out_shorter() -> None:
    buffer = ChunkBuffer(START, SIZE)
    put(buffer, 100, 107)
    buffer.shorten(107)
    assert buffer.stop == 107
    assert buffer.complete
    assert bytes(buffer.data) == CONTENT[:7]


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)), max_size=10))
def test_agrees_with_a_list_of_bytes(pieces: list[tuple[int, int]]) -> None:
    buffer = ChunkBuffer(START, SIZE)
    here: dict[int, int] = {}
    for start, stop in pieces:
        if start > stop:
            continue
        put(buffer, START + start, START + stop)
        here.update({START + offset: CONTENT[offset] for offset in range(start, stop)})
        for position in range(START, START + SIZE):
            reach = position
            while reach in here:
                reach += 1
            assert buffer.reach(position) == reach
            assert buffer.read(position, reach) == bytes(here[at] for at in range(position, reach))
    assert buffer.complete == (len(here) == SIZE)
