"""Limits on connections, per origin and in all, with an order of urgency; and on those whose pace is a client's."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred

from proxycache.interfaces import Priority

T = TypeVar("T")

CLIENTS_PART = 4
"""One in so many connections, and one at least, may be at the pace of clients."""


@define(eq=False)
class Slot:
    """The right to one connection, until C{release}.

    @ivar preempt: called when a more urgent request needs the slot; it has to release at once.
    @ivar client: on whose behalf; None: on nobody's in particular.
    @ivar uploading: whether the request still comes from the client.
    @ivar stalled: whether the client takes nothing, and what was begun cannot be resumed.
    @ivar taken: whether it was asked for already.
    """

    origin: str
    priority: Priority
    number: int
    preempt: Callable[[], None]
    client: str | None
    uploading: bool
    _slots: Slots
    stalled: bool = False
    taken: bool = False
    _held: bool = True

    def reprioritise(self, priority: Priority) -> None:
        """Its use has become more or less urgent. Whoever waits for a slot may take one that is not urgent."""
        relaxed = priority > self.priority
        self.priority = priority
        if relaxed and self._held:
            self._slots._relaxed()

    def uploaded(self) -> None:
        """The request is sent: from now on the pace is the origin's."""
        if self._held and self.uploading:
            self._slots._uploaded(self)

    def stall(self, stalled: bool) -> None:
        """The client takes nothing for now, or it does again.

        Where many do, who waits for a slot may take that of the one that has taken nothing for longest.
        """
        if self._held and stalled is not self.stalled:
            self._slots._stall(self, stalled)

    def take(self) -> None:
        """A more urgent request needs it."""
        self.taken = True
        self.preempt()

    def release(self) -> None:
        """Give the slot back. Idempotent."""
        if self._held:
            self._held = False
            self._slots._released(self)


@define(order=True)
class _Waiting:
    priority: Priority
    number: int
    origin: str = field(order=False)
    preempt: Callable[[], None] = field(order=False)
    client: str | None = field(order=False)
    uploading: bool = field(order=False)
    granted: Deferred[Slot] = field(order=False)


