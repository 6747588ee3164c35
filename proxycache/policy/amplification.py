"""How much more than it asks for one request may make us fetch (RFC 9110, section 17.15).

A chunk is fetched and kept as a whole. So one byte costs a chunk, and a request for many bytes here and there many: of
those only so many are fetched as a whole as are in proportion, of the others little more than what was asked for. Where
even that is too much, the request goes to the origin as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

from attrs import frozen

from .byterange import ByteRange, RangeSpec
from .chunking import Chunking
from .intervals import Intervals

FACTOR = 8
"""A request may make us fetch so many times what it asks for."""

LEAST = 4 * 1024 * 1024
"""Or so many bytes more than it asks for, or one chunk."""

MOST = 64 * 1024 * 1024
"""What would make us fetch more than so many bytes, and than L{FACTOR} times what it asks for, goes out unchanged."""

PIECE = 64 * 1024
"""What is not fetched as a whole chunk ends at a multiple of this."""

UNKNOWN_LEAST = 16 * 1024 * 1024
"""Bytes of an object of unknown length that are fetched beside a client, however little it asked for."""


@frozen
class Outlay:
    """What the parts of an answer make us fetch.

    @ivar whole: for each part whether the chunks at its ends are fetched as a whole.
    @ivar fetched: bytes, at most.
    @ivar asked: bytes of all parts, whether they are here or not.
    """

    whole: list[bool]
    fetched: int
    asked: int

    @property
    def in_proportion(self) -> bool:
        """Whether it is what a request for so many bytes may cost."""
        return self.fetched <= _most(self.asked)


def _most(asked: int) -> int:
    return max(FACTOR * asked, MOST)


def outlay(
    parts: Sequence[ByteRange],
    chunking: Chunking,
    length: int | None,
    is_here: Callable[[int, int], bool],
    stored: Container[int],
) -> Outlay:
    """What is to be fetched for several parts. Linear in their number.

    Whole chunks rather for the first ones, and where parts take half of them: few requests for all in place of many.

    @param is_here: whether C{[start, stop)} is here.
    @param stored: chunks that are on disk.
    """
    asked = sum(map(len, parts))
    most = _most(asked)
    pieces = Intervals()
    for part in sorted(parts, key=lambda part: part.start):
        if not is_here(part.start, part.stop):
            pieces.add(part.start, Chunking(PIECE).ceil(part.stop, length))
    fetched = pieces.total
    left = max(FACTOR * asked, asked + LEAST, asked + chunking.size) - fetched
    completed: set[int] = set()
    whole = []
    for part in parts:
        ends = {chunking.index(part.start), chunking.index(part.stop - 1)} - completed
        lacking = [index for index in ends if index not in stored]
        spans = [(chunking.start(index), chunking.stop(index, length)) for index in lacking]
        beyond = sum(stop - start for span in spans for start, stop in pieces.gaps(*span))
        half = 2 * beyond <= sum(stop - start for start, stop in spans) and fetched + beyond <= most
        whole.append(beyond <= left or half)
        if whole[-1]:
            left -= beyond
            fetched += beyond
            completed.update(lacking)
    return Outlay(whole, fetched, asked)


def read_limit(asked: RangeSpec | None) -> int | None:
    """How far an object of unknown length is read beside a client that asked for this of it; None: to the end."""
    if asked is None or asked.first is None or asked.last is None:
        return None
    return max(FACTOR * (asked.last + 1 - asked.first), UNKNOWN_LEAST) + asked.first
