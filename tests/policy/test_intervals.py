"""The set of intervals against a plain set of integers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.policy.intervals import Intervals

END = 40
bounds = st.integers(0, END)
operations = st.lists(st.tuples(st.sampled_from(["add", "remove"]), bounds, bounds), max_size=30)


def runs_of(numbers: set[int]) -> list[tuple[int, int]]:
    """The maximal runs of consecutive numbers, half-open."""
    starts = sorted(number for number in numbers if number - 1 not in numbers)
    stops = sorted(number + 1 for number in numbers if number + 1 not in numbers)
    return list(zip(starts, stops, strict=True))


def reach_of(numbers: set[int], position: int) -> int:
    while position in numbers:
        position += 1
    return position


@settings(deadline=None, max_examples=200, derandomize=True)
@given(operations)
def test_agrees_with_a_set_of_integers(steps: list[tuple[str, int, int]]) -> None:
    intervals, numbers = Intervals(), set[int]()
    for operation, start, stop in steps:
        if operation == "add":
            intervals.add(start, stop)
            numbers |= set(range(start, stop))
        else:
            intervals.remove(start, stop)
            numbers -= set(range(start, stop))
        runs = runs_of(numbers)
        assert list(intervals) == runs
        assert bool(intervals) == bool(numbers)
        assert intervals.total == len(numbers)
        for position in range(END + 2):
            assert intervals.reach(position) == reach_of(numbers, position)
            assert intervals.next_start(position) == min((a for a, _ in runs if a >= position), default=None)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(operations, bounds, bounds)
def test_covers_and_gaps(steps: list[tuple[str, int, int]], start: int, stop: int) -> None:
    intervals, numbers = Intervals(), set[int]()
    for operation, first, end in steps:
        if operation == "add":
            intervals.add(first, end)
            numbers |= set(range(first, end))
        else:
            intervals.remove(first, end)
            numbers -= set(range(first, end))
    asked = set(range(start, stop))
    assert intervals.covers(start, stop) == (asked <= numbers)
    assert list(intervals.gaps(start, stop)) == runs_of(asked - numbers)


@pytest.mark.parametrize(
    ("start", "stop", "gaps"),
    [
        (0, 30, [(0, 5), (10, 20), (25, 30)]),
        (5, 10, []),
        (7, 22, [(10, 20)]),
        (10, 20, [(10, 20)]),
        (12, 15, [(12, 15)]),
        (24, 26, [(25, 26)]),
        (40, 50, [(40, 50)]),
        (7, 7, []),
        (12, 12, []),
        (15, 12, []),
    ],
)
def test_gaps_between_two_intervals(start: int, stop: int, gaps: list[tuple[int, int]]) -> None:
    intervals = Intervals()
    intervals.add(5, 10)
    intervals.add(20, 25)
    assert list(intervals.gaps(start, stop)) == gaps


def test_touching_intervals_become_one() -> None:
    intervals = Intervals()
    intervals.add(0, 5)
    intervals.add(10, 15)
    intervals.add(5, 10)
    assert list(intervals) == [(0, 15)]


def test_removal_splits() -> None:
    intervals = Intervals()
    intervals.add(0, 15)
    intervals.remove(5, 10)
    assert list(intervals) == [(0, 5), (10, 15)]


def test_iterating_survives_changes() -> None:
    intervals = Intervals()
    intervals.add(0, 1)
    intervals.add(5, 6)
    seen = []
    for start, stop in intervals:
        intervals.remove(start, stop)
        seen.append((start, stop))
    assert seen == [(0, 1), (5, 6)]
    assert not intervals


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.sets(st.integers(0, END)), bounds)
def test_of_single_integers_and_beyond(numbers: set[int], position: int) -> None:
    intervals = Intervals.of(sorted(numbers))
    assert list(intervals) == runs_of(numbers)
    assert list(intervals.beyond(position)) == runs_of({number for number in numbers if number >= position})
