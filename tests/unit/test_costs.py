"""What grows with the number of readers, or the size of an object, and what does not; in steps, not in seconds."""

from __future__ import annotations

from random import Random

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from proxycache.accounts import Accounts
from proxycache.fill.waiters import Waiters
from proxycache.interfaces import Priority
from proxycache.origin.slots import Slot, Slots
from proxycache.policy.eviction import ChunkName
from proxycache.store.space import Space, SpaceLimits

from .filesystem import FileSystem
from .simulateddisk import SimulatedFile
from .simulatedorigin import Behaviour
from .simulation import REQUEST, World
from .steps import growth, steps_of

KIB = 1024
PIECE = 16 * KIB
FEW, MANY = 20, 200
NEXT_TO_NOTHING = 1.2
"""What it may vary."""

LOGARITHMIC = 2.0
"""A place in an order of so many is found in steps of its logarithm, which grows by 1.8; the rest is the same."""


def a_world(length: int, chunk_size: int = 64 * KIB, max_size: int = 1 << 40, cached: bool = False) -> World:
    content = Random(length).randbytes(length)
    return World(content, chunk_size, [], Behaviour(PIECE), SimulatedFile(Random(0)), 0, max_size, cached=cached)


class Follower:
    """Reads all that comes, as it comes."""

    def __init__(self, world: World, start: int, stop: int) -> None:
        self.reader = world.generation.open_reader(start, stop, REQUEST)
        self._go()

    def _go(self) -> None:
        while isinstance(taken := self.reader.take(PIECE), bytes):
            self.reader.moved(len(taken))
        if not self.reader.at_end:
            self.reader.wait().addCallbacks(lambda _: self._go(), lambda failure: failure.trap(CancelledError))


def a_crowd(world: World, count: int) -> list[Follower]:
    """So many who read the same from the start; and the origin begins to answer."""
    length = len(world.origin.content)
    crowd = [Follower(world, 0, length) for _ in range(count)]
    for question in list(world.origin.questions):
        world.origin.respond(question, world.chance)
    return crowd


def leave(world: World, crowd: list[Follower]) -> None:
    for follower in crowd:
        follower.reader.close()
    world.settle()


@pytest.mark.parametrize("max_size", [1 << 40, 0], ids=["stored", "in-memory"])
def test_a_piece_costs_each_of_a_crowd_the_same(max_size: int) -> None:
    def each(count: int) -> float:
        world = a_world(4 * 1024 * KIB, max_size=max_size)
        crowd = a_crowd(world, count)
        (body,) = world.origin.bodies
        steps = 0
        for _ in range(6):
            steps += steps_of(lambda: body.send(PIECE))
            for work in list(world.file.under_way):
                world.file.step(work)
        assert all(follower.reader.position == 6 * PIECE for follower in crowd)
        leave(world, crowd)
        return steps / count

    assert growth(each, FEW, MANY) < NEXT_TO_NOTHING


def test_a_piece_costs_nothing_for_those_who_wait_elsewhere() -> None:
    def steps(count: int) -> int:
        world = a_world(8 * 1024 * KIB)
        near = Follower(world, 0, 1024 * KIB)
        far = [Follower(world, 4 * 1024 * KIB + number, 8 * 1024 * KIB) for number in range(count)]
        world.origin.respond(world.origin.questions[0], world.chance)
        steps = steps_of(lambda: world.origin.bodies[0].send(PIECE))
        assert near.reader.position == PIECE
        leave(world, [near, *far])
        return steps

    assert growth(steps, FEW, MANY) < NEXT_TO_NOTHING


def test_who_comes_and_goes_costs_the_same_however_many_stay() -> None:
    def steps(count: int) -> int:
        world = a_world(4 * 1024 * KIB)
        crowd = a_crowd(world, count)
        world.origin.bodies[0].send(PIECE)
        steps = steps_of(lambda: Follower(world, 0, 4 * 1024 * KIB).reader.close())
        leave(world, crowd)
        return steps

    assert growth(steps, FEW, MANY) < NEXT_TO_NOTHING


def test_what_is_left_in_memory_costs_the_same_however_many_read() -> None:
    """Each reads a part of a chunk of his own, and goes on to the next; what he leaves behind is let go of."""

    def each(count: int) -> float:
        world = a_world(count * 8 * KIB, chunk_size=4 * KIB)
        places = [number * 8 * KIB for number in range(count)]
        readers = [world.generation.open_reader(place, place + 100, REQUEST) for place in places]

        def work() -> None:
            for place in places:
                world.generation.contents.put(place, b"x" * 100)
                world.generation.trim()

        steps = steps_of(work)
        for reader in readers:
            reader.close()
        world.settle()
        return steps / count

    assert growth(each, 100, 400) < 1.5


