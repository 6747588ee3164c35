"""A disk that is slower than the origin: clients go on at the origin's pace, and what it has no time for is not stored."""

import time

from tests.faults.crowd import together
from tests.faults.rig import HIT, MIB, Rig, Subject, cache_status

CACHE_FILES = "*/cache/??/*"
WRITE_SECONDS = 2.0
LENGTH_MIB = 24
ALL_WRITTEN_SECONDS = 40.0
"""Less than all of it takes to be written, but for four chunks on their way."""


def test_clients_go_on(rig: Rig) -> None:
    subject, grown = rig.put(LENGTH_MIB), rig.meter()
    with rig.disk.slow(WRITE_SECONDS, CACHE_FILES, "write"):
        began = time.monotonic()
        together(subject, [Subject.read] * 4)
        assert time.monotonic() - began < ALL_WRITTEN_SECONDS / 2
        assert subject.bytes_sent() <= subject.length + MIB // 2
        assert LENGTH_MIB / 2 < grown("unstored_chunks_total") < LENGTH_MIB
        assert "the disk is slow" in rig.proxy.log()
    subject.until_hit()
    assert cache_status(subject.read()) == HIT


def test_it_is_not_slow_for_ever(rig: Rig) -> None:
    slow, later, grown = rig.put(LENGTH_MIB), rig.put(LENGTH_MIB), rig.meter()
    with rig.disk.slow(WRITE_SECONDS, CACHE_FILES, "write"):
        slow.read()
    unstored = grown("unstored_chunks_total")
    later.read()
    later.wait_recorded()
    later.read_as_hit()
    assert grown("unstored_chunks_total") == unstored
