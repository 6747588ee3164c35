"""The serve state machine, as a table: how one response body goes on when something fails.

The driver is L{proxycache.stream.servestream}; the diagram in the documentation is drawn from L{TRANSITIONS}.
"""

from __future__ import annotations

from enum import Enum

from attrs import evolve, frozen

from .retrying import MIN_PROGRESS


class State(Enum):
    """Where the next byte comes from."""

    TRY_CACHE = "try cache"
    RETRY_DOWNLOAD = "retry download"
    PASSTHROUGH = "passthrough"
    DONE = "done"
    ABORTED = "aborted"


class Event(Enum):
    """What happened at the cursor."""

    DELIVERED = "bytes delivered"
    COMPLETE = "range complete"
    READ_FAILED = "read failed"
    FILL_FAILED = "fill failed or timed out"
    NO_METADATA = "no metadata"
    REFETCHED = "range fetched again"
    RETRY_FAILED = "retry failed"
    ORIGIN_FAILED = "origin failed for good"
    CHANGED = "another version"


class Retries(Enum):
    """What a transition does to the retries that are left."""

    KEEP = "keep"
    REFILL = "all again"
    SPEND = "one less"


@frozen
class Transition:
    """@ivar to: next state; C{otherwise}, where given, is taken once no retry is left."""

    to: State
    retries: Retries = Retries.KEEP
    otherwise: State | None = None


TERMINAL = frozenset({State.DONE, State.ABORTED})

TRANSITIONS: dict[tuple[State, Event], Transition] = {
    (State.TRY_CACHE, Event.DELIVERED): Transition(State.TRY_CACHE, Retries.REFILL),
    (State.TRY_CACHE, Event.READ_FAILED): Transition(State.RETRY_DOWNLOAD, Retries.SPEND, otherwise=State.PASSTHROUGH),
    (State.TRY_CACHE, Event.FILL_FAILED): Transition(State.RETRY_DOWNLOAD, Retries.SPEND, otherwise=State.PASSTHROUGH),
    (State.TRY_CACHE, Event.NO_METADATA): Transition(State.PASSTHROUGH),
    (State.RETRY_DOWNLOAD, Event.REFETCHED): Transition(State.TRY_CACHE),
    (State.RETRY_DOWNLOAD, Event.RETRY_FAILED): Transition(
        State.RETRY_DOWNLOAD, Retries.SPEND, otherwise=State.PASSTHROUGH
    ),
    (State.PASSTHROUGH, Event.DELIVERED): Transition(State.PASSTHROUGH),
    **{
        (state, event): Transition(to)
        for state in State
        if state not in TERMINAL
        for event, to in (
            (Event.COMPLETE, State.DONE),
            (Event.ORIGIN_FAILED, State.ABORTED),
            (Event.CHANGED, State.ABORTED),
        )
    },
}
"""Retries are full again only once L{MIN_PROGRESS} bytes were delivered: a fetch that succeeds but cannot be read back,
or brings next to nothing, has to end in passthrough, not in a circle."""


class ImpossibleTransition(ValueError):
    """An event that cannot happen in this state."""


@frozen
class Position:
    """How far a response has come.

    @ivar cursor: next byte to deliver; bytes before it are with the client.
    @ivar stop: one past the last byte; None where the end of the body will tell.
    @ivar failed_at: where the cursor was when a retry was last spent.
    """

    state: State
    cursor: int
    stop: int | None
    retries_left: int
    retry_attempts: int
    failed_at: int = 0

    @classmethod
    def begin(cls, cursor: int, stop: int | None, retry_attempts: int) -> Position:
        """The position before the first byte."""
        return cls(State.TRY_CACHE, cursor, stop, retry_attempts, retry_attempts)


def advance(position: Position, event: Event, delivered: int = 0) -> Position:
    """The position after C{event}.

    @param delivered: bytes that reached the client, with L{Event.DELIVERED} only.
    @raise ImpossibleTransition: the table has no such transition, C{delivered} runs beyond C{stop}, or a range is
        called complete before its end.
    """
    transition = TRANSITIONS.get((position.state, event))
    cursor = position.cursor + delivered
    beyond = position.stop is not None and cursor > position.stop
    short = event is Event.COMPLETE and position.stop is not None and position.cursor != position.stop
    if transition is None or beyond or short or delivered < 0 or (delivered and event is not Event.DELIVERED):
        raise ImpossibleTransition(f"{event.name} in {position.state.name} at {position.cursor}, {delivered} bytes")
    to, retries, failed_at = transition.to, position.retries_left, position.failed_at
    if transition.retries is Retries.REFILL and cursor - failed_at >= MIN_PROGRESS:
        retries = position.retry_attempts
    elif transition.retries is Retries.SPEND:
        if retries == 0 and transition.otherwise is not None:
            to = transition.otherwise
        else:
            retries -= 1
            failed_at = cursor
    return evolve(position, state=to, cursor=cursor, retries_left=retries, failed_at=failed_at)
