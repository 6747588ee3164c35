"""Requests to an origin that wants to be left alone: who waits, for how long, and what wakes him, on a test's clock."""

from __future__ import annotations

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from proxycache.errors import OriginStatus
from proxycache.interfaces import OriginRequest
from proxycache.origin.turns import Turns
from proxycache.policy.failing import MAX_REST_SECONDS, Failed
from proxycache.policy.retrying import FAILING_SECONDS

from .scriptedorigin import REQUEST

LATER = Failed(429, 20.0, refused=True)


class Origin:
    """One that wants to be left alone for twenty seconds."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.turns = Turns(self.clock)
        for name in ("a", "b"):
            self.turns.failed(self.request(name), LATER)

    def request(self, name: str) -> OriginRequest:
        """A request for an object."""
        return evolve(REQUEST, url=REQUEST.url + name.encode())

    def ask(self, name: str) -> list[object]:
        """Nothing while it waits, then whether it is the probe, or the error."""
        told: list[object] = []
        Deferred.fromCoroutine(self.turns.take(self.request(name))).addBoth(told.append)
        return told


@pytest.fixture
def origin() -> Origin:
    """It said so for two objects, just now."""
    return Origin()


def test_all_wait_and_one_goes_first(origin: Origin) -> None:
    told = [origin.ask("c"), origin.ask("d"), origin.ask("e")]
    origin.clock.advance(19.9)
    assert told == [[], [], []]
    origin.clock.advance(0.1)
    assert told == [[True], [], []]
    origin.turns.answered(origin.request("c"), origin.clock.seconds())
    origin.turns.done(origin.request("c"))
    assert told == [[True], [False], [False]]
    assert origin.clock.getDelayedCalls() == []


def test_where_that_fails_the_next_goes(origin: Origin) -> None:
    told = [origin.ask("c"), origin.ask("d"), origin.ask("e")]
    origin.clock.advance(20.0)
    origin.turns.done(origin.request("c"))
    assert told == [[True], [True], []]


def test_where_that_is_told_the_same_they_wait_on_but_not_for_ever(origin: Origin) -> None:
    told = origin.ask("c")
    for _ in range(3):
        origin.clock.advance(20.0)
        origin.turns.failed(origin.request("x"), LATER)
        told = told if told != [True] else origin.ask("c")
    late = origin.ask("d")
    for _ in range(4):
        origin.clock.advance(19.0)
        origin.turns.failed(origin.request("x"), LATER)
    (failure,) = late
    assert isinstance(failure, Failure)
    assert isinstance(failure.value, OriginStatus)
    assert failure.value.status == 429
    assert origin.clock.seconds() >= MAX_REST_SECONDS


def test_who_leaves_disturbs_nobody(origin: Origin) -> None:
    leaving = Deferred.fromCoroutine(origin.turns.take(origin.request("c")))
    left: list[object] = []
    leaving.addBoth(left.append)
    staying = origin.ask("d")
    leaving.cancel()
    assert len(left) == 1
    origin.clock.advance(20.0)
    assert staying == [True]
    assert origin.clock.getDelayedCalls() == []


def test_a_probe_of_which_nothing_is_heard(origin: Origin) -> None:
    told = [origin.ask("c"), origin.ask("d")]
    origin.clock.advance(20.0)
    origin.clock.advance(FAILING_SECONDS)
    assert told == [[True], [True]]


def test_what_changes_something_is_nobodys_to_hold_up(origin: Origin) -> None:
    posting = evolve(origin.request("c"), method="POST")
    told: list[object] = []
    Deferred.fromCoroutine(origin.turns.take(posting)).addBoth(told.append)
    assert told == [False]
    origin.turns.failed(posting, LATER)
    assert origin.turns.is_due(posting)


def test_who_waited_for_a_connection_meanwhile(origin: Origin) -> None:
    assert not origin.turns.is_due(origin.request("c"))
    origin.clock.advance(20.0 + MAX_REST_SECONDS)
    assert origin.turns.is_due(origin.request("c"))
