"""What may happen to a cache file."""

import os
from collections.abc import Callable
from pathlib import Path

from tests.servers.pattern import BLOCK, Pattern

Damage = Callable[[Path], object]


def flip_bit(offset: int) -> Damage:
    """One bit of the byte at that offset is inverted."""

    def damage(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(offset)
            (byte,) = file.read(1)
            file.seek(offset)
            file.write(bytes([byte ^ 4]))

    return damage


def flip_bit_secretly(offset: int) -> Damage:
    """The same, and mtime is set back to what it was."""

    def damage(path: Path) -> None:
        before = path.stat()
        flip_bit(offset)(path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    return damage


def zero(start: int, stop: int) -> Damage:
    """Zeros in place of some bytes."""

    def damage(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(start)
            file.write(bytes(stop - start))

    return damage


def truncate(length: int) -> Damage:
    """The file ends early."""

    def damage(path: Path) -> None:
        os.truncate(path, length)

    return damage


def truncate_and_extend(length: int) -> Damage:
    """The file has its size again, but only a hole from that byte on."""

    def damage(path: Path) -> None:
        size = path.stat().st_size
        os.truncate(path, length)
        os.truncate(path, size)

    return damage


def replace_by_other(path: Path) -> None:
    """Another file of the same size and mtime is put in its place."""
    before = path.stat()
    other = path.with_name("other")
    with other.open("wb") as file:
        for piece in Pattern(before.st_size, seed=99).pieces(0, before.st_size):
            file.write(piece)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(other, path)


def replace_by_directory(path: Path) -> None:
    """A directory is where the file was."""
    path.unlink()
    path.mkdir()


def swap_blocks(path: Path) -> None:
    """The first two chunks have changed places: right bytes, but not here."""
    with path.open("r+b") as file:
        first, second = file.read(BLOCK), file.read(BLOCK)
        file.seek(0)
        file.write(second + first)