@pytest.mark.parametrize("what", ["reach", "read", "evict", "damage", "missing"])
def test_a_hit_costs_the_same_however_large_the_object(what: str) -> None:
    def steps(count: int) -> int:
        world = a_world(count * KIB, chunk_size=KIB, cached=True)
        generation, length = world.generation, count * KIB
        reader = generation.open_reader(0, length, REQUEST)

        def read() -> None:
            taken = reader.take(KIB)
            assert isinstance(taken, bytes)
            reader.moved(len(taken))

        def work() -> None:
            match what:
                case "reach":
                    assert generation.can_serve(0, length)
                    assert generation.reach(0, length) == length
                    assert generation.reach(KIB // 2, length, coming=True) == length
                case "read":
                    read()
                case "evict":
                    generation.contents.evict(count // 2)
                    assert generation.reach(0, length) == count // 2 * KIB
                    assert generation.contents.next_here(count // 2 * KIB, length) == (count // 2 + 1) * KIB
                case "damage":
                    assert generation.contents.at_or_beyond(length - KIB) == [count - 1]
                case _:
                    assert generation.contents.complete

        steps = steps_of(work)
        reader.close()
        world.settle()
        return steps

    assert growth(steps, 50, 5000) < NEXT_TO_NOTHING


def test_whether_a_chunk_is_in_use_costs_the_same_however_many_read() -> None:
    def steps(count: int) -> int:
        world = a_world(64 * 1024 * KIB, cached=True)
        readers = [world.generation.open_reader(number * KIB, None, REQUEST) for number in range(count)]
        steps = steps_of(lambda: world.generation.uses(1023))
        for reader in readers:
            reader.close()
        world.settle()
        return steps

    assert growth(steps, FEW, MANY) < NEXT_TO_NOTHING


def test_to_wait_and_to_be_woken_costs_the_same_however_many_wait_elsewhere() -> None:
    def steps(count: int) -> int:
        waiters = Waiters(Accounts())
        for number in range(count):
            waiters.wait(10 * number)

        def work() -> None:
            waiters.wait(15)
            assert waiters.any_in(11, 20)
            waiters.wake(11, 20)
            leaving = waiters.wait(15)
            leaving.addErrback(lambda failure: failure.trap(CancelledError))
            leaving.cancel()

        return steps_of(work)

    assert growth(steps, FEW, MANY) < NEXT_TO_NOTHING


@pytest.mark.parametrize("what", ["come and go", "be urged", "be granted"])
def test_a_place_in_the_queue_costs_the_same_however_many_wait(what: str) -> None:
    def steps(count: int) -> int:
        slots = Slots(2, 1)
        held: list[Slot] = []
        slots.acquire("films", Priority.CRITICAL, lambda: None).addCallback(held.append)
        queue = [slots.acquire("films", Priority.CRITICAL, lambda: None, f"client {number}") for number in range(count)]

        def work() -> None:
            match what:
                case "come and go":
                    slots.acquire("films", Priority.CRITICAL, lambda: None).addErrback(
                        lambda failure: failure.trap(CancelledError)
                    ).cancel()
                case "be urged":
                    slots.urge(queue[-1], Priority.LOW)
                case _:
                    held[0].release()

        steps = steps_of(work)
        for waiting in queue:
            waiting.addErrback(lambda failure: failure.trap(CancelledError))
            waiting.cancel()
        return steps

    assert growth(steps, FEW, MANY) < LOGARITHMIC


def test_room_is_granted_at_the_same_cost_however_many_wait_for_it() -> None:
    def each(count: int) -> float:
        leaving: list[Deferred[None]] = []

        def evict(name: ChunkName) -> Deferred[None]:
            leaving.append(Deferred())
            return leaving[-1]

        space = Space(Clock(), FileSystem(1 << 50, 1 << 50), SpaceLimits(count), Accounts(), lambda name: False, evict)
        space.begin()
        for index in range(count):
            space.reserve(1)
            space.admit(("old", index), 1)
        granted: list[bool] = []
        for _ in range(count):
            space.reserve(1).addCallback(granted.append)
        assert granted == []

        def leave() -> None:
            for gone in leaving:
                gone.callback(None)

        steps = steps_of(leave)
        assert granted == [True] * count
        return steps / count

    assert growth(each, FEW, MANY) < NEXT_TO_NOTHING
