"""A disk with a deadline, left alone for a while once it missed one."""

from __future__ import annotations

from threading import Event, current_thread

import pytest

from proxycache.store.disk import GIVEN_UP_SECONDS, STOP_SECONDS, TIMEOUT_SECONDS, Disk

from .asynchronous import asynchronous, everything_before, until
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


@asynchronous
async def test_a_disk_that_hangs_is_given_up(disk: Disk, clock: ThreadedClock, stuck: Event) -> None:
    hanging = disk.run(stuck.wait, "reading")
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
    stuck.set()
    await until(lambda: not disk.hangs)
    await disk.run(lambda: tried.append(1), "writing")
    assert tried == [1]


@asynchronous
async def test_after_a_while_it_is_tried_again(disk: Disk, clock: ThreadedClock, stuck: Event) -> None:
    hanging = disk.run(stuck.wait, "reading")
    clock.advance(TIMEOUT_SECONDS)
    with pytest.raises(TimeoutError):
        await hanging
    clock.advance(GIVEN_UP_SECONDS)
    assert not disk.hangs
    again = disk.run(lambda: 42, "reading")
    assert not again.called
    stuck.set()
    assert await again == 42


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
async def test_stopping_does_not_wait_for_a_disk_that_hangs(disk: Disk, clock: ThreadedClock, stuck: Event) -> None:
    hanging = disk.run(stuck.wait, "reading")
    clock.advance(TIMEOUT_SECONDS)
    with pytest.raises(TimeoutError):
        await hanging
    assert disk.stop().called
    stuck.set()
    await until(lambda: not disk.hangs)
    await everything_before(disk)
