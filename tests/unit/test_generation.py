"""A generation under random clients, a random origin and a random disk."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from zope.interface.verify import verifyObject

from proxycache.fill.reader import Reader
from proxycache.interfaces import ICacheFile, IMetadataStore, IOrigin, IOriginResponse, Priority
from proxycache.policy.fields import Fields
from proxycache.policy.intervals import Intervals
from proxycache.policy.readahead import NEAR

from .memorystore import MemoryStore
from .simulateddisk import SimulatedFile
from .simulatedorigin import Behaviour, Body, SimulatedOrigin
from .simulation import REQUEST, Wish, World

KIB = 1024
MIB = 1024 * KIB


def wishes_for(length: int, whole: bool = False) -> st.SearchStrategy[list[Wish]]:
    def wish(start: int, size: int, most: int, patience: int) -> Wish:
        stop = min(length, start + size)
        return Wish(start, stop, most, stop if whole else min(stop, start + patience))

    places = st.integers(0, length - 1)
    return st.lists(
        st.builds(wish, places, st.integers(1, length), st.integers(1, length), st.integers(0, 2 * length)),
        min_size=1,
        max_size=5,
    )


def content(length: int) -> bytes:
    return Random(length).randbytes(length)


def test_the_interfaces() -> None:
    origin = SimulatedOrigin(b"", Behaviour(1))
    assert verifyObject(IOrigin, origin)
    assert verifyObject(IOriginResponse, Body(origin, 200, Fields(), 0, 0, Priority.LOW))
    assert verifyObject(ICacheFile, SimulatedFile(Random(0)))
    assert verifyObject(IMetadataStore, MemoryStore())


@settings(deadline=None, max_examples=80, derandomize=True)
@given(st.data(), st.integers(0, 2**32))
def test_nothing_is_asked_for_twice_where_nothing_breaks(data: st.DataObject, seed: int) -> None:
    """However many clients ask for a byte, the origin is asked for it once."""
    length = data.draw(st.integers(1, NEAR))
    chunk_size = data.draw(st.sampled_from([4 * KIB, 10_000, 64 * KIB]))
    piece = data.draw(st.integers(500, 40_000))
    file = SimulatedFile(Random(seed), slow=0.3)
    world = World(content(length), chunk_size, data.draw(wishes_for(length)), Behaviour(piece, surplus=2), file, seed)
    world.run()
    world.check_delivered()
    world.settle()
    world.check_quiet()
    seen = Intervals()
    for start, stop in world.origin.asked:
        before = seen.total
        seen.add(start, stop)
        assert seen.total - before == stop - start, f"[{start}, {stop}) again: {world.origin.asked}"


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.data(), st.integers(0, 2**32))
def test_clients_get_exactly_the_object_whatever_breaks(data: st.DataObject, seed: int) -> None:
    length = data.draw(st.integers(1, 200_000))
    behaviour = Behaviour(
        piece=data.draw(st.integers(2_000, 60_000)),
        breaks=data.draw(st.sampled_from([0.0, 0.1, 0.3])),
        narrow=data.draw(st.sampled_from([0.0, 0.5])),
        rangeless=data.draw(st.booleans()),
        surplus=data.draw(st.integers(0, 3)),
    )
    file = SimulatedFile(
        Random(seed),
        slow=data.draw(st.sampled_from([0.0, 0.5])),
        fails=data.draw(st.sampled_from([0.0, 0.3, 1.0])),
        rots=data.draw(st.sampled_from([0.0, 0.1])),
    )
    chunk_size = data.draw(st.sampled_from([8 * KIB, 20_000, 64 * KIB]))
    max_size = data.draw(st.sampled_from([0, 3 * chunk_size, 1 << 40]))
    world = World(content(length), chunk_size, data.draw(wishes_for(length)), behaviour, file, seed, max_size)
    world.run()
    world.check_delivered()
    world.settle()
    world.check_quiet()


@settings(deadline=None, max_examples=25, derandomize=True)
@given(st.data(), st.integers(0, 2**32))
def test_far_from_each_other(data: st.DataObject, seed: int) -> None:
    """A seek does not wait for what is fetched before it; the origin then sends no more than a piece twice each time."""
    length = data.draw(st.integers(2 * NEAR, 30 * NEAR))
    piece = data.draw(st.integers(20_000, 100_000))
    wishes = data.draw(wishes_for(length, whole=True))
    world = World(content(length), 64 * KIB, wishes, Behaviour(piece, surplus=1), SimulatedFile(Random(seed)), seed)
    world.run()
    world.check_delivered()
    world.settle()
    world.check_quiet()
    sent, once = sum(stop - start for start, stop in world.origin.sent), Intervals()
    for start, stop in world.origin.sent:
        once.add(start, stop)
    assert sent - once.total <= piece * len(world.origin.asked)


def a_world(*wishes: Wish, length: int = 100 * KIB, chunk_size: int = 64 * KIB) -> World:
    return World(content(length), chunk_size, list(wishes), Behaviour(10 * KIB), SimulatedFile(Random(0)), 0)


def wait(reader: Reader) -> Deferred[None]:
    """Wait, and do not mind being told that waiting is over."""
    waiting = reader.wait()
    waiting.addErrback(lambda failure: failure.trap(CancelledError))
    return waiting


def test_bytes_are_readable_before_their_chunk_is_complete() -> None:
    world = a_world()
    reader = world.generation.open_reader(0, 100 * KIB, REQUEST)
    waiting = wait(reader)
    world.origin.respond(world.origin.questions[0], world.chance)
    assert not waiting.called
    world.origin.bodies[0].step(world.chance)
    assert waiting.called
    taken = reader.take(1 << 20)
    assert isinstance(taken, bytes)
    assert 0 < len(taken) < 64 * KIB
    assert taken == world.origin.content[: len(taken)]
    reader.close()
    world.settle()
    world.check_quiet()


def test_a_seek_asks_for_its_first_byte_at_once() -> None:
    world = a_world(length=20 * NEAR)
    player = world.generation.open_reader(0, 20 * NEAR, REQUEST)
    wait(player)
    seeker = world.generation.open_reader(10 * NEAR + 7, 20 * NEAR, REQUEST)
    waiting = wait(seeker)
    question = world.origin.questions[-1]
    assert question.priority is Priority.CRITICAL
    assert question.request.asked is not None
    assert question.request.asked.first == 10 * NEAR + 7
    world.origin.respond(question, world.chance)
    world.origin.bodies[-1].step(world.chance)
    assert waiting.called
    for reader in (player, seeker):
        reader.close()
    world.settle()
    world.check_quiet()


def test_who_waits_for_a_byte_makes_its_request_urgent() -> None:
    """A CRITICAL request never queues behind lower ones: also one that was sent for less."""
    world = a_world()
    warming = world.generation.open_reader(0, 100 * KIB, REQUEST, Priority.MEDIUM)
    wait(warming)
    (question,) = world.origin.questions
    assert question.priority is Priority.MEDIUM
    client = world.generation.open_reader(10, 100 * KIB, REQUEST)
    wait(client)
    assert [each.priority for each in world.origin.questions] == [Priority.CRITICAL]
    for reader in (warming, client):
        reader.close()
    world.settle()
    world.check_quiet()


def read_some(world: World, reader: Reader) -> Body:
    """Let the origin answer the reader's request, who takes what comes first."""
    wait(reader)
    world.origin.respond(world.origin.questions[-1], world.chance)
    body = world.origin.bodies[-1]
    body.send(KIB)
    taken = reader.take(KIB)
    assert isinstance(taken, bytes)
    reader.moved(len(taken))
    return body


