"""How long ago a stored response came, where the time of day may have been set since."""

from __future__ import annotations

from attrs import evolve

from .entry import Representation

SLACK_SECONDS = 1.0
"""What clocks may differ by, each of which is right."""


def no_younger(representation: Representation, elapsed: float, now: float) -> Representation:
    """As if it had come no later than C{elapsed} seconds ago, by the clock as it is set now.

    So its age is the larger of what the time of day makes it and of C{elapsed} (RFC 9111, section 4.2.3).

    @param elapsed: seconds by a clock that nobody sets and that goes on while the machine sleeps.
    @param now: wall clock, seconds since the epoch.
    """
    shift = now - elapsed - representation.response_time
    if shift >= -SLACK_SECONDS:
        return representation
    until = representation.useful_until
    return evolve(
        representation,
        request_time=representation.request_time + shift,
        response_time=representation.response_time + shift,
        useful_until=None if until is None else until + shift,
    )


def as_recalled(representation: Representation, now: float) -> Representation:
    """What was recorded, recalled at C{now}: what came in the future is of unknown age, and so as old as can be.

    The clock was set back since, nobody knows by how much.
    """
    if representation.response_time <= now + SLACK_SECONDS:
        return representation
    return evolve(representation, request_time=0.0, response_time=0.0)
