"""Makes the garbage collection after each test cheap; threads for the disk."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from threading import Event

import pytest

from proxycache.store.disk import Disk

from .asynchronous import wait_until
from .threadedclock import ThreadedClock


@pytest.fixture(autouse=True, scope="session")
def frozen_modules() -> Iterator[None]:
    """Keep what the imports made out of the collector's sight: it need not be looked through again."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def clock() -> ThreadedClock:
    """A clock that only the test moves."""
    return ThreadedClock()


@pytest.fixture
def disk(clock: ThreadedClock) -> Iterator[Disk]:
    """A disk of one thread: what was handed to it first is done first."""
    started = Disk(clock, threads=1)
    started.start()
    yield started
    stopped = started.stop()
    wait_until(lambda: stopped.called and not clock.getDelayedCalls())


@pytest.fixture
def stuck(disk: Disk) -> Iterator[Event]:
    """What a thread of the disk waits for; it is let go at the end at the latest."""
    event = Event()
    yield event
    event.set()
