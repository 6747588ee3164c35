"""Another program holds the database: what is in memory is served, the rest goes straight to the origin."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.faults.conftest import MakeRig
from tests.faults.damage import flip_bit
from tests.faults.rig import MIB, UNAVAILABLE, Rig, Subject, cache_status
from tests.servers.deadline import until
from tests.servers.fetch import Stream, fetch, same_stream
from tests.servers.origin import Fault

COLLAPSED = "proxycache; fwd=bypass; collapsed; detail=database-unavailable"

QUICK_SECONDS = 12.0
"""The database is given one second, once; were it waited for each time, it would be twenty."""
AGAIN = 20


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
        for _ in range(AGAIN):
            assert cache_status(crowd[0].read(MIB + 1, MIB + 1000)) == UNAVAILABLE
        assert time.monotonic() - began < QUICK_SECONDS
        assert grown("database_failures_total") >= 1
        assert grown('passthroughs_total{cause="database-unavailable"}') == len(crowd) + 1 + AGAIN
        assert rig.ready() == (False, "database")
        known.read_as_hit()
    for subject in crowd:
        subject.until_hit()
    assert forgotten.bytes_sent() == forgotten.length
    forgotten.read_as_hit()
    until(lambda: rig.ready() == (True, ""), "readiness")


def forget(rig: Rig, known: Subject) -> Subject:
    """Start anew, so that nothing is in memory but C{known}; an object that is in the database is given back."""
    forgotten = rig.put_cached(2)
    rig.proxy.restart()
    known.read_as_hit()
    return forgotten


def ask_all(rig: Rig, subject: Subject, starts: Sequence[int]) -> list[Stream]:
    """Requests from some byte on that the product has read; nobody waits for an answer."""
    asking = [
        Stream(subject.url, [("Range", f"bytes={start}-"), ("Connection", "close")], ask_only=True) for start in starts
    ]
    fetch(rig.proxy.url, method="OPTIONS")
    return asking


def test_what_is_not_known_is_fetched_once_for_all_who_ask(rig: Rig) -> None:
    known, forgotten, new = rig.put_cached(2), rig.put_cached(2), rig.put(2)
    unknown = forget(rig, known)
    grown = rig.meter()
    starts = (0, 0, 5, 1000)
    with rig.index.locked_in_use():
        assert cache_status(unknown.read()) == UNAVAILABLE
        for subject in (forgotten, new):
            with rig.origin.gate(subject.name) as gate:
                asking = ask_all(rig, subject, starts)
                gate.wait_held(1)
            for stream, start in zip(asking, starts, strict=True):
                with stream:
                    stream.read_head()
                    assert stream.answer.cache_status in (UNAVAILABLE, COLLAPSED)
                    same_stream(subject.content, start, subject.length, stream)
            assert len(rig.origin.requests(subject.name)) == 1
        assert grown('passthroughs_total{cause="database-unavailable"}') == 1 + 2 * 4
    until(lambda: rig.ready() == (True, ""), "the database to be back")
    # What was recorded is as it was.
    forgotten.read_as_hit()
    new.until_hit()


def test_what_is_on_its_way_to_one_is_read_by_who_comes_later(rig: Rig) -> None:
    new = rig.put(4)
    unknown = forget(rig, rig.put_cached(2))
    rig.origin.release.clear()
    rig.origin.fault(new.name, Fault(stall_after=MIB))
    with rig.index.locked_in_use():
        assert cache_status(unknown.read()) == UNAVAILABLE
        streams = [new.stream() for _ in range(5)]
        assert [stream.answer.cache_status for stream in streams] == [UNAVAILABLE, *[COLLAPSED] * 4]
        rig.origin.release.set()
        with ThreadPoolExecutor(len(streams)) as pool:
            assert all(pool.map(lambda stream: stream.rest() == new.content.read(0, new.length), streams))
    assert len(rig.origin.requests(new.name)) == 1
    for stream in streams:
        stream.close()


def test_what_only_the_cache_may_answer(rig: Rig) -> None:
    known = rig.put_cached(2)
    forget(rig, rig.put_cached(2))
    with rig.index.locked_in_use():
        assert known.get([("Cache-Control", "only-if-cached")]).status == 504
    assert rig.origin.requests(known.name) == []
    known.until_hit()


def test_for_writers(rig: Rig) -> None:
    known, changing = rig.put_cached(2), rig.put_cached(4)
    new = rig.put(10)
    (old,) = rig.index.ids(changing.source_url)
    with rig.index.locked_for_writers():
        known.read_as_hit()
        new.read()
        until(lambda: rig.ready() == (False, "database"), "the lock to be noticed")
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
    until(lambda: bool(rig.index.ids(changed.source_url) - {old}), "the new version to be recorded")
    changed.wait_recorded()
    rig.proxy.kill()
    rig.proxy.start()
    rig.origin.clear_log()
    for subject in (known, new, changed):
        subject.read_as_hit()


RECORDS = 1 << 14
"""What the records of two objects of eight chunks count for, at most."""


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
    until(lambda: 8 * MIB < rig.metric("cached_bytes") < 8 * MIB + RECORDS, "all cached bytes to be counted")
    known.until_hit()
    another.until_hit()
    until(lambda: rig.blocks_on_disk() <= 12 * MIB + rig.files_overhead(), "the limit to be kept")
