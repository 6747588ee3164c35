"""A set of half-open intervals of integers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class Intervals:
    """Disjoint, sorted, never touching intervals C{[start, stop)}."""

    __slots__ = ("_starts", "_stops")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []

    @classmethod
    def of(cls, ascending: Iterable[int]) -> Intervals:
        """The set of these integers, each larger than the one before."""
        made = cls()
        for number in ascending:
            if made._stops and made._stops[-1] == number:
                made._stops[-1] += 1
            else:
                made._starts.append(number)
                made._stops.append(number + 1)
        return made

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(list(zip(self._starts, self._stops, strict=True)))

    def __bool__(self) -> bool:
        return bool(self._starts)

    @property
    def total(self) -> int:
        """How many integers are in the set."""
        return sum(self._stops) - sum(self._starts)

    def add(self, start: int, stop: int) -> None:
        """Add C{[start, stop)}; nothing where it is empty."""
        if start >= stop:
            return
        low = bisect_left(self._stops, start)
        high = bisect_right(self._starts, stop)
        if low < high:
            start = min(start, self._starts[low])
            stop = max(stop, self._stops[high - 1])
        self._starts[low:high] = [start]
        self._stops[low:high] = [stop]

    def remove(self, start: int, stop: int) -> None:
        """Take C{[start, stop)} out."""
        if start >= stop:
            return
        low = bisect_right(self._stops, start)
        high = bisect_left(self._starts, stop)
        if low >= high:
            return
        left, right = self._starts[low], self._stops[high - 1]
        starts: list[int] = []
        stops: list[int] = []
        if left < start:
            starts.append(left)
            stops.append(start)
        if stop < right:
            starts.append(stop)
            stops.append(right)
        self._starts[low:high] = starts
        self._stops[low:high] = stops

    def reach(self, position: int) -> int:
        """The end of the interval that holds C{position}; C{position} itself where none does."""
        index = bisect_right(self._starts, position) - 1
        if index >= 0 and position < self._stops[index]:
            return self._stops[index]
        return position

    def next_start(self, position: int) -> int | None:
        """The first start at or after C{position}, or None."""
        index = bisect_left(self._starts, position)
        return self._starts[index] if index < len(self._starts) else None

    def beyond(self, position: int) -> Iterator[tuple[int, int]]:
        """What of the set is not before C{position}, in order."""
        for index in range(bisect_right(self._stops, position), len(self._stops)):
            yield max(position, self._starts[index]), self._stops[index]

    def gaps(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """What of C{[start, stop)} is not in the set, in order."""
        while start < stop:
            start = self.reach(start)
            following = self.next_start(start)
            end = stop if following is None else min(stop, following)
            if start < end:
                yield start, end
            start = end

    def covers(self, start: int, stop: int) -> bool:
        """Whether all of C{[start, stop)} is in the set."""
        return start >= stop or self.reach(start) >= stop
