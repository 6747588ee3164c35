"""The serve state machine: every state with every event, and every sequence of them."""

import itertools
import random

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.policy.retrying import MIN_PROGRESS
from proxycache.policy.serving import (
    TERMINAL,
    TRANSITIONS,
    Event,
    ImpossibleTransition,
    Position,
    State,
    advance,
)

TRY, RETRY, PASS, DONE, ABORTED = (
    State.TRY_CACHE,
    State.RETRY_DOWNLOAD,
    State.PASSTHROUGH,
    State.DONE,
    State.ABORTED,
)

DOCUMENTED = {
    (TRY, Event.DELIVERED): TRY,
    (TRY, Event.READ_FAILED): RETRY,
    (TRY, Event.FILL_FAILED): RETRY,
    (TRY, Event.NO_METADATA): PASS,
    (RETRY, Event.REFETCHED): TRY,
    (PASS, Event.DELIVERED): PASS,
    **{(state, Event.COMPLETE): DONE for state in (TRY, RETRY, PASS)},
    **{(state, Event.ORIGIN_FAILED): ABORTED for state in (TRY, RETRY, PASS)},
    **{(state, Event.CHANGED): ABORTED for state in (TRY, RETRY, PASS)},
}
"""The design's table, with retries left; without any, what would retry passes through."""

WITHOUT_RETRIES = {
    **DOCUMENTED,
    (TRY, Event.READ_FAILED): PASS,
    (TRY, Event.FILL_FAILED): PASS,
    (RETRY, Event.RETRY_FAILED): PASS,
}
WITH_RETRIES = {**DOCUMENTED, (RETRY, Event.RETRY_FAILED): RETRY}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
@pytest.mark.parametrize("left", [0, 1])
def test_every_state_with_every_event(state: State, event: Event, left: int) -> None:
    cursor = 20 if event is Event.COMPLETE else 10
    position = Position(state, cursor, 20, retries_left=left, retry_attempts=1)
    expected = (WITH_RETRIES if left else WITHOUT_RETRIES).get((state, event))
    if expected is None:
        with pytest.raises(ImpossibleTransition):
            advance(position, event)
        assert (state, event) not in TRANSITIONS
    else:
        after = advance(position, event)
        assert after.state is expected
        assert (after.cursor, after.stop, after.retry_attempts) == (cursor, 20, 1)


def test_nothing_leaves_the_end() -> None:
    assert frozenset({DONE, ABORTED}) == TERMINAL
    assert not any(state in TERMINAL for state, _ in TRANSITIONS)


def test_passthrough_never_goes_back() -> None:
    reached = {transition.to for (state, _), transition in TRANSITIONS.items() if state is PASS}
    assert reached == {PASS, DONE, ABORTED}


def test_a_retry_is_spent_when_it_begins_and_refilled_by_bytes() -> None:
    position = Position.begin(0, 2 * MIN_PROGRESS, retry_attempts=2)
    position = advance(position, Event.READ_FAILED)
    assert (position.state, position.retries_left) == (RETRY, 1)
    position = advance(position, Event.REFETCHED)
    assert (position.state, position.retries_left) == (TRY, 1)
    position = advance(position, Event.DELIVERED, MIN_PROGRESS - 1)
    assert (position.state, position.retries_left) == (TRY, 1)
    position = advance(position, Event.DELIVERED, 1)
    assert (position.state, position.retries_left) == (TRY, 2)


def test_a_few_bytes_refill_none() -> None:
    """Else a body that advances by so little each time would never end."""
    position, steps = Position.begin(1000, None, retry_attempts=1), 0
    while position.state is not PASS:
        event = {TRY: Event.FILL_FAILED, RETRY: Event.REFETCHED}[position.state]
        position = advance(advance(position, Event.DELIVERED, 10) if position.state is TRY else position, event)
        steps += 1
    assert steps == 3


@pytest.mark.parametrize("attempts", [0, 1, 2, 5])
def test_a_range_that_is_fetched_but_never_readable_ends_in_passthrough(attempts: int) -> None:
    position, tries = Position.begin(0, 100, attempts), 0
    while position.state is TRY:
        position = advance(position, Event.READ_FAILED)
        if position.state is RETRY:
            tries += 1
            position = advance(position, Event.REFETCHED)
    assert position.state is PASS
    assert tries == attempts


def test_without_metadata_a_response_begins_in_passthrough() -> None:
    position = advance(Position.begin(5, None, 1), Event.NO_METADATA)
    assert (position.state, position.cursor, position.stop) == (PASS, 5, None)


@pytest.mark.parametrize(
    ("event", "delivered"),
    [(Event.DELIVERED, 11), (Event.DELIVERED, -1), (Event.COMPLETE, 1), (Event.READ_FAILED, 1)],
)
def test_bytes_that_cannot_have_been_delivered(event: Event, delivered: int) -> None:
    with pytest.raises(ImpossibleTransition):
        advance(Position.begin(10, 20, 1), event, delivered)


def test_an_open_end_takes_any_number_of_bytes() -> None:
    assert advance(Position.begin(10, None, 1), Event.DELIVERED, 10**9).cursor == 10 + 10**9


@pytest.mark.parametrize("state", [TRY, RETRY, PASS])
def test_a_range_is_complete_only_at_its_end(state: State) -> None:
    with pytest.raises(ImpossibleTransition):
        advance(evolve(Position.begin(10, 20, 1), state=state), Event.COMPLETE)


def test_no_byte_refills_no_retry() -> None:
    position = Position(TRY, 10, 20, retries_left=0, retry_attempts=1)
    assert advance(position, Event.DELIVERED, 0).retries_left == 0


ENDINGS = frozenset({Event.COMPLETE, Event.ORIGIN_FAILED, Event.CHANGED})


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.integers(0, 2**32), st.integers(0, 5), st.integers(0, 3), st.booleans())
def test_every_sequence_of_events_ends(seed: int, size: int, attempts: int, known: bool) -> None:
    """Where each delivery brings a byte, no more retries than allowed come between two of them."""
    chance = random.Random(seed)
    end = 10 + size
    position = Position.begin(10, end if known else None, attempts)
    passed_through = False
    between = 0
    for _ in range((size + 1) * (2 * attempts + 3) + 2):
        if position.state in TERMINAL:
            break
        events = [event for state, event in TRANSITIONS if state is position.state and event not in ENDINGS]
        event = chance.choice(events) if chance.random() < 0.95 else chance.choice(list(ENDINGS))
        delivered = int(event is Event.DELIVERED)
        if position.cursor == end or (event is Event.COMPLETE and known):
            event, delivered = (Event.COMPLETE if position.cursor == end else Event.CHANGED), 0
        after = advance(position, event, delivered)
        assert after.cursor == position.cursor + delivered
        assert after.stop is None or after.cursor <= after.stop
        assert 0 <= after.retries_left <= attempts
        assert not (passed_through and after.state in (TRY, RETRY))
        between = 0 if delivered else between + (after.state is RETRY)
        assert between <= attempts
        passed_through = passed_through or after.state is PASS
        position = after
    assert position.state in TERMINAL
