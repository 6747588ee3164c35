"""How much more than it asks for one request may make us fetch (RFC 9110, section 17.15).

A chunk is fetched and kept as a whole. So one byte costs a chunk, and a request for many bytes here and there many: of
those only so many are fetched as a whole as are in proportion, of the others little more than what was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

from .byterange import RangeSpec

FACTOR = 8
"""A request may make us fetch so many times what it asks for."""

LEAST = 4 * 1024 * 1024
"""Or so many bytes more than it asks for, or one chunk."""

PIECE = 64 * 1024
"""What is not fetched as a whole chunk ends at a multiple of this."""

UNKNOWN_LEAST = 16 * 1024 * 1024
"""Bytes of an object of unknown length that are fetched beside a client, however little it asked for."""


def completed(surplus: Sequence[int], asked: int, chunk_size: int) -> list[bool]:
    """Which parts of an answer may be fetched in whole chunks; the first ones rather than the last.

    @param surplus: for each part, bytes that its chunks take beyond it.
    @param asked: bytes of all parts.
    """
    left = max((FACTOR - 1) * asked, LEAST, chunk_size)
    left -= PIECE * len(surplus)
    found = []
    for beyond in surplus:
        whole = len(surplus) == 1 or beyond <= left
        if whole:
            left -= beyond
        found.append(whole)
    return found


def read_limit(asked: RangeSpec | None) -> int | None:
    """How far an object of unknown length is read beside a client that asked for this of it; None: to the end."""
    if asked is None or asked.first is None or asked.last is None:
        return None
    return max(FACTOR * (asked.last + 1 - asked.first), UNKNOWN_LEAST) + asked.first
