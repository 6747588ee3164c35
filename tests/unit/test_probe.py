"""What it costs to wait for an answer that many wait for."""

from __future__ import annotations

from attrs import evolve
from twisted.internet.defer import CancelledError

from proxycache.fill.probe import Probe, Question, Waiting
from proxycache.interfaces import Priority
from proxycache.policy.origins import ObjectTarget

from .scriptedorigin import POLICY, REQUEST, ScriptedOrigin
from .steps import steps_of

QUESTION = Question(ObjectTarget(POLICY, b"films:http://origin.example/film.mp4", REQUEST.url), REQUEST, None)


def of_priority(priority: Priority) -> Waiting:
    waiting = Waiting(evolve(QUESTION, priority=priority))
    waiting.answer.addErrback(lambda failure: failure.trap(CancelledError))
    return waiting


def begun(priority: Priority) -> tuple[ScriptedOrigin, Probe, Waiting]:
    """A probe with the client whose request it is."""
    origin, first = ScriptedOrigin(), of_priority(priority)
    probe = Probe(first.question, REQUEST, origin, priority)
    probe.pending.addErrback(lambda failure: failure.trap(CancelledError))
    probe.join(first)
    return origin, probe, first


def crowd(count: int) -> int:
    """The steps it takes for so many to come and go."""
    _, probe, _ = begun(Priority.CRITICAL)

    def come_and_go() -> None:
        waiting = [of_priority(Priority.CRITICAL) for _ in range(count)]
        for each in waiting:
            probe.join(each)
        for each in waiting:
            each.answer.cancel()

    return steps_of(come_and_go)


def test_to_come_and_go_costs_the_same_however_many_wait() -> None:
    assert crowd(400) <= 2 * crowd(200)


def test_it_is_as_urgent_as_for_whoever_is_most_in_a_hurry() -> None:
    origin, probe, first = begun(Priority.MEDIUM)
    (fetch,) = origin.fetches
    critical, high = of_priority(Priority.CRITICAL), of_priority(Priority.HIGH)
    seen = [fetch.priority]
    for each in (high, critical):
        probe.join(each)
        seen.append(fetch.priority)
    for each in (critical, high):
        each.answer.cancel()
        seen.append(fetch.priority)
    assert seen == [Priority.MEDIUM, Priority.HIGH, Priority.CRITICAL, Priority.HIGH, Priority.MEDIUM]
    assert not fetch.cancelled
    first.answer.cancel()
    assert fetch.cancelled


def test_who_is_told_does_not_end_it_by_leaving() -> None:
    origin, probe, first = begun(Priority.CRITICAL)
    assert probe.over() == [first]
    first.answer.cancel()
    assert not origin.fetches[0].cancelled
