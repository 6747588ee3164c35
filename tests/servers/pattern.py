"""Content of any length that costs no memory and betrays every misplaced byte range."""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

BLOCK = 1 << 20
"""Bytes in one block of a pattern."""


class Body(Protocol):
    """The bytes of an object, readable by offset; intervals are half-open."""

    @property
    def length(self) -> int:
        """The complete length in bytes."""

    def pieces(self, start: int, stop: int) -> Iterator[memoryview]:
        """The bytes from start to stop, in large slices."""


@lru_cache(maxsize=16)
def _twice(seed: int) -> memoryview:
    """One random block, written twice, so that each of its rotations is a slice."""
    block = random.Random(seed).randbytes(BLOCK)
    return memoryview(block + block)


@dataclass(frozen=True)
class Pattern:
    """Pseudo-random content: block number k is the seed's random block, rotated by a hash of seed and k.

    The same bytes stand at no two aligned places, and a run of zeros (a hole) stands nowhere.
    """

    length: int
    seed: int = 0

    def pieces(self, start: int, stop: int) -> Iterator[memoryview]:
        """The bytes from start to stop as slices of at most one block, without a copy."""
        if not 0 <= start <= stop <= self.length:
            raise ValueError(f"[{start}, {stop}) is not within [0, {self.length})")
        twice = _twice(self.seed)
        while start < stop:
            number, offset = divmod(start, BLOCK)
            size = min(stop - start, BLOCK - offset)
            at = self._rotation(number) + offset
            if at >= BLOCK:
                at -= BLOCK
            yield twice[at : at + size]
            start += size

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from start to stop."""
        return b"".join(self.pieces(start, stop))

    def _rotation(self, number: int) -> int:
        digest = hashlib.blake2b(f"{self.seed}:{number}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % BLOCK


@dataclass(frozen=True)
class Literal:
    """Content given as bytes."""

    data: bytes

    @property
    def length(self) -> int:
        """The complete length in bytes."""
        return len(self.data)

    def pieces(self, start: int, stop: int) -> Iterator[memoryview]:
        """The bytes from start to stop as one slice, without a copy."""
        if start < stop:
            yield memoryview(self.data)[start:stop]


def body_of(content: "bytes | Body") -> Body:
    """Content as a Body."""
    return Literal(content) if isinstance(content, bytes) else content
