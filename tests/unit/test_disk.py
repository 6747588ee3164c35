"""A disk with a deadline, left alone for a while once it missed one."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event, current_thread

import pytest
from twisted.internet.defer import CancelledError

from proxycache.store.disk import GIVEN_UP_SECONDS, STOP_SECONDS, TIMEOUT_SECONDS, Disk

from .asynchronous import asynchronous, until
from .threadedclock import ThreadedClock


@asynchronous
async def test_work_is_done_in_a_thread_of_its_own(disk: Disk) -> None:
    thread = await disk.run(current_thread, "looking")
    assert thread is not current_thread()
    assert thread.daemon


@asynchronous
async def test_what_is_raised_is_the_answer(disk: Disk) -> None:
    def fails() -> None:
        raise PermissionError("x")

    with pytest.raises(PermissionError):
        await disk.run(fails, "looking")
    assert not disk.hangs


class Work:
    """What is at work until it is let go; then how often it was is noted."""

    def __init__(self) -> None:
        self.begun = Event()
        self.let_go = Event()
        self.done = 0

    def __call__(self) -> int:
        self.begun.set()
        self.let_go.wait()
        self.done += 1
        return self.done


@pytest.fixture
def works(disk: Disk) -> Iterator[list[Work]]:
    """Five of them, let go at the end at the latest."""
    made = [Work() for _ in range(5)]
    yield made
    for work in made:
        work.let_go.set()


@asynchronous
async def test_a_disk_that_hangs_is_given_up(disk: Disk, clock: ThreadedClock, works: list[Work]) -> None:
    hanging = disk.run(works[0], "reading")
    await until(works[0].begun.is_set)
    clock.advance(TIMEOUT_SECONDS - 0.01)
    assert not disk.hangs
    clock.advance(0.01)
    with pytest.raises(TimeoutError, match="reading took more than 5 s"):
        await hanging
    assert disk.hangs
    tried: list[int] = []
    with pytest.raises(TimeoutError, match="writing"):
        await disk.run(lambda: tried.append(1), "writing")
    assert tried == []
    works[0].let_go.set()
    await until(lambda: not disk.hangs)
    await disk.run(lambda: tried.append(1), "writing")
    assert tried == [1]


@asynchronous
async def test_a_slow_disk_with_a_queue_is_not_given_up(disk: Disk, clock: ThreadedClock, works: list[Work]) -> None:
    """It works, three seconds on each; who waits for more than five goes without, and is not worked for either."""
    first, second, third, fourth = (disk.run(work, "reading") for work in works[:4])
    for number, pending in enumerate((first, second)):
        await until(works[number].begun.is_set)
        clock.advance(3.0)
        works[number].let_go.set()
        if number == 0:
            assert await pending == 1
    for late in (second, third, fourth):
        with pytest.raises(TimeoutError):
            await late
    assert not disk.hangs
    works[4].let_go.set()
    assert await disk.run(works[4], "reading") == 1
    clock.advance(10 * TIMEOUT_SECONDS)
    assert not disk.hangs
    assert [work.done for work in works] == [1, 1, 0, 0, 1]


@asynchronous
async def test_who_left_before_his_turn_is_not_worked_for(disk: Disk, works: list[Work]) -> None:
    first, second = (disk.run(work, "reading") for work in works[:2])
    second.addErrback(lambda failure: failure.trap(CancelledError))
    second.cancel()
    works[0].let_go.set()
    assert await first == 1
    await disk.settle()
    assert not works[1].begun.is_set()


@asynchronous
async def test_what_must_be_done_is_done_late(disk: Disk, clock: ThreadedClock, works: list[Work]) -> None:
    first = disk.run(works[0], "reading")
    must = disk.run(works[1], "removing", droppable=False)
    await until(works[0].begun.is_set)
    clock.advance(TIMEOUT_SECONDS)
    for late in (first, must):
        with pytest.raises(TimeoutError):
            await late
    works[0].let_go.set()
    await until(lambda: works[1].begun.is_set() and not disk.hangs)
    # It may hang as well.
    clock.advance(TIMEOUT_SECONDS)
    assert disk.hangs
    works[1].let_go.set()
    await until(lambda: works[1].done == 1 and not disk.hangs)


@asynchronous
async def test_who_waits_his_turn_at_a_disk_that_hangs_is_told(
    disk: Disk, clock: ThreadedClock, works: list[Work]
) -> None:
    first = disk.run(works[0], "reading")
    await until(works[0].begun.is_set)
    clock.advance(TIMEOUT_SECONDS - 0.01)
    second = disk.run(works[1], "reading")
    clock.advance(0.01)
    for pending in (first, second):
        with pytest.raises(TimeoutError):
            await pending
    works[0].let_go.set()
    await disk.settle()
    await until(lambda: not disk.hangs)
    assert not works[1].begun.is_set()


@asynchronous
async def test_after_a_while_it_is_tried_again(clock: ThreadedClock, works: list[Work]) -> None:
    disk = Disk(clock, threads=2)
    disk.start()
    hanging = disk.run(works[0], "reading")
    await until(works[0].begun.is_set)
    clock.advance(TIMEOUT_SECONDS)
    with pytest.raises(TimeoutError):
        await hanging
    clock.advance(GIVEN_UP_SECONDS)
    assert not disk.hangs
    assert await disk.run(lambda: 42, "reading") == 42
    # With its last thread it is lost.
    hanging = disk.run(works[1], "reading")
    await until(works[1].begun.is_set)
    clock.advance(TIMEOUT_SECONDS)
    with pytest.raises(TimeoutError):
        await hanging
    clock.advance(10 * GIVEN_UP_SECONDS)
    assert disk.hangs
    works[0].let_go.set()
    await until(lambda: not disk.hangs)
    assert await disk.run(lambda: 42, "reading") == 42
    works[1].let_go.set()
    await disk.stop()


@asynchronous
async def test_what_takes_long_is_in_nobodys_way(disk: Disk, clock: ThreadedClock, works: list[Work]) -> None:
    long = [disk.run_patiently(work, "listing") for work in works]
    clock.advance(10 * TIMEOUT_SECONDS)
    assert await disk.run(lambda: 42, "reading") == 42
    assert not disk.hangs
    for work in works:
        work.let_go.set()
    assert [await pending for pending in long] == [1] * len(works)


@asynchronous
async def test_work_in_time_is_not_heard_of_as_late(disk: Disk, clock: ThreadedClock) -> None:
    await disk.run(lambda: None, "reading")
    clock.advance(10 * TIMEOUT_SECONDS)
    assert not disk.hangs
    assert clock.getDelayedCalls() == []


@asynchronous
async def test_stopping_waits_for_what_is_under_way(clock: ThreadedClock, stuck: Event) -> None:
    disk = Disk(clock, threads=1)
    disk.start()
    done: list[int] = []

    def work() -> None:
        stuck.wait()
        done.append(1)

    pending = disk.run(work, "writing")
    stopped = disk.stop()
    assert not stopped.called
    stuck.set()
    await stopped
    assert done == [1]
    await pending


@asynchronous
async def test_stopping_does_not_wait_for_ever(disk: Disk, clock: ThreadedClock, stuck: Event) -> None:
    hanging = disk.run(stuck.wait, "reading")
    stopped = disk.stop()
    clock.advance(STOP_SECONDS)
    assert stopped.called
    stuck.set()
    await hanging


@asynchronous
async def test_stopping_does_not_wait_for_a_disk_that_hangs(
    disk: Disk, clock: ThreadedClock, works: list[Work]
) -> None:
    hanging = disk.run(works[0], "reading")
    await until(works[0].begun.is_set)
    clock.advance(TIMEOUT_SECONDS)
    with pytest.raises(TimeoutError):
        await hanging
    assert disk.stop().called
    works[0].let_go.set()
    await until(lambda: not disk.hangs)
    await disk.settle()
