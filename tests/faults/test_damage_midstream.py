"""Damage done to a cache file while a client reads it."""

import errno
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.damage import Damage, flip_bit, replace_by_directory, replace_by_other, truncate, zero
from tests.faults.rig import MIB, Rig, Subject
from tests.faults.test_damaged_files import CACHE_FILES
from tests.servers.fetch import Stream, same_stream

OBJECT_MIB = 12
READ = MIB
FAR = 8 * MIB
"""Farther than what the sockets between hold."""
LARGE_MIB = 512
ONE_WRITE = """
import os, sys
size = os.stat(sys.argv[1]).st_size
assert os.pwrite(os.open(sys.argv[1], os.O_WRONLY), bytes(size), 0) == size
"""


@pytest.fixture
def subject(rig: Rig) -> Subject:
    """A cached object."""
    return rig.put_cached(OBJECT_MIB)


@pytest.fixture
def reader(subject: Subject) -> Iterator[Stream]:
    """A client that has read the first part, and stopped reading."""
    with subject.stream(receive_buffer=1 << 16) as streaming:
        same_stream(subject.content, 0, READ, streaming)
        yield streaming


def go_on(subject: Subject, reader: Stream) -> None:
    same_stream(subject.content, READ, subject.length, reader)
    assert reader.answer.complete
    assert reader.recv() == b""


DAMAGES = {
    "a-bit": (flip_bit(FAR + 1), {8}),
    "zeros": (zero(FAR, FAR + 2 * MIB), {8, 9}),
    "truncated": (truncate(FAR), set(range(8, 12))),
    "truncated-within-a-chunk": (truncate(FAR + 1), set(range(8, 12))),
}


@pytest.mark.parametrize(("damage", "bad"), DAMAGES.values(), ids=DAMAGES)
def test_part(subject: Subject, reader: Stream, damage: Damage, bad: set[int]) -> None:
    damage(subject.file)
    go_on(subject, reader)
    assert subject.chunks_sent() == bad
    assert subject.bytes_sent() == len(bad) * MIB
    subject.until_hit()


@pytest.mark.parametrize(
    "damage",
    [truncate(0), zero(0, OBJECT_MIB * MIB), replace_by_other, replace_by_directory, Path.unlink],
    ids=["emptied", "zeroed", "other", "directory", "gone"],
)
def test_whole(subject: Subject, reader: Stream, damage: Damage) -> None:
    damage(subject.file)
    go_on(subject, reader)
    assert subject.bytes_sent() <= subject.length - READ
    subject.until_hit()


def test_read_errors_begin(subject: Subject, reader: Stream, rig: Rig) -> None:
    with rig.disk.failing(errno.EIO, CACHE_FILES, "read"):
        go_on(subject, reader)
    assert subject.bytes_sent() <= subject.length - READ
    subject.until_hit()


def test_damaged_again_and_again(subject: Subject, reader: Stream) -> None:
    position = READ
    for _ in range(OBJECT_MIB - 1):
        zero(0, subject.length)(subject.file)
        same_stream(subject.content, position, position + MIB, reader)
        position += MIB
    assert reader.answer.complete
    subject.until_hit()


def test_by_one_long_write(rig: Rig) -> None:
    """The kernel moves mtime when a write(2) begins, and bytes for as long as it lasts: here, a tenth of a second."""
    subject = rig.put(LARGE_MIB)
    last = subject.length - MIB
    subject.read(last)
    subject.wait_recorded({LARGE_MIB - 1})
    with subprocess.Popen([sys.executable, "-c", ONE_WRITE, str(subject.file)]) as writer:
        while writer.poll() is None:
            subject.read(last)
    assert writer.returncode == 0
    subject.read(last)
    assert rig.metric("damaged_chunks_total") >= 1


def test_damaged_during_the_first_download(rig: Rig) -> None:
    subject = rig.put(OBJECT_MIB)
    rig.origin.throttle(subject.name, 24 * MIB)
    with subject.stream() as first:
        same_stream(subject.content, 0, READ, first)
        subject.wait_recorded({0})
        zero(0, READ)(subject.file)
        with subject.stream() as second:
            same_stream(subject.content, 0, subject.length, second)
            assert second.answer.complete
        same_stream(subject.content, READ, subject.length, first)
        assert first.answer.complete
    assert subject.bytes_sent() <= subject.length + READ
    subject.until_hit()
