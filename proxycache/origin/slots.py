"""Limits on connections, per origin and in all, with an order of urgency."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Callable
from itertools import count

from attrs import define, field
from twisted.internet.defer import Deferred

from proxycache.interfaces import Priority


@define(eq=False)
class Slot:
    """The right to one connection, until C{release}.

    @ivar preempt: called when a more urgent request needs the slot; it has to release at once.
    """

    origin: str
    priority: Priority
    number: int
    preempt: Callable[[], None]
    _slots: Slots
    _held: bool = True

    def reprioritise(self, priority: Priority) -> None:
        """Its use has become more or less urgent. Whoever waits for a slot may take one that is not urgent."""
        relaxed = priority > self.priority
        self.priority = priority
        if relaxed and self._held:
            self._slots._relaxed()

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
    granted: Deferred[Slot] = field(order=False)


class Slots:
    """Grants slots by priority, first come, first served within one.

    A CRITICAL request that finds none free takes the one of the least urgent request that is not CRITICAL.
    """

    def __init__(self, total: int, per_origin: int) -> None:
        self._total = total
        self._per_origin = per_origin
        self._numbers = count()
        self._held: list[Slot] = []
        self._by_origin: Counter[str] = Counter()
        self._queue: list[_Waiting] = []

    @property
    def held(self) -> int:
        """Slots in use."""
        return len(self._held)

    def acquire(self, origin: str, priority: Priority, preempt: Callable[[], None]) -> Deferred[Slot]:
        """Wait for a slot. Cancelling gives up the place in the queue."""
        waiting = _Waiting(priority, next(self._numbers), origin, preempt, Deferred(self._abandon))
        insort(self._queue, waiting)
        if priority is Priority.CRITICAL and not self._free(origin):
            self._take_one_for(origin)
        self._grant()
        return waiting.granted

    def urge(self, granted: Deferred[Slot], priority: Priority) -> None:
        """Who waits in the queue has become more urgent, or less."""
        for waiting in self._queue:
            if waiting.granted is granted:
                self._queue.remove(waiting)
                waiting.priority = priority
                insort(self._queue, waiting)
                if priority is Priority.CRITICAL and not self._free(waiting.origin):
                    self._take_one_for(waiting.origin)
                self._grant()
                return

    def _abandon(self, granted: Deferred[Slot]) -> None:
        self._queue = [waiting for waiting in self._queue if waiting.granted is not granted]

    def _free(self, origin: str) -> bool:
        return len(self._held) < self._total and self._by_origin[origin] < self._per_origin

    def _take_one_for(self, origin: str) -> None:
        own_limit = self._by_origin[origin] >= self._per_origin
        candidates = [
            slot
            for slot in self._held
            if slot.priority is not Priority.CRITICAL and (slot.origin == origin or not own_limit)
        ]
        if candidates:
            max(candidates, key=lambda slot: (slot.priority, slot.number)).preempt()

    def _relaxed(self) -> None:
        for waiting in list(self._queue):
            if waiting.priority is not Priority.CRITICAL:
                return
            if waiting in self._queue and not self._free(waiting.origin):
                self._take_one_for(waiting.origin)
        self._grant()

    def _grant(self) -> None:
        for waiting in list(self._queue):
            if len(self._held) >= self._total:
                return
            if waiting in self._queue and self._free(waiting.origin):
                self._queue.remove(waiting)
                slot = Slot(waiting.origin, waiting.priority, waiting.number, waiting.preempt, self)
                self._held.append(slot)
                self._by_origin[slot.origin] += 1
                waiting.granted.callback(slot)

    def _released(self, slot: Slot) -> None:
        self._held.remove(slot)
        self._by_origin[slot.origin] -= 1
        self._grant()
