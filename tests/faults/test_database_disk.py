"""The disk beneath the database is full, fails or hangs."""

import errno
import time

from tests.faults.rig import Rig
from tests.servers.deadline import until

DATABASE = "*/index.sqlite*"
CACHE = "*/cache*"
"""The directory and all in it."""
QUICK_SECONDS = 12.0
"""Were the database waited for each time, it would be twenty."""


def test_no_more_writes(rig: Rig) -> None:
    known, forgotten, new = rig.put_cached(2), rig.put_cached(2), rig.put(2)
    rig.proxy.restart()
    known.read_as_hit()
    # One after the other, without an hour of peace between them.
    with rig.disk.failing(errno.ENOSPC, DATABASE, "write", "truncate"):
        new.read()
        until(lambda: rig.ready() == (False, "database"), "it to be noticed")
        for number in (errno.ENOSPC, errno.EIO, errno.EROFS):
            with rig.disk.failing(number, DATABASE, "write", "truncate"):
                for subject in (known, forgotten):
                    subject.read_as_hit()
                new.until_hit()
    new.wait_recorded()
    rig.origin.clear_log()
    rig.proxy.kill()
    rig.proxy.start()
    for subject in (known, forgotten, new):
        subject.read_as_hit()


def test_no_more_reads(rig: Rig) -> None:
    known, forgotten, new = rig.put_cached(2), rig.put_cached(2), rig.put(2)
    aside = rig.index.set_aside()
    rig.proxy.restart()
    known.read_as_hit()
    with rig.disk.failing(errno.EIO, DATABASE, "read", "write"):
        known.read_as_hit()
        forgotten.read()
        new.read()
    for subject in (forgotten, new):
        subject.until_hit()
    assert rig.index.set_aside() == aside


def test_nothing_at_the_start(rig: Rig) -> None:
    known = rig.put_cached(2)
    rig.proxy.stop()
    with rig.disk.failing(errno.EROFS, CACHE, "open", "write", "truncate"):
        rig.proxy.start()
        assert rig.ready() == (False, "database,disk")
        subject = rig.put(2)
        for each in (subject, known, subject):
            each.read()
    subject.until_hit()
    subject.wait_recorded()
    rig.origin.clear_log()
    known.read_as_hit()


def test_only_readable_at_the_start(rig: Rig) -> None:
    """After a crash SQLite can open it where nothing may be written; it takes records once it may be."""
    known = rig.put_cached(2)
    rig.proxy.kill()
    with rig.disk.failing(errno.EROFS, CACHE, "open", "write", "truncate"):
        rig.proxy.start()
        assert rig.ready() == (False, "database,disk")
        subject = rig.put(2)
        for each in (subject, known, subject):
            each.read()
    subject.until_hit()
    subject.wait_recorded()
    until(lambda: rig.ready() == (True, ""), "it to be ready")
    rig.origin.clear_log()
    known.read_as_hit()


def test_hangs(rig: Rig) -> None:
    known, forgotten, new = rig.put_cached(2), rig.put_cached(2), rig.put(2)
    rig.proxy.restart()
    known.read_as_hit()
    with rig.disk.hanging(DATABASE, "read", "write", "open"):
        began = time.monotonic()
        known.read_as_hit()
        for subject in (forgotten, new):
            for _ in range(10):
                subject.read()
        assert time.monotonic() - began < QUICK_SECONDS
    for subject in (forgotten, new):
        subject.until_hit()
    new.wait_recorded()
