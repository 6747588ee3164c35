"""Waiters: each with a Deferred of its own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred

from proxycache.accounts import Accounts
from proxycache.errors import OriginTimeout
from proxycache.fill.waiters import Waiters


def outcomes(*deferreds: Deferred[None]) -> list[object]:
    """What each Deferred gives: None, an exception's type, or C{...} where it still waits."""
    results: list[object] = []
    for deferred in deferreds:
        heard: list[object] = []
        deferred.addCallbacks(heard.append, lambda failure, heard=heard: heard.append(failure.type))
        results.append(heard[0] if heard else ...)
    return results


@pytest.fixture
def accounts() -> Accounts:
    return Accounts()


@pytest.fixture
def waiters(accounts: Accounts) -> Waiters:
    return Waiters(accounts)


def test_progress_wakes_those_whose_byte_is_here(waiters: Waiters, accounts: Accounts) -> None:
    waiting = [waiters.wait(position) for position in (9, 10, 19, 20)]
    assert accounts.waiters == 4
    waiters.wake(10, 20)
    assert outcomes(*waiting) == [..., None, None, ...]
    assert accounts.waiters == 2
    assert sorted(waiters.positions) == [9, 20]


def test_several_may_wait_for_one_byte(waiters: Waiters) -> None:
    first, second = waiters.wait(5), waiters.wait(5)
    assert first is not second
    waiters.wake(5, 6)
    assert outcomes(first, second) == [None, None]
    assert not waiters


def test_failures_are_delivered_as_well(waiters: Waiters, accounts: Accounts) -> None:
    waiting = [waiters.wait(position) for position in (9, 10, 19, 20)]
    waiters.fail(OriginTimeout("x"), 10, 20)
    assert outcomes(*waiting) == [..., OriginTimeout, OriginTimeout, ...]
    rest = [waiters.wait(position) for position in (30, 10**12)]
    waiters.fail(OriginTimeout("x"), 20, None)
    assert outcomes(*rest) == [OriginTimeout, OriginTimeout]
    assert waiters.positions == [9]
    assert accounts.waiters == 1


def test_everybody_is_to_look_again(waiters: Waiters, accounts: Accounts) -> None:
    waiting = [waiters.wait(position) for position in (0, 10**12)]
    waiters.wake_all()
    assert outcomes(*waiting) == [None, None]
    assert accounts.waiters == 0


def test_one_who_leaves_disturbs_nobody(waiters: Waiters, accounts: Accounts) -> None:
    leaving, staying = waiters.wait(5), waiters.wait(5)
    leaving.cancel()
    assert outcomes(leaving, staying) == [CancelledError, ...]
    assert accounts.waiters == 1
    waiters.wake(5, 6)
    assert outcomes(staying) == [None]
    assert accounts.waiters == 0


def test_whoever_is_woken_may_wait_again(waiters: Waiters) -> None:
    again: list[Deferred[None]] = []
    waiters.wait(5).addCallback(lambda _: again.append(waiters.wait(5)))
    waiters.wake(5, 6)
    assert outcomes(*again) == [...]
    assert waiters.positions == [5]


def test_whoever_is_woken_may_make_another_leave(waiters: Waiters, accounts: Accounts) -> None:
    first, second = waiters.wait(5), waiters.wait(5)
    first.addCallback(lambda _: second.cancel())
    waiters.wake(5, 6)
    assert outcomes(second) == [CancelledError]
    assert accounts.waiters == 0


def test_leaving_after_being_woken_is_nothing(waiters: Waiters, accounts: Accounts) -> None:
    waiter = waiters.wait(5)
    waiters.wake(5, 6)
    waiter.cancel()
    assert outcomes(waiter) == [None]
    assert accounts.waiters == 0


steps = st.one_of(
    st.tuples(st.just("wait"), st.integers(0, 9), st.just(0)),
    st.tuples(st.sampled_from(["wake", "fail"]), st.integers(0, 9), st.integers(0, 10)),
    st.tuples(st.just("cancel"), st.integers(0, 30), st.just(0)),
)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.lists(steps, max_size=30))
def test_everybody_hears_exactly_once(script: list[tuple[str, int, int]]) -> None:
    accounts = Accounts()
    waiters = Waiters(accounts)
    heard: dict[int, list[str]] = {}
    waiting: dict[int, tuple[int, Deferred[None]]] = {}
    for what, first, second in script:
        if what == "wait":
            number = len(heard)
            heard[number] = []
            waiter = waiters.wait(first)
            waiting[number] = (first, waiter)
            waiter.addCallbacks(
                lambda _, number=number: heard[number].append("woken"),
                lambda failure, number=number: heard[number].append(failure.type.__name__),
            )
        elif what == "cancel":
            if first in waiting:
                waiting.pop(first)[1].cancel()
                assert heard[first] == ["CancelledError"]
        else:
            touched = {number for number, (position, _) in waiting.items() if first <= position < second}
            if what == "wake":
                waiters.wake(first, second)
            else:
                waiters.fail(OriginTimeout("x"), first, second)
            for number in touched:
                assert heard[number] == ["woken" if what == "wake" else "OriginTimeout"]
                del waiting[number]
        assert all(not heard[number] for number in waiting)
        assert accounts.waiters == len(waiting)
        assert set(waiters.positions) == {position for position, _ in waiting.values()}
        assert bool(waiters) == bool(waiting)
    waiters.wake_all()
    assert all(len(each) == 1 for each in heard.values())


def test_one_may_be_told_alone(waiters: Waiters, accounts: Accounts) -> None:
    first, second = waiters.wait(5), waiters.wait(5)
    waiters.fail_one(first, 5, OriginTimeout("late"))
    assert outcomes(first) == [OriginTimeout]
    assert accounts.waiters == 1
    waiters.fail_one(second, 5, OriginTimeout("late"))
    assert outcomes(second) == [OriginTimeout]
    assert not waiters
    waiters.fail_one(second, 5, OriginTimeout("late"))
    assert accounts.waiters == 0
