"""A disk that is full before the limit is reached: what is oldest goes, as it would at the limit."""

import errno

import pytest

from tests.faults.conftest import MakeRig
from tests.faults.rig import MIB, Rig
from tests.servers.deadline import until

CACHE_FILES = "*/cache/??/*"


def read_more_than_fits(rig: Rig, size_mib: int, count: int) -> None:
    """One object after the other; each is stored whole, and the oldest of them is not any more."""
    subjects = [rig.put(size_mib) for _ in range(count)]
    for subject in subjects:
        subject.read()
        subject.wait_recorded()
        subject.read_as_hit()
    assert rig.metric("evicted_chunks_total") > 0
    assert subjects[0].recorded() != subjects[0].all_chunks
    for subject in subjects:
        subject.read()


def test_a_quota(make_rig: MakeRig) -> None:
    rig = make_rig({"fetch": {"linger": 0.1}})
    rig.proxy.start()
    with rig.disk.quota(12 * MIB, CACHE_FILES):
        read_more_than_fits(rig, 5, 6)
        assert rig.blocks_on_disk() <= 13 * MIB
    assert rig.metric("write_failures_total") == 0


def test_no_more_files(make_rig: MakeRig) -> None:
    """Holes make no room for another one."""
    rig = make_rig({"fetch": {"linger": 0.1}})
    rig.proxy.start()
    with rig.disk.few_files(4, CACHE_FILES):
        read_more_than_fits(rig, 2, 9)
    assert rig.metric("evicted_entries_total") > 0
    assert rig.metric("write_failures_total") == 0


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOSYS], ids=errno.errorcode.get)
def test_no_holes(make_rig: MakeRig, number: int) -> None:
    """As on many network file systems: entries go as a whole, and one line says so."""
    rig = make_rig({"cache": {"max_size": "12MiB"}, "fetch": {"linger": 0.1}})
    with rig.disk.failing(number, "*/cache/*", "punch"):
        rig.proxy.start()
        subjects = [rig.put(5) for _ in range(6)]
        for subject in subjects:
            subject.read()
            subject.wait_recorded()
            until(lambda: rig.blocks_on_disk() <= 12 * MIB + rig.files_overhead(), "room to be given back")
        for subject in subjects[:-1]:
            assert len(subject.recorded()) in (0, 5), "part of an entry went"
        subjects[-1].read_as_hit()
    assert rig.proxy.log().count("holes cannot be punched here") == 1
    assert rig.metric("evicted_entries_total") > 0
