"""Who reads a generation, and where: told without a look at each of them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from .reader import Reader


class Readers:
    """Readers in the order of their positions, for each size of window: there are few."""

    def __init__(self) -> None:
        self._places: dict[Reader, tuple[int, int]] = {}
        self._positions: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Reader]:
        return iter(self._places)

    def add(self, reader: Reader) -> None:
        """One came."""
        window, position = self._places[reader] = reader.window.size, reader.position
        insort(self._positions.setdefault(window, []), position)

    def discard(self, reader: Reader) -> None:
        """One left, or had left before."""
        place = self._places.pop(reader, None)
        if place is None:
            return
        window, position = place
        positions = self._positions[window]
        del positions[bisect_left(positions, position)]
        if not positions:
            del self._positions[window]

    def moved(self, reader: Reader) -> None:
        """The cursor of one moved, or its window changed."""
        if reader in self._places:
            self.discard(reader)
            self.add(reader)

    def any_in(self, start: int, stop: int | None) -> bool:
        """Whether the next byte of any is in C{[start, stop)}; C{stop} None: from C{start} on."""
        return any(_any_in(positions, start, stop) for positions in self._positions.values())

    def any_near(self, start: int, size: int) -> bool:
        """Whether any reads the C{size} bytes from C{start} on, or comes there within its window."""
        return any(
            _any_in(positions, start - max(window, size), start + size) for window, positions in self._positions.items()
        )


def _any_in(positions: list[int], start: int, stop: int | None) -> bool:
    at = bisect_left(positions, start)
    return at < len(positions) and (stop is None or positions[at] < stop)
