"""The reactor's clock; and who is told the time of day, and what for."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.task import LoopingCall
from twisted.protocols.policies import TimeoutMixin

from proxycache.clock import ReactorClock

ROOT = Path(__file__).parents[2]
DAY = 24 * 3600.0

WALL_TIME = {
    "fill/chunkmanager.py": "notes in the database of when something was used",
    "fill/founding.py": "whether an answer is fresh",
    "fill/probe.py": "whether an answer is fresh",
    "origin/client.py": "Retry-After",
    "origin/sending.py": "when an answer came",
    "service.py": "what of the database is good for nothing",
    "store/database.py": "the name of what is set aside",
    "store/metadata.py": "notes in the database of when something was used",
    "web/account.py": "the access log",
    "web/deliver.py": "whether an answer is fresh",
    "web/exchange.py": "Date",
    "web/fromcache.py": "whether an answer is fresh",
}
"""Who asks for the time of day, which may be set by anybody at any moment. All else counts by the reactor's clock."""


class Even:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


made_reactor: Callable[[], Any] = EPollReactor


@pytest.fixture
def even() -> Even:
    return Even()


@pytest.fixture
def reactor(even: Even) -> Iterator[Any]:
    """One of Twisted's, beside that of the tests."""
    reactor: Any = made_reactor()
    ReactorClock(reactor, even)
    yield reactor
    reactor.removeAll()
    reactor._poller.close()


def turn(reactor: Any) -> None:
    """What the reactor's main loop does over and over, but for the waiting."""
    reactor.runUntilCurrent()
    reactor.timeout()


def test_all_that_twisted_schedules_counts_by_it(reactor: Any, even: Even) -> None:
    called: list[str] = []
    reactor.callLater(5, called.append, "later")
    reactor.callLater(5, called.append, "reset").reset(2)
    reactor.callLater(1, called.append, "delayed").delay(2)
    looping = LoopingCall(called.append, "looping")
    looping.clock = reactor
    looping.start(4, now=False)
    client: Any = TimeoutMixin()
    client.callLater = reactor.callLater
    client.timeoutConnection = lambda: called.append("idle")
    client.setTimeout(6)
    for _ in range(13):
        turn(reactor)
        even.now += 0.5
    assert called == ["reset", "delayed", "looping", "later", "idle"]
    looping.stop()


def test_it_stands_still_while_the_process_does_and_sockets_come_first(reactor: Any, even: Even) -> None:
    called: list[str] = []
    reactor.callLater(5, called.append, "due")
    reactor.callLater(6, called.append, "not yet")
    turn(reactor)
    even.now += DAY
    reactor.runUntilCurrent()
    assert not called
    assert reactor.seconds() == 1005.0
    # The reactor's next wait for its sockets takes no time.
    assert reactor.timeout() == 0
    reactor.runUntilCurrent()
    assert called == ["due"]
    assert reactor.timeout() == 1


def test_a_wait_for_sockets_is_no_standstill_however_long(reactor: Any, even: Even) -> None:
    reactor.callLater(DAY, lambda: None)
    turn(reactor)
    even.now += DAY / 2
    assert reactor.seconds() == 1000.0 + DAY / 2


def test_so_is_one_with_nothing_scheduled(reactor: Any, even: Even) -> None:
    turn(reactor)
    even.now += DAY
    assert reactor.seconds() == 1000.0 + DAY


def test_nothing_may_have_been_scheduled_before() -> None:
    reactor: Any = made_reactor()
    reactor.callLater(1, lambda: None)
    with pytest.raises(AssertionError):
        ReactorClock(reactor, Even())
    reactor.removeAll()
    reactor._poller.close()


def asks_for_the_time_of_day(path: Path) -> bool:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ("now", "_now"):
                return True
    return False


def test_the_time_of_day_is_for_what_is_dated() -> None:
    package = ROOT / "proxycache"
    asking = {str(path.relative_to(package)) for path in package.rglob("*.py") if asks_for_the_time_of_day(path)}
    assert asking == set(WALL_TIME)


@pytest.mark.parametrize(
    "line",
    [
        "from time import time",
        "from time import monotonic",
        "from time import time_ns",
        "from time import sleep",
        "import datetime; late = datetime.datetime.now()",
        "from twisted.internet import reactor",
        "from twisted.python.runtime import seconds",
        "from twisted.internet.task import Cooperator",
        "from twisted.internet.task import cooperate",
    ],
)
def test_a_clock_of_ones_own_is_noticed(line: str) -> None:
    ruff = str(Path(sys.executable).with_name("ruff"))
    command = [ruff, "check", "--no-cache", "--select=TID251", "--stdin-filename=proxycache/fill/fetching.py", "-"]
    ran = subprocess.run(command, input=line.encode() + b"\n", cwd=ROOT, capture_output=True, timeout=60)
    assert b"TID251" in ran.stdout, ran.stdout.decode()