def test_a_fill_outlives_its_client_for_a_while() -> None:
    world = a_world()
    reader = world.generation.open_reader(0, 100 * KIB, REQUEST)
    body = read_some(world, reader)
    reader.close()
    assert body.priority is Priority.LOW
    world.clock.advance(9.9)
    assert not body.over
    again = world.generation.open_reader(0, 100 * KIB, REQUEST)
    world.clock.advance(20)
    assert not body.over
    again.close()
    world.clock.advance(10)
    assert body.over
    assert world.idle == [world.generation]


def test_but_not_one_that_never_had_a_byte_of_it() -> None:
    world = a_world()
    reader = world.generation.open_reader(0, 100 * KIB, REQUEST)
    wait(reader)
    assert len(world.origin.questions) == 1
    reader.close()
    assert world.origin.questions == []
    again = world.generation.open_reader(0, 100 * KIB, REQUEST)
    wait(again)
    world.origin.respond(world.origin.questions[0], world.chance)
    world.origin.bodies[0].send(KIB)
    again.close()
    assert world.origin.bodies[0].over
    world.settle()
    world.check_quiet()


@pytest.mark.parametrize("crowded", [False, True])
def test_what_a_player_had_asked_for_ahead_gives_up_its_place_in_the_queue(crowded: bool) -> None:
    """On a connection it goes on, for whoever comes back; without one it only stands in others' way."""
    world = a_world(length=40 * MIB, chunk_size=MIB)
    reader = world.generation.open_reader(0, 40 * MIB, REQUEST)
    body = read_some(world, reader)
    body.send(2 * MIB)
    reader.moved(MIB)
    (ahead,) = world.origin.questions
    assert ahead.priority is Priority.HIGH
    world.origin.behaviour.crowded = crowded
    reader.close()
    assert world.origin.questions == ([] if crowded else [ahead])
    assert ahead.priority is (Priority.HIGH if crowded else Priority.LOW)
    world.origin.behaviour.crowded = False
    world.settle()
    world.check_quiet()


