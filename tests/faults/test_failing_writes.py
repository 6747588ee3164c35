"""The disk takes no more in the middle of a download: every client goes on, and they still share one fetch."""

import contextlib
import errno
import shutil

import pytest

from tests.faults.crowd import Client, read_at, together
from tests.faults.rig import MIB, Rig, Subject
from tests.servers.deadline import until

CACHE_FILES = "*/cache/??/*"
OBJECT_MIB = 20
RATE = 25 * MIB
"""Of the origin, in bytes a second."""
LITTLE = MIB // 2
"""What may be sent twice where clients go at the same speed: bytes that were on their way."""
CLIENTS = 5


@pytest.fixture
def subject(rig: Rig) -> Subject:
    """A cold object that takes a second."""
    subject = rig.put(OBJECT_MIB)
    rig.origin.throttle(subject.name, RATE)
    return subject


def begin(subject: Subject, stack: contextlib.ExitStack, fault: contextlib.AbstractContextManager[None]) -> None:
    """Let a fault begin in mid-download."""
    wait_begun(subject)
    stack.enter_context(fault)


def wait_begun(subject: Subject) -> None:
    """A quarter of it has come, and a part of that is on the disk."""
    subject.rig.origin.wait_for(lambda log: sum(served.sent for served in log) > OBJECT_MIB * MIB // 4)


def stored_again(rig: Rig) -> None:
    """Once the fault is gone, what is new is stored, whoever asks."""
    new = rig.put(3)
    new.read()
    new.until_hit()
    new.wait_recorded()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS], ids=errno.errorcode.get)
def test_in_mid_download(subject: Subject, number: int) -> None:
    rig = subject.rig
    grown = rig.meter()
    with contextlib.ExitStack() as stack:
        failing = rig.disk.failing(number, CACHE_FILES, "write")
        together(subject, [Subject.read] * CLIENTS, lambda: begin(subject, stack, failing))
    assert subject.bytes_sent() <= subject.length + LITTLE
    assert grown("write_failures_total") >= 1
    stored_again(rig)
    rig.origin.throttle(subject.name, None)
    subject.until_hit()


@pytest.mark.parametrize("op", ["open", "truncate"])
def test_from_the_start(subject: Subject, op: str) -> None:
    with subject.rig.disk.failing(errno.EACCES, CACHE_FILES, op):
        together(subject, [Subject.read] * CLIENTS)
    assert subject.bytes_sent() <= subject.length + LITTLE
    stored_again(subject.rig)


def test_one_is_slower(subject: Subject) -> None:
    """Four share one fetch. The slow one may need one of its own for what it did not take while it was there."""
    rig = subject.rig
    clients: list[Client] = [Subject.read] * (CLIENTS - 1)
    with contextlib.ExitStack() as stack:
        failing = rig.disk.failing(errno.ENOSPC, CACHE_FILES, "write")
        together(subject, [*clients, read_at(RATE / 3)], lambda: begin(subject, stack, failing))
    assert subject.bytes_sent() <= 2 * subject.length
    stored_again(rig)


def test_the_directory_becomes_a_file(rig: Rig) -> None:
    subject = rig.put(OBJECT_MIB)
    rig.origin.throttle(subject.name, RATE)

    def replace() -> None:
        wait_begun(subject)
        shutil.rmtree(rig.proxy.cache_dir)
        rig.proxy.cache_dir.write_bytes(b"")

    together(subject, [Subject.read] * CLIENTS, replace)
    # Who had not read what was on the disk needs it again.
    assert subject.bytes_sent() <= subject.length + OBJECT_MIB // 2 * MIB
    other = rig.put(3)
    other.read()
    assert rig.ready() == (False, "database,disk")
    rig.proxy.cache_dir.unlink()
    for each in (other, subject):
        each.until_hit()
        each.wait_recorded()
    rig.proxy.stop()
    shutil.rmtree(rig.proxy.cache_dir)
    rig.proxy.cache_dir.write_bytes(b"")
    # While it runs that may pass; whoever starts it is there to put it right.
    process = rig.proxy.launch()
    until(lambda: process.poll() is not None, "the start to be refused")
    assert "Not a directory" in rig.proxy.log().splitlines()[-1]
    rig.proxy.kill()
    rig.proxy.cache_dir.unlink()
    rig.proxy.start()
    other.until_hit()
