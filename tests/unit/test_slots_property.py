"""Slots under random sequences of asking, giving back and leaving the queue."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import Factory, define
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred

from proxycache.interfaces import Priority
from proxycache.origin.slots import Slot, Slots

TOTAL, PER_ORIGIN = 4, 2
ORIGINS = "abc"
ADDRESSES = (None, "x", "y")


@define(eq=False)
class Client:
    """Somebody who asked for a slot."""

    number: int
    origin: str
    priority: Priority
    address: str | None
    others: list[Client]
    slot: Slot | None = None
    waiting: Deferred[Slot] | None = None

    def ask(self, slots: Slots) -> None:
        self.waiting = slots.acquire(self.origin, self.priority, self.preempt, self.address)
        self.waiting.addCallbacks(self.keep, lambda failure: failure.trap(CancelledError))

    @property
    def queued(self) -> bool:
        return self.waiting is not None and self.slot is None

    def keep(self, slot: Slot) -> None:
        self.slot = slot
        for other in self.others:
            # Nobody overtakes one who is more urgent, nor an equal who has less, or who has no more and came before.
            if other.queued and other.origin == self.origin:
                assert self.standing(self) < self.standing(other)

    def standing(self, client: Client) -> tuple[Priority, int, int]:
        """Who comes first, before this one got its slot."""
        held = sum(each.slot is not None and each.address == client.address for each in self.others if each is not self)
        return client.priority, held, client.number

    def preempt(self) -> None:
        assert self.slot is not None
        assert self.slot.priority is not Priority.CRITICAL
        self.release()

    def release(self) -> None:
        assert self.slot is not None
        slot, self.slot, self.waiting = self.slot, None, None
        slot.release()

    def urge(self, slots: Slots, priority: Priority) -> None:
        self.priority = priority
        if self.slot is not None:
            self.slot.reprioritise(priority)
        elif self.waiting is not None:
            slots.urge(self.waiting, priority)

    def leave(self) -> None:
        assert self.waiting is not None
        waiting, self.waiting = self.waiting, None
        waiting.cancel()


@define
class Crowd:
    """All who ever asked."""

    slots: Slots = Factory(lambda: Slots(TOTAL, PER_ORIGIN))
    clients: list[Client] = Factory(list)

    def ask(self, origin: str, priority: Priority, address: str | None) -> None:
        client = Client(len(self.clients), origin, priority, address, self.clients)
        self.clients.append(client)
        client.ask(self.slots)

    @property
    def holding(self) -> list[Client]:
        return [client for client in self.clients if client.slot is not None]

    @property
    def queued(self) -> list[Client]:
        return [client for client in self.clients if client.queued]

    def check(self) -> None:
        holding = self.holding
        assert self.slots.held == len(holding) <= TOTAL
        held = {name: sum(client.origin == name for client in holding) for name in ORIGINS}
        assert max(held.values()) <= PER_ORIGIN
        for client in self.queued:
            own_limit = held[client.origin] == PER_ORIGIN
            # Nobody waits who could be served.
            assert own_limit or len(holding) == TOTAL
            if client.priority is Priority.CRITICAL:
                takable = [other for other in holding if other.origin == client.origin or not own_limit]
                assert all(other.priority is Priority.CRITICAL for other in takable)


asking = st.tuples(st.just("ask"), st.sampled_from(ORIGINS), st.sampled_from(Priority), st.sampled_from(ADDRESSES))
urging = st.tuples(st.just("urge"), st.integers(0, 50), st.sampled_from(Priority))
leaving = st.tuples(st.sampled_from(["release", "leave"]), st.integers(0, 50))


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.lists(st.one_of(asking, urging, leaving), max_size=40))
def test_nothing_is_exceeded_lost_or_leaked(
    script: Iterable[tuple[str, str, Priority, str | None] | tuple[str, int, Priority] | tuple[str, int]],
) -> None:
    crowd = Crowd()
    for step in script:
        match step:
            case ("ask", str(origin), Priority() as priority, address):
                crowd.ask(origin, priority, address)
            case ("urge", int(which), Priority() as priority) if crowd.clients:
                crowd.clients[which % len(crowd.clients)].urge(crowd.slots, priority)
            case ("release", int(which)) if crowd.holding:
                crowd.holding[which % len(crowd.holding)].release()
            case ("leave", int(which)) if crowd.queued:
                client = crowd.queued[which % len(crowd.queued)]
                client.leave()
                assert client.slot is None
        crowd.check()
    # Whoever did not leave gets a turn, and in the end everything is free.
    while crowd.holding:
        crowd.holding[0].release()
    assert not crowd.queued
    assert crowd.slots.held == 0
