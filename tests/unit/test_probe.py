"""What it costs to wait for an answer that many wait for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve
from twisted.internet.defer import CancelledError, succeed
from twisted.internet.task import Clock

from proxycache.accounts import Accounts
from proxycache.fill.generation import Generation
from proxycache.fill.probe import Probe, Probes, Waiting
from proxycache.fill.question import Answer, Obtained, Question
from proxycache.fill.reader import Reader
from proxycache.fill.surroundings import Surroundings
from proxycache.interfaces import IOriginResponse, Priority
from proxycache.policy.byterange import RangeSpec
from proxycache.policy.origins import ObjectTarget
from proxycache.store.space import Space, SpaceLimits

from .filesystem import FileSystem
from .managed import Managed
from .memorystore import MemoryStore
from .scriptedorigin import NOW, POLICY, REQUEST, ScriptedOrigin
from .steps import steps_of

MIB = 1 << 20

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


def never_answered(response: IOriginResponse, probe: Probe) -> Answer:
    raise AssertionError("not answered here")


def apart(count: int) -> int:
    """The steps it takes to ask for so many parts of what is not known, each by a request of its own."""
    origin, clock, accounts = ScriptedOrigin(), Clock(), Accounts()
    space = Space(clock, FileSystem(1, 1), SpaceLimits(1), accounts, lambda name: False, lambda name: succeed(None))
    around = Surroundings(
        clock, origin, MemoryStore(), space, accounts, 0.0, lambda _: None, lambda _: None, clock.seconds
    )
    probes = Probes(NothingKnown(), never_answered, around, MIB, lambda: NOW)

    def ask() -> None:
        for number in range(count):
            probes.ask(evolve(QUESTION, asked=RangeSpec(number * MIB, number * MIB + 9)))

    steps = steps_of(ask)
    assert len(origin.fetches) == count
    return steps


class NothingKnown:
    def known(self, question: Question) -> Sequence[Generation]:
        return ()


def test_to_ask_for_something_else_costs_the_same_however_many_do() -> None:
    assert apart(400) <= 2.1 * apart(200)


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


@pytest.mark.parametrize("last", [0, 1])
def test_what_an_answer_brings_beyond_the_range_is_dropped(last: int) -> None:
    managed = Managed()
    value = b"bytes=0-%d" % last
    request = evolve(managed.request("film", (b"Range", value)), exact=True)
    readers: list[Reader] = []

    def read(answer: Answer) -> None:
        assert isinstance(answer, Obtained)
        readers.append(answer.generation.open_reader(0, last + 1, request))

    managed.manager.obtain(Question(managed.target("film"), request, RangeSpec(0, last))).addCallback(read)
    fields = ((b"ETag", b'"v1"'), (b"Cache-Control", b"max-age=60"), (b"Content-Range", b"bytes 0-99/100"))
    response = managed.origin.last.respond(206, *fields, body_length=100)
    response.send(bytes(100))
    generation = managed.lookup("film")
    assert generation is not None
    assert generation.reach(0, 100) == last + 1
    (reader,) = readers
    reader.close()
