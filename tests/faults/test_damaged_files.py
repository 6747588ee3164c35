"""A cache file that is not what was written: exact bytes, and only what is bad is fetched again."""

import errno
import os

import pytest

from tests.faults.crowd import together
from tests.faults.damage import (
    Damage,
    flip_bit,
    flip_bit_secretly,
    replace_by_other,
    swap_blocks,
    truncate,
    truncate_and_extend,
    zero,
)
from tests.faults.rig import CHUNK, MIB, Rig, Subject
from tests.servers.deadline import until

CACHE_FILES = "*/cache/??/*"
OBJECT_MIB = 8.5
LENGTH = int(OBJECT_MIB * MIB)
ALL = set(range(9))
DAMAGES: dict[str, tuple[Damage, set[int]]] = {
    "first-bit": (flip_bit(0), {0}),
    "a-bit": (flip_bit(3 * MIB + 12345), {3}),
    "last-bit": (flip_bit(LENGTH - 1), {8}),
    "a-bit-secretly": (flip_bit_secretly(5 * MIB), {5}),
    "zeros-across-chunks": (zero(2 * MIB - 10, 2 * MIB + 10), {1, 2}),
    "all-zeros": (zero(0, LENGTH), ALL),
    "truncated": (truncate(4 * MIB + 1), {4, 5, 6, 7, 8}),
    "truncated-by-one": (truncate(LENGTH - 1), {8}),
    "empty": (truncate(0), ALL),
    "a-hole-at-the-end": (truncate_and_extend(6 * MIB), {6, 7, 8}),
    "another-file": (replace_by_other, ALL),
    "chunks-swapped": (swap_blocks, {0, 1}),
}


def mended(subject: Subject, bad: set[int]) -> None:
    """Read it; just the bad chunks come from the origin."""
    grown = subject.rig.meter()
    subject.read()
    assert subject.chunks_sent() == bad
    assert subject.bytes_sent() == sum(min(CHUNK, LENGTH - index * CHUNK) for index in bad)
    assert grown("damaged_chunks_total") >= 1
    subject.until_hit()


@pytest.mark.parametrize(("damage", "bad"), DAMAGES.values(), ids=DAMAGES)
def test_damaged_while_running(rig: Rig, damage: Damage, bad: set[int]) -> None:
    subject = rig.put_cached(OBJECT_MIB)
    subject.read_as_hit()
    damage(subject.file)
    mended(subject, bad)


def test_damaged_while_down(rig: Rig) -> None:
    names = ("a-bit-secretly", "truncated", "a-hole-at-the-end", "another-file", "chunks-swapped")
    subjects = {name: rig.put_cached(OBJECT_MIB) for name in names}
    untouched = rig.put_cached(OBJECT_MIB)
    rig.proxy.stop()
    for name, subject in subjects.items():
        DAMAGES[name][0](subject.file)
    rig.proxy.start()
    with rig.disk.failing(errno.EACCES, CACHE_FILES, "open"):
        untouched.read()
    for name, subject in subjects.items():
        mended(subject, DAMAGES[name][1])
    untouched.until_hit()


def test_only_what_is_asked_for_is_mended(rig: Rig) -> None:
    subject = rig.put_cached(OBJECT_MIB)
    grown = rig.meter()
    for offset in (MIB, 5 * MIB):
        flip_bit(offset)(subject.file)
    subject.read(0, MIB)
    assert subject.chunks_sent() == set()
    subject.read(5 * MIB + 1000, 5 * MIB + 2000)
    assert subject.chunks_sent() == {5}
    assert grown("damaged_chunks_total") == 1


def test_many_clients_find_it_at_once(rig: Rig) -> None:
    subject = rig.put_cached(OBJECT_MIB)
    flip_bit(MIB + 5)(subject.file)
    together(subject, [Subject.read] * 5)
    assert subject.bytes_sent() == MIB
    rig.origin.clear_log()
    with rig.disk.failing(errno.EIO, CACHE_FILES, "read"), rig.origin.gate(subject.name) as gate:

        def all_wait() -> None:
            until(lambda: rig.metric("waiters") == 5, "all of them to wait")
            gate.release()

        together(subject, [Subject.read] * 5, all_wait)
    assert subject.bytes_sent() <= subject.length + MIB
    subject.until_hit()


def test_longer_than_it_was(rig: Rig) -> None:
    subject = rig.put_cached(OBJECT_MIB)
    with subject.file.open("ab") as file:
        file.write(b"x" * CHUNK)
    subject.read_as_hit()


def test_read_error(rig: Rig) -> None:
    subject = rig.put_cached(OBJECT_MIB)
    subject.read_as_hit()
    with rig.disk.failing(errno.EIO, CACHE_FILES, "read"):
        subject.read()
        assert subject.bytes_sent() == subject.length
    subject.until_hit()


def test_read_error_that_stays(rig: Rig) -> None:
    subject = rig.put_cached(OBJECT_MIB)
    with rig.disk.failing(errno.EIO, CACHE_FILES, "read"):
        for _ in range(3):
            subject.read()
        subject.read(MIB + 5, 3 * MIB)


def test_a_bit_that_rots_on_the_disk_while_no_stat_tells(rig: Rig) -> None:
    subject = rig.put_cached(OBJECT_MIB)
    subject.read_as_hit()
    grown = rig.meter()
    with rig.disk.flipping(2 * MIB + 77, CACHE_FILES):
        subject.read()
    assert subject.chunks_sent() == {2}
    assert grown("damaged_chunks_total") == 1
    subject.until_hit()


def test_pages_that_left_memory_are_read_again(rig: Rig) -> None:
    subject = rig.put_cached(OBJECT_MIB)
    subject.read_as_hit()
    with subject.file.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    subject.read_as_hit()