def test_who_leaves_one_place_is_in_no_hurry_for_it_while_others_read_elsewhere() -> None:
    world = a_world(length=40 * MIB, chunk_size=MIB)
    readers = [world.generation.open_reader(start * MIB, 40 * MIB, REQUEST) for start in (0, 20)]
    bodies = [read_some(world, reader) for reader in readers]
    readers[1].close()
    assert [body.priority for body in bodies] == [Priority.CRITICAL, Priority.LOW]
    again = world.generation.open_reader(20 * MIB + KIB, 40 * MIB, REQUEST)
    wait(again)
    assert bodies[1].priority is Priority.CRITICAL
    assert world.origin.questions == []
    for reader in (readers[0], again):
        reader.close()
    world.settle()
    world.check_quiet()


def test_a_hit_asks_nobody() -> None:
    world = a_world(Wish(0, 100 * KIB, 1 << 20, 100 * KIB), Wish(5, 90 * KIB, 1 << 20, 90 * KIB))
    world.run()
    world.settle()
    asked = len(world.origin.asked)
    world.idle.clear()
    reader = world.generation.open_reader(0, 100 * KIB, REQUEST)
    received = b""
    while not reader.at_end:
        taken = reader.take(30 * KIB)
        assert isinstance(taken, bytes)
        reader.moved(len(taken))
        received += taken
    assert received == world.origin.content
    assert reader.source == "cache"
    assert len(world.origin.asked) == asked
    assert world.origin.questions == []
    reader.close()
    world.settle()
    world.check_quiet()


def test_a_run_that_the_disk_held_up_goes_on_when_the_disk_does() -> None:
    """Who reads the tail of an object from an origin without ranges is not forgotten."""
    length = 300 * KIB
    file = SimulatedFile(Random(0))
    behaviour = Behaviour(4 * KIB, rangeless=True)
    world = World(content(length), 64 * KIB, [], behaviour, file, 0, rangeless=True)
    reader = world.generation.open_reader(290 * KIB, length, REQUEST)
    waiting = wait(reader)
    world.origin.respond(world.origin.questions[0], world.chance)
    (body,) = world.origin.bodies
    while body.ready:
        body.step(world.chance)
    assert len(file.under_way) == 4
    assert not waiting.called
    for work in list(file.under_way):
        file.step(work)
    while body.ready:
        body.step(world.chance)
    assert waiting.called
    reader.close()
    world.settle()
    world.check_quiet()


def test_a_run_that_the_disk_held_up_goes_on_without_the_disk() -> None:
    """ENOSPC: evict, retry once, then carry on without storage."""
    length = 300 * KIB
    file = SimulatedFile(Random(0))
    world = World(content(length), 16 * KIB, [], Behaviour(4 * KIB, rangeless=True), file, 0, rangeless=True)
    reader = world.generation.open_reader(200 * KIB, length, REQUEST)
    waiting = wait(reader)
    world.origin.respond(world.origin.questions[0], world.chance)
    (body,) = world.origin.bodies
    body.send(6 * 16 * KIB)
    assert not body.ready
    for number, work in enumerate(list(file.under_way)):
        file.fail(work, full=number > 0)
    file.fails = 1.0
    while body.ready:
        body.step(world.chance)
    assert waiting.called
    reader.close()
    world.settle()
    world.check_quiet()


def test_what_was_being_written_when_it_lost_its_worth_is_still_read() -> None:
    """A body whose end is uncertain is not kept; who reads it slowly gets it all the same."""
    length = 300 * KIB
    file = SimulatedFile(Random(0))
    world = World(content(length), 16 * KIB, [], Behaviour(4 * KIB, rangeless=True), file, 0, rangeless=True)
    reader = world.generation.open_reader(0, length, REQUEST)
    wait(reader)
    world.origin.respond(world.origin.questions[0], world.chance)
    (body,) = world.origin.bodies
    body.send(2 * 16 * KIB)
    assert len(file.under_way) == 2
    world.generation.contents.stored = False
    while file.under_way:
        file.step(file.under_way[0])
    received = b""
    while len(received) < 2 * 16 * KIB:
        taken = reader.take(16 * KIB)
        assert isinstance(taken, bytes)
        reader.moved(len(taken))
        received += taken
    assert received == world.origin.content[: 2 * 16 * KIB]
    reader.close()
    world.settle()
    world.check_quiet()
