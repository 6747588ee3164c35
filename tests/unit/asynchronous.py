"""Tests that wait for Deferreds."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec

import pytest_twisted
from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.servers.deadline import PATIENCE_SECONDS

P = ParamSpec("P")

reactor: Any = installed


def asynchronous(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, Any]:
    """Run a coroutine as a test, in the reactor that runs all of them."""

    @wraps(test)
    async def bounded(*args: P.args, **kwargs: P.kwargs) -> None:
        await Deferred.fromCoroutine(test(*args, **kwargs)).addTimeout(PATIENCE_SECONDS, reactor)

    marked: Callable[P, Any] = pytest_twisted.ensureDeferred(bounded)
    return marked


async def until(condition: Callable[[], bool]) -> None:
    """Let the reactor turn until something that a thread will bring about has come about."""
    while not condition():
        await deferLater(reactor, 0)


def wait_until(condition: Callable[[], bool]) -> None:
    """The same, for fixtures."""
    waiting = Deferred.fromCoroutine(until(condition)).addTimeout(PATIENCE_SECONDS, reactor)
    pytest_twisted.blockon(waiting)
