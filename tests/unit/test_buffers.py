"""Chunks in memory, against a plain dictionary."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.fill.buffers import Buffers
from proxycache.fill.chunkbuffer import BufferState, ChunkBuffer

END = 8
indices = st.integers(0, END)
steps = st.one_of(
    st.tuples(st.just("add"), indices),
    st.tuples(st.just("drop"), indices),
    st.tuples(st.sampled_from(list(BufferState)), indices),
)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.lists(steps))
def test_agrees_with_a_dictionary(script: list[tuple[str | BufferState, int]]) -> None:
    buffers, oracle = Buffers(), dict[int, ChunkBuffer]()
    for operation, index in script:
        if isinstance(operation, BufferState):
            if index in oracle:
                buffers.turn(index, oracle[index], operation)
                assert oracle[index].state is operation
        elif operation == "add" and index not in oracle:
            oracle[index] = ChunkBuffer(index, 1)
            buffers.add(index, oracle[index])
        elif operation == "drop" and index in oracle:
            buffers.drop(index)
            del oracle[index]
        assert sorted(buffers) == sorted(oracle)
        assert len(buffers) == len(oracle)
        for index in range(END + 1):
            assert buffers.get(index) is oracle.get(index)
            assert (index in buffers) == (index in oracle)
            for stop in range(index, END + 2):
                assert buffers.between(index, stop) == [oracle[each] for each in range(index, stop) if each in oracle]
        for state in BufferState:
            those = [(index, buffer) for index, buffer in sorted(oracle.items()) if buffer.state is state]
            assert buffers.those(state) == those
            assert buffers.count(state) == len(those)


def test_one_that_was_dropped_changes_for_itself_alone() -> None:
    buffers, dropped, new = Buffers(), ChunkBuffer(0, 1), ChunkBuffer(0, 1)
    buffers.add(0, dropped)
    buffers.drop(0)
    buffers.add(0, new)
    buffers.turn(0, dropped, BufferState.KEPT)
    assert (dropped.state, new.state) == (BufferState.KEPT, BufferState.ARRIVING)
    assert buffers.those(BufferState.ARRIVING) == [(0, new)]
    assert buffers.count(BufferState.KEPT) == 0
