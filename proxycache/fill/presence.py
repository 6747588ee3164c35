"""Which chunks of an object are on disk, and how far they go without a gap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from proxycache.policy.intervals import Intervals


class Presence(Mapping[int, int]):
    """Checksums by index of the chunks that are on disk.

    How far they go is found without a look at each: an object of a million chunks is, as a rule, in a few pieces.
    """

    def __init__(self, checksums: Mapping[int, int]) -> None:
        self._checksums = dict(checksums)
        self._pieces = Intervals.of(sorted(checksums))

    def __getitem__(self, index: int) -> int:
        return self._checksums[index]

    def __contains__(self, index: object) -> bool:
        return index in self._checksums

    def __iter__(self) -> Iterator[int]:
        return iter(self._checksums)

    def __len__(self) -> int:
        return len(self._checksums)

    @property
    def pieces(self) -> Iterator[tuple[int, int]]:
        """What is there without a gap: half-open intervals of indices, in order."""
        return iter(self._pieces)

    def add(self, index: int, checksum: int) -> None:
        """A chunk is there now."""
        self._checksums[index] = checksum
        self._pieces.add(index, index + 1)

    def discard(self, index: int) -> bool:
        """A chunk is gone; whether it was there."""
        if self._checksums.pop(index, None) is None:
            return False
        self._pieces.remove(index, index + 1)
        return True

    def reach(self, index: int) -> int:
        """The first chunk from C{index} on that is not there."""
        return self._pieces.reach(index)

    def following(self, index: int) -> int | None:
        """The first chunk from C{index} on that is there, or None."""
        return index if index in self._checksums else self._pieces.next_start(index)

    def at_or_after(self, index: int) -> list[int]:
        """All from C{index} on, in order."""
        return [each for start, stop in self._pieces.beyond(index) for each in range(start, stop)]
