"""Another program holds the database: what is in memory is served, the rest goes straight to the origin."""

import time
from concurrent.futures import ThreadPoolExecutor

from tests.faults.conftest import MakeRig
from tests.faults.damage import flip_bit
from tests.faults.rig import MIB, UNAVAILABLE, Rig, cache_status
from tests.servers.deadline import until

QUICK_SECONDS = 3.0
"""The database is given one second; what comes after it is to be quick."""


def test_for_readers_too(rig: Rig) -> None:
    known, forgotten = rig.put_cached(2), rig.put_cached(2)
    crowd = [rig.put(2) for _ in range(10)]
    rig.proxy.restart()
    known.read_as_hit()
    grown = rig.meter()
    with rig.index.locked_in_use(), ThreadPoolExecutor(len(crowd)) as pool:
        known.read_as_hit()
        began = time.monotonic()
        for answer in pool.map(lambda subject: subject.read(), crowd):
            assert cache_status(answer) == UNAVAILABLE
        assert cache_status(forgotten.read()) == UNAVAILABLE
        assert cache_status(crowd[0].read(MIB + 1, MIB + 1000)) == UNAVAILABLE
        assert time.monotonic() - began < QUICK_SECONDS
        assert grown("database_failures_total") >= 1
        assert grown('passthroughs_total{cause="database-unavailable"}') == len(crowd) + 2
        assert rig.ready() == (False, "database")
        known.read_as_hit()
    for subject in crowd:
        subject.until_hit()
    assert forgotten.bytes_sent() == forgotten.length
    forgotten.read_as_hit()
    until(lambda: rig.ready() == (True, ""), 5, "readiness")


def test_for_writers(rig: Rig) -> None:
    known, changing = rig.put_cached(2), rig.put_cached(4)
    new = rig.put(10)
    with rig.index.locked_for_writers():
        known.read_as_hit()
        new.read()
        until(lambda: rig.ready() == (False, "database"), 5, "the lock to be noticed")
        new.until_hit()
        assert new.recorded() == set()
        # What is out of date cannot be forgotten now; nobody is served of it all the same.
        flip_bit(3 * MIB)(changing.file)
        changed = changing.change()
        assert not changing.get().complete
        changed.read()
        changed.until_hit()
        known.read_as_hit()
    new.wait_recorded()
    rig.proxy.kill()
    rig.proxy.start()
    rig.origin.clear_log()
    for subject in (known, new, changed):
        subject.read_as_hit()


def test_since_before_the_start(make_rig: MakeRig) -> None:
    rig = make_rig({"cache": {"max_size": "12MiB"}})
    rig.proxy.start()
    known = rig.put_cached(5)
    new, another = rig.put(3), rig.put(6)
    rig.proxy.stop()
    with rig.index.locked_for_all():
        rig.proxy.start()
        assert cache_status(known.read()) == UNAVAILABLE
        assert cache_status(new.read()) == UNAVAILABLE
    new.until_hit()
    # What was cached before counts as well, now that it is known again.
    until(lambda: rig.metric("cached_bytes") == 8 * MIB, 5, "all cached bytes to be counted")
    known.until_hit()
    another.until_hit()
    until(lambda: rig.blocks_on_disk() <= 12 * MIB + rig.files_overhead(), 5, "the limit to be kept")
