"""Damage done to a cache file while a client reads it."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.damage import Damage, flip_bit, replace_by_directory, replace_by_other, truncate, zero
from tests.faults.rig import MIB, Rig, Subject
from tests.faults.slowwrite import writing_slowly
from tests.faults.test_damaged_files import CACHE_FILES
from tests.servers.deadline import until
from tests.servers.fetch import Stream, same_stream

OBJECT_MIB = 12
READS = 50
READ = MIB
FAR = 8 * MIB
"""Farther than what the sockets between hold."""


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


def test_by_one_long_write(subject: Subject) -> None:
    """Bytes go on changing long after the file's times have."""
    before = subject.file.stat().st_mtime_ns
    with writing_slowly(subject.file) as writer:
        until(lambda: subject.file.stat().st_mtime_ns != before, 20, "the write to begin")
        reads = 0
        while writer.poll() is None and reads < READS:
            subject.read()
            reads += 1
    subject.read()
    subject.until_hit()


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
