"""The cache keeps to its limit, whatever is read by how many, and nobody notices."""

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.conftest import MakeRig
from tests.faults.crowd import read_at, together
from tests.faults.killing import kill_during
from tests.faults.rig import MIB, Config, Rig, Subject
from tests.servers.deadline import until

LIMIT = 8 * MIB
SIZE_MIB = 20


@pytest.fixture(scope="module")
def config() -> Config:
    """Little room."""
    return {"cache": {"max_size": "8MiB"}}


@contextlib.contextmanager
def watching(rig: Rig) -> Iterator[None]:
    """Look all the time at how much is cached, by the metric and on the disk."""
    metric, blocks, over = [0.0], [0], threading.Event()

    def watch() -> None:
        while not over.is_set():
            metric.append(rig.metric("cached_bytes"))
            blocks.append(rig.blocks_on_disk())

    with ThreadPoolExecutor(1) as pool:
        watcher = pool.submit(watch)
        try:
            yield
        finally:
            over.set()
        watcher.result()
    assert max(metric) <= LIMIT, f"{max(metric) / MIB} MiB by the metric"
    assert max(metric) > LIMIT / 2, "nothing much was cached"
    assert max(blocks) <= LIMIT + rig.files_overhead(), f"{max(blocks) / MIB} MiB on disk"


def test_three_times_too_much(rig: Rig) -> None:
    subjects = [rig.put(SIZE_MIB) for _ in range(3)]
    with watching(rig), ThreadPoolExecutor(6) as pool:
        for _ in range(2):
            for running in [pool.submit(subject.read) for subject in subjects * 2]:
                running.result()
    assert rig.metric("evicted_chunks_total") > 0
    assert rig.metric("damaged_chunks_total") == 0


def test_clients_that_seek(rig: Rig) -> None:
    subjects = [rig.put(SIZE_MIB) for _ in range(3)]

    def seek(subject: Subject, offset: int) -> None:
        for position in range(offset, 20 * MIB - 1_000_000, 3_141_592):
            subject.read(position, position + 1_000_000)

    with watching(rig), ThreadPoolExecutor(6) as pool:
        for running in [pool.submit(seek, each, at) for at in (0, 777_777) for each in subjects]:
            running.result()


def test_never_under_a_reader(rig: Rig) -> None:
    """A slow reader of what is cached, while others read more than there is room for."""
    slow = rig.put_cached(6)
    others = [rig.put(SIZE_MIB) for _ in range(2)]

    def read_others() -> None:
        for other in others:
            other.read()

    together(slow, [read_at(4 * MIB)] * 2, read_others)
    # It was not in use all at the same time, but nothing of it was fetched for both.
    assert slow.bytes_sent() <= slow.length


def test_an_object_larger_than_the_cache(rig: Rig) -> None:
    subject = rig.put(SIZE_MIB)
    with watching(rig):
        together(subject, [Subject.read] * 4)
        subject.read()
    subject.read(17 * MIB, 19 * MIB)


def test_the_limit_is_lowered(make_rig: MakeRig) -> None:
    rig = make_rig({"cache": {"max_size": "24MiB"}})
    rig.proxy.start()
    subjects = [rig.put_cached(7) for _ in range(3)]
    rig.proxy.stop()
    rig.proxy.args = ["--max-size", "8MiB"]
    rig.proxy.start()
    subjects[2].read_as_hit()
    for subject in subjects:
        subject.read()
    with watching(rig):
        for subject in subjects:
            subject.read()


def test_no_room_at_all(make_rig: MakeRig) -> None:
    rig = make_rig({"cache": {"min_free": "1000TiB"}})
    rig.proxy.start()
    subject = rig.put(SIZE_MIB)
    rig.origin.throttle(subject.name, 40 * MIB)
    together(subject, [Subject.read] * 4)
    assert subject.bytes_sent() <= subject.length + MIB // 2
    assert rig.metric("cached_bytes") == 0
    assert rig.metric("cache_limit_bytes") == 0
    assert rig.blocks_on_disk() == 0
    for start, stop in ((0, 5 * MIB), (7 * MIB + 3, 9 * MIB + 1), (MIB, MIB + 1)):
        subject.read(start, stop)
    assert rig.blocks_on_disk() == 0


def test_room_for_one_chunk(make_rig: MakeRig) -> None:
    rig = make_rig({"cache": {"max_size": "1MiB"}})
    rig.proxy.start()
    subject = rig.put(SIZE_MIB)
    together(subject, [Subject.read] * 4)
    assert rig.blocks_on_disk() <= MIB + rig.files_overhead()


def test_chunks_of_another_size(make_rig: MakeRig) -> None:
    """What was cached in chunks of one size goes when room is needed for chunks of another."""
    rig = make_rig({"cache": {"max_size": "8MiB"}})
    rig.proxy.start()
    old, new = rig.put_cached(5), rig.put(SIZE_MIB)
    rig.proxy.stop()
    rig.proxy.args = ["--chunk-size", "2MiB"]
    rig.proxy.start()
    old.read_as_hit()
    rig.proxy.restart()
    with watching(rig):
        new.read()
        old.read()
        new.read()
    assert rig.metric("damaged_chunks_total") == 0


def fits(rig: Rig) -> bool:
    """Whether no more lies on the disk than may."""
    return rig.blocks_on_disk() <= LIMIT + rig.files_overhead()


def test_killed_while_evicting(rig: Rig) -> None:
    """What the database still knows may be a hole by then."""
    subjects = [rig.put(SIZE_MIB) for _ in range(3)]
    for subject in subjects:
        kill_during(subject, SIZE_MIB * MIB // 2)
        rig.proxy.start()
        until(lambda: fits(rig), "what was written and not recorded to be given back")
        with watching(rig):
            subject.read()
            subject.read(3 * MIB, 18 * MIB)
    for subject in subjects:
        subject.read()


@pytest.fixture
def memory_disk() -> Iterator[Path]:
    """A directory on a file system that hardly anybody else writes to."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        yield Path(directory)


def test_others_fill_the_disk(memory_disk: Path, make_rig: MakeRig) -> None:
    room, slack = 12 * MIB, 2 * MIB
    min_free = free_bytes(memory_disk) - room
    rig = make_rig(
        {
            "cache": {
                "directory": str(memory_disk),
                "database": f"sqlite:///{memory_disk}/index.sqlite",
                "min_free": min_free,
            }
        }
    )
    rig.proxy.start()
    for _ in range(3):
        rig.put(8).read()
        assert free_bytes(memory_disk) >= min_free - slack
    assert rig.metric("cached_bytes") > room / 2
    with (memory_disk / "somebody's").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 8 * MIB)
        # It is noticed while something is written, at most once a second.
        until(lambda: bool(rig.put(2).read()) and free_bytes(memory_disk) >= min_free - slack, "room again")
        assert rig.metric("cached_bytes") > 0


def free_bytes(directory: Path) -> int:
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize
