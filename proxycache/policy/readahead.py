"""How far ahead of a reader to fetch: nothing for a random read, doubling for a sequential one."""

from __future__ import annotations

from attrs import evolve, frozen

from .amplification import FACTOR

FIRST_WINDOW = 2 * 1024 * 1024
"""Bytes fetched at first for a request that asks for more than that."""

MAX_WINDOW = 16 * 1024 * 1024

NEAR = 128 * 1024
"""A reader at most this many bytes ahead of a running fetch waits for it; a farther one gets its own."""


@frozen
class Window:
    """The stretch fetched ahead of one reader.

    @ivar size: bytes ahead of the cursor that are worth having.
    """

    size: int = FIRST_WINDOW

    def stop(self, position: int, wanted: int | None) -> int:
        """Fetch up to here, one past the last byte: the window, but no more than the reader asked for."""
        ahead = position + self.size
        return ahead if wanted is None else min(ahead, wanted)

    def due(self, position: int, covered: int) -> bool:
        """Whether the bytes that are here or on their way, up to C{covered}, have shrunk to half a window."""
        return covered - position <= self.size // 2

    def grown(self) -> Window:
        """The window after a reader has used up the present one."""
        return evolve(self, size=min(self.size * 2, MAX_WINDOW))


@frozen
class Streak:
    """Requests that one after the other begin where the one before ended.

    @ivar requests: how many came before.
    @ivar size: bytes that these asked for.
    """

    requests: int = 0
    size: int = 0


def first_window(streak: Streak) -> Window:
    """The window of a request that continues earlier ones: it need not begin small again, in proportion to these."""
    grown = min(FIRST_WINDOW << min(streak.requests, 8), MAX_WINDOW)
    return Window(max(FIRST_WINDOW, min(grown, FACTOR * streak.size)))


def sequential_extension(streak: Streak, chunk_size: int) -> int:
    """Bytes worth fetching beyond the end of a request that continued earlier ones.

    None for the first; then one chunk, doubling, in proportion to what was asked for.
    """
    if streak.requests == 0:
        return 0
    return min(chunk_size << min(streak.requests - 1, 8), MAX_WINDOW, FACTOR * streak.size)