class Slots:
    """Grants slots by priority; within one to the client who holds fewest, and first come, first served.

    A CRITICAL request that finds none free takes the one of the least urgent request that is not CRITICAL; else that of
    a client that takes nothing, where these hold more than their part.

    @param per_client: how many of that part are one client's; None: all.
    """

    def __init__(self, total: int, per_origin: int, per_client: int | None = None) -> None:
        self._total = total
        self._per_origin = per_origin
        self._per_client = per_client
        self._numbers = count()
        self._held: list[Slot] = []
        self._by_origin: Counter[str] = Counter()
        self._by_client: Counter[str | None] = Counter()
        self._uploading: list[Slot] = []
        self._stalled: list[Slot] = []
        self._queue: list[_Waiting] = []
        self._queued: dict[Deferred[Slot], _Waiting] = {}
        self._queued_origins: Counter[str] = Counter()
        self._queued_clients: Counter[str | None] = Counter()

    @property
    def held(self) -> int:
        """Slots in use."""
        return len(self._held)

    def acquire(
        self,
        origin: str,
        priority: Priority,
        preempt: Callable[[], None],
        client: str | None = None,
        uploading: bool = False,
    ) -> Deferred[Slot]:
        """Wait for a slot. Cancelling gives up the place in the queue.

        @param uploading: whether the request is still to come from C{client}: these have a part of the slots only.
        """
        granted: Deferred[Slot] = Deferred(self._abandon)
        waiting = _Waiting(priority, next(self._numbers), origin, preempt, client, uploading, granted)
        self._enqueue(waiting)
        self._make_room_for(waiting)
        self._grant()
        return waiting.granted

    def urge(self, granted: Deferred[Slot], priority: Priority) -> None:
        """Who waits in the queue has become more urgent, or less."""
        waiting = self._queued.get(granted)
        if waiting is not None:
            self._dequeue(waiting)
            waiting.priority = priority
            self._enqueue(waiting)
            self._make_room_for(waiting)
            self._grant()

    def _abandon(self, granted: Deferred[Slot]) -> None:
        waiting = self._queued.get(granted)
        if waiting is not None:
            self._dequeue(waiting)

    def _enqueue(self, waiting: _Waiting) -> None:
        insort(self._queue, waiting)
        self._queued[waiting.granted] = waiting
        self._queued_origins[waiting.origin] += 1
        self._queued_clients[waiting.client] += 1

    def _dequeue(self, waiting: _Waiting) -> None:
        del self._queue[bisect_left(self._queue, waiting)]
        del self._queued[waiting.granted]
        _one_less(self._queued_origins, waiting.origin)
        _one_less(self._queued_clients, waiting.client)

    def _free(self, origin: str) -> bool:
        return len(self._held) < self._total and self._by_origin[origin] < self._per_origin

    def _allowed(self, waiting: _Waiting) -> bool:
        """Whether the part of those who wait for clients has room for it."""
        return not waiting.uploading or self._within_part(self._uploading, waiting.origin, waiting.client, 1)

    def _within_part(self, slots: list[Slot], origin: str, client: str | None, more: int = 0) -> bool:
        """Whether C{slots} and so many more, for an origin and a client, are no more than may be at clients' pace."""
        return (
            len(slots) + more <= _part(self._total)
            and sum(slot.origin == origin for slot in slots) + more <= _part(self._per_origin)
            and (
                client is None
                or self._per_client is None
                or sum(slot.client == client for slot in slots) + more <= self._per_client
            )
        )

    def _make_room_for(self, waiting: _Waiting) -> bool:
        """Whether there is any room to be made for others like it."""
        if waiting.priority is Priority.CRITICAL and not self._free(waiting.origin) and self._allowed(waiting):
            return self._take_one_for(waiting.origin)
        return True

    def _take_one_for(self, origin: str) -> bool:
        own_limit = self._by_origin[origin] >= self._per_origin
        takable = [slot for slot in self._held if not slot.taken and (slot.origin == origin or not own_limit)]
        patient = [slot for slot in takable if slot.priority is not Priority.CRITICAL]
        if patient:
            max(patient, key=lambda slot: (slot.priority, slot.number)).take()
            return True
        for slot in self._stalled:
            if slot in takable and not self._within_part(self._stalled, slot.origin, slot.client):
                slot.take()
                return True
        return False

    def _relaxed(self) -> None:
        in_vain: set[str] = set()
        for waiting in list(self._queue):
            if waiting.priority is not Priority.CRITICAL:
                break
            still = waiting.granted in self._queued
            if waiting.origin not in in_vain and still and not self._make_room_for(waiting):
                in_vain.add(waiting.origin)
        self._grant()

    def _next(self) -> _Waiting | None:
        """Whose turn it is; None where nobody who waits may have a slot."""
        if not any(map(self._free, self._queued_origins)):
            return None
        fewest = 0
        if len(self._queued_clients) <= len(self._by_client):
            fewest = min(self._by_client[client] for client in self._queued_clients)
        found: _Waiting | None = None
        for waiting in self._queue:
            if found is not None and waiting.priority is not found.priority:
                break
            held = self._by_client[waiting.client]
            if found is not None and held >= self._by_client[found.client]:
                continue
            if self._free(waiting.origin) and self._allowed(waiting):
                found = waiting
                if held == fewest:
                    break
        return found

    def _grant(self) -> None:
        while (waiting := self._next()) is not None:
            self._dequeue(waiting)
            slot = Slot(
                waiting.origin,
                waiting.priority,
                waiting.number,
                waiting.preempt,
                waiting.client,
                waiting.uploading,
                self,
            )
            self._held.append(slot)
            self._by_origin[slot.origin] += 1
            self._by_client[slot.client] += 1
            if slot.uploading:
                self._uploading.append(slot)
            waiting.granted.callback(slot)

    def _uploaded(self, slot: Slot) -> None:
        slot.uploading = False
        self._uploading.remove(slot)
        self._relaxed()

    def _stall(self, slot: Slot, stalled: bool) -> None:
        slot.stalled = stalled
        if stalled:
            self._stalled.append(slot)
            self._relaxed()
        else:
            self._stalled.remove(slot)

    def _released(self, slot: Slot) -> None:
        self._held.remove(slot)
        self._by_origin[slot.origin] -= 1
        _one_less(self._by_client, slot.client)
        for slots in (self._uploading, self._stalled):
            if slot in slots:
                slots.remove(slot)
        self._grant()


def _part(limit: int) -> int:
    return max(1, limit // CLIENTS_PART)


def _one_less(counts: Counter[T], name: T) -> None:
    counts[name] -= 1
    if not counts[name]:
        del counts[name]
