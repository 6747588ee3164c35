"""Every test leaves the process as it found it: pytest-twisted notices nothing of what this fixture looks for."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet import reactor as installed
from twisted.logger import LogLevel, globalLogPublisher

reactor: Any = installed

QUIET_SECONDS = 5.0
"""How long a thread or a socket that is on its way out may take."""


def _selectables() -> set[object]:
    """Sockets and listeners of the reactor, less those it wakes itself with."""
    found = (*reactor.getReaders(), *reactor.getWriters())
    return {selectable for selectable in found if "_signals" not in type(selectable).__module__}


def _threads() -> set[threading.Thread]:
    """Threads, less the reactor's own and those of test origins, whose C{stop} joins them."""
    pool = set(reactor.threadpool.threads) if reactor.threadpool is not None else set()
    return {thread for thread in threading.enumerate() if thread not in pool and not thread.name.startswith("origin ")}


def _settle(leftovers: Any) -> set[Any]:
    """Let the reactor turn until nothing is left over, or the time is up."""
    deadline = reactor.seconds() + QUIET_SECONDS
    found: set[Any] = leftovers()
    while found and reactor.seconds() < deadline:
        reactor.iterate(0.01) if not reactor.running else _turn()
        found = leftovers()
    return found


def _turn() -> None:
    import pytest_twisted
    from twisted.internet.task import deferLater

    pytest_twisted.blockon(deferLater(reactor, 0.01))


@pytest.fixture(autouse=True)
def clean_process() -> Iterator[None]:
    """Fail a test that leaves delayed calls, sockets, threads, unhandled failures or logged errors behind."""
    errors: list[str] = []

    def observe(event: Any) -> None:
        if event.get("log_level") in (LogLevel.error, LogLevel.critical) or event.get("isError"):
            errors.append(str(event.get("log_failure") or event.get("log_format") or event))

    sockets, threads = _selectables(), _threads()
    calls = set(reactor.getDelayedCalls())
    globalLogPublisher.addObserver(observe)
    try:
        yield
        left_sockets = _settle(lambda: _selectables() - sockets)
        left_threads = _settle(lambda: _threads() - threads)
        left_calls = {call for call in reactor.getDelayedCalls() if call not in calls}
        gc.collect()
    finally:
        globalLogPublisher.removeObserver(observe)
    assert not left_sockets, f"sockets left open: {left_sockets}"
    assert not left_threads, f"threads left running: {left_threads}"
    assert not left_calls, f"delayed calls left: {left_calls}"
    assert not errors, f"errors were logged: {errors}"
