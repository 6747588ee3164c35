"""Who reads and where, against a look at each of them."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.fill.reader import Reader
from proxycache.fill.readers import Readers
from proxycache.interfaces import Priority
from proxycache.policy.readahead import Streak, Window

from .simulateddisk import SimulatedFile
from .simulatedorigin import Behaviour
from .simulation import REQUEST, World

END = 20
SIZES = [1, 3, 8]
steps = st.tuples(
    st.sampled_from(["add", "discard", "move", "grow"]), st.integers(0, 5), st.integers(0, END), st.sampled_from(SIZES)
)
WORLD = World(b"x", 1, [], Behaviour(1), SimulatedFile(Random(0)), 0)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.lists(steps, max_size=20))
def test_agrees_with_a_look_at_each(script: list[tuple[str, int, int, int]]) -> None:
    known = [Reader(WORLD.generation, 0, None, REQUEST, Priority.CRITICAL, Streak()) for _ in range(6)]
    readers, oracle = Readers(), set[Reader]()
    for operation, number, position, size in script:
        reader = known[number]
        match operation:
            case "add" if reader not in oracle:
                reader.position, reader.window = position, Window(size)
                readers.add(reader)
                oracle.add(reader)
            case "discard":
                readers.discard(reader)
                oracle.discard(reader)
            case "move":
                reader.position = position
                readers.moved(reader)
            case "grow":
                reader.window = Window(size)
                readers.moved(reader)
        assert set(readers) == oracle
        assert len(readers) == len(oracle)
        assert bool(readers) == bool(oracle)
        for start in range(END + 1):
            assert readers.any_in(start, None) == any(start <= each.position for each in oracle)
            for stop in range(start, END + 2):
                assert readers.any_in(start, stop) == any(start <= each.position < stop for each in oracle)
            for chunk in SIZES:
                near = [
                    each.position - chunk < start <= each.position + max(each.window.size, chunk) for each in oracle
                ]
                assert readers.any_near(start, chunk) == any(near)
