"""A disk that is behind: for how long the origin is held up by it, on a test's clock."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from proxycache.fill.pace import HOLD_FRACTION, HOLD_SECONDS, MAX_WRITING, Pace


class Disk:
    """Chunks on their way to it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.told: list[float] = []
        self.pace = Pace(self.clock, lambda: self.told.append(self.clock.seconds()))


@pytest.fixture
def disk() -> Disk:
    """One with nothing to do."""
    return Disk()


def test_a_few_hold_up_nobody(disk: Disk) -> None:
    for count in range(MAX_WRITING):
        disk.pace.writing(count)
        assert not disk.pace.holds
    disk.clock.advance(100)
    assert disk.told == []


def test_a_moment_is_waited_for(disk: Disk) -> None:
    disk.pace.writing(MAX_WRITING)
    assert disk.pace.holds
    disk.clock.advance(HOLD_SECONDS / 2)
    disk.pace.writing(MAX_WRITING - 1)
    assert (disk.pace.holds, disk.pace.slow) == (False, False)
    assert disk.clock.getDelayedCalls() == []


def test_not_for_long(disk: Disk) -> None:
    disk.pace.writing(MAX_WRITING)
    disk.clock.advance(HOLD_SECONDS)
    assert (disk.pace.holds, disk.pace.slow, disk.told) == (False, True, [HOLD_SECONDS])
    disk.pace.writing(MAX_WRITING)
    assert not disk.pace.holds


def test_nor_again_and_again(disk: Disk) -> None:
    """What is waited for bit by bit counts together, but for a part of the time."""
    held = 0.0
    while not disk.pace.slow:
        disk.pace.writing(MAX_WRITING)
        disk.clock.advance(0.25)
        held += 0.25
        disk.pace.writing(MAX_WRITING - 1)
    assert HOLD_SECONDS <= held <= HOLD_SECONDS / (1 - HOLD_FRACTION) + 0.25


def test_until_it_has_caught_up(disk: Disk) -> None:
    disk.pace.writing(MAX_WRITING)
    disk.clock.advance(HOLD_SECONDS)
    for count in range(MAX_WRITING - 1, 0, -1):
        disk.pace.writing(count)
        assert disk.pace.slow
    disk.pace.writing(0)
    assert not disk.pace.slow
    disk.pace.writing(MAX_WRITING)
    assert disk.pace.holds
