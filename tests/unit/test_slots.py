"""Slots: limits, order, urgency, and what remains when somebody leaves the queue."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred

from proxycache.interfaces import Priority
from proxycache.origin.slots import Slot, Slots

CRITICAL, HIGH, MEDIUM, LOW = Priority.CRITICAL, Priority.HIGH, Priority.MEDIUM, Priority.LOW


def ignore() -> None:
    """A holder that does not let go."""


def granted(waiting: Deferred[Slot]) -> Slot:
    """The slot that a Deferred has."""
    assert waiting.called
    result = waiting.result
    assert isinstance(result, Slot)
    return result


def acquire(slots: Slots, priority: Priority = HIGH, origin: str = "a") -> Deferred[Slot]:
    return slots.acquire(origin, priority, ignore)


def note_and_release(slot: Slot, order: list[object], name: object) -> None:
    order.append(name)
    slot.release()


def test_limits_in_all() -> None:
    slots = Slots(total=2, per_origin=2)
    first, second, third = (acquire(slots, origin=name) for name in "abc")
    assert (first.called, second.called, third.called) == (True, True, False)
    granted(first).release()
    assert third.called
    assert slots.held == 2


def test_limits_per_origin_leave_others_alone() -> None:
    slots = Slots(total=3, per_origin=1)
    first, second, other = acquire(slots), acquire(slots), acquire(slots, origin="b")
    assert (first.called, second.called, other.called) == (True, False, True)
    granted(other).release()
    assert not second.called
    granted(first).release()
    assert second.called


def test_first_come_first_served_within_a_priority() -> None:
    slots = Slots(1, 1)
    held = acquire(slots)
    order: list[object] = []
    waiting = [acquire(slots) for _ in range(5)]
    for number, each in enumerate(waiting):
        each.addCallback(note_and_release, order, number)
    granted(held).release()
    assert order == [0, 1, 2, 3, 4]
    assert slots.held == 0


def test_the_more_urgent_first() -> None:
    slots = Slots(1, 1)
    held = acquire(slots)
    order: list[object] = []
    for priority in (LOW, HIGH, MEDIUM, HIGH, LOW):
        acquire(slots, priority).addCallback(note_and_release, order, priority)
    granted(held).release()
    assert order == [HIGH, HIGH, MEDIUM, LOW, LOW]


def test_releasing_twice_frees_one_slot() -> None:
    slots = Slots(1, 1)
    slot = granted(acquire(slots))
    slot.release()
    again = acquire(slots)
    slot.release()
    assert slots.held == 1
    assert not acquire(slots).called
    assert again.called


class Holder:
    """Holds a slot until it is preempted."""

    def __init__(self, slots: Slots, priority: Priority, origin: str = "a") -> None:
        self.preempted = False
        self.slot: Slot | None = None
        slots.acquire(origin, priority, self.preempt).addCallback(self.keep)

    def keep(self, slot: Slot) -> None:
        self.slot = slot

    def preempt(self) -> None:
        assert self.slot is not None
        self.preempted = True
        self.slot.release()


def test_critical_takes_the_slot_of_the_least_urgent() -> None:
    slots = Slots(4, 4)
    holders = [Holder(slots, priority) for priority in (CRITICAL, LOW, HIGH, MEDIUM)]
    assert acquire(slots, CRITICAL).called
    assert [holder.preempted for holder in holders] == [False, True, False, False]
    assert acquire(slots, CRITICAL).called
    assert [holder.preempted for holder in holders] == [False, True, False, True]
    assert acquire(slots, CRITICAL).called
    assert [holder.preempted for holder in holders] == [False, True, True, True]
    assert not acquire(slots, CRITICAL).called
    assert slots.held == 4


def test_of_two_equals_the_younger_has_to_go() -> None:
    slots = Slots(2, 2)
    older, younger = Holder(slots, LOW), Holder(slots, LOW)
    acquire(slots, CRITICAL)
    assert (older.preempted, younger.preempted) == (False, True)


def test_only_critical_takes() -> None:
    slots = Slots(1, 1)
    holder = Holder(slots, LOW)
    for priority in (HIGH, MEDIUM, LOW):
        assert not acquire(slots, priority).called
    assert not holder.preempted


def test_nothing_is_taken_where_a_slot_is_free() -> None:
    slots = Slots(2, 2)
    holder = Holder(slots, LOW)
    assert acquire(slots, CRITICAL).called
    assert not holder.preempted


def test_at_the_limit_of_its_origin_it_takes_from_that_origin() -> None:
    slots = Slots(3, 1)
    own, other = Holder(slots, HIGH, "a"), Holder(slots, LOW, "b")
    assert acquire(slots, CRITICAL, "a").called
    assert (own.preempted, other.preempted) == (True, False)


def test_at_the_limit_of_all_it_takes_from_any_origin() -> None:
    slots = Slots(2, 2)
    own, other = Holder(slots, HIGH, "a"), Holder(slots, LOW, "b")
    assert acquire(slots, CRITICAL, "c").called
    assert (own.preempted, other.preempted) == (False, True)


def test_a_preempted_slot_goes_to_the_critical_request_and_not_to_the_queue() -> None:
    slots = Slots(1, 1)
    Holder(slots, LOW)
    waiting = acquire(slots, HIGH)
    assert acquire(slots, CRITICAL).called
    assert not waiting.called


def test_a_holder_may_have_become_urgent() -> None:
    slots = Slots(1, 1)
    holder = Holder(slots, LOW)
    assert holder.slot is not None
    holder.slot.reprioritise(CRITICAL)
    assert not acquire(slots, CRITICAL).called
    assert not holder.preempted


def test_a_holder_that_is_no_longer_urgent_gives_way_to_whoever_waits() -> None:
    """A CRITICAL request never queues behind lower ones: it takes a slot from them."""
    slots = Slots(1, 1)
    holder = Holder(slots, CRITICAL)
    waiting = acquire(slots, CRITICAL)
    assert holder.slot is not None
    holder.slot.reprioritise(LOW)
    assert waiting.called
    assert holder.preempted


def test_who_waits_may_become_more_urgent() -> None:
    slots = Slots(1, 1)
    held = acquire(slots)
    first, second = acquire(slots, LOW), acquire(slots, LOW)
    slots.urge(second, HIGH)
    granted(held).release()
    assert (first.called, second.called) == (False, True)


def test_who_waits_may_become_less_urgent() -> None:
    slots = Slots(1, 1)
    held = acquire(slots)
    first, second = acquire(slots, HIGH), acquire(slots, MEDIUM)
    slots.urge(first, LOW)
    granted(held).release()
    assert (first.called, second.called) == (False, True)


def test_who_becomes_critical_takes_a_slot() -> None:
    slots = Slots(1, 1)
    holder = Holder(slots, MEDIUM)
    waiting = acquire(slots, LOW)
    slots.urge(waiting, CRITICAL)
    assert waiting.called
    assert holder.preempted
    assert granted(waiting).priority is CRITICAL


def test_urging_who_has_a_slot_or_has_left_is_nothing() -> None:
    slots = Slots(1, 1)
    held, waiting = acquire(slots, LOW), acquire(slots, LOW)
    waiting.addErrback(lambda failure: failure.trap(CancelledError))
    waiting.cancel()
    slots.urge(waiting, CRITICAL)
    slots.urge(held, CRITICAL)
    assert granted(held).priority is LOW
    assert slots.held == 1


def test_leaving_the_queue() -> None:
    slots = Slots(1, 1)
    held = acquire(slots)
    leaving, staying = acquire(slots), acquire(slots)
    failures: list[object] = []
    leaving.addErrback(lambda failure: failures.append(failure.trap(CancelledError)))
    leaving.cancel()
    assert failures == [CancelledError]
    granted(held).release()
    assert staying.called
    granted(staying).release()
    assert slots.held == 0
    assert acquire(slots).called


def test_asking_again_from_within_a_grant() -> None:
    slots = Slots(1, 1)
    held = acquire(slots)
    order: list[object] = []

    def again(slot: Slot) -> None:
        order.append("first")
        acquire(slots, HIGH).addCallback(note_and_release, order, "again")
        slot.release()

    acquire(slots, LOW).addCallback(again)
    acquire(slots, LOW).addCallback(note_and_release, order, "second")
    granted(held).release()
    assert order == ["first", "again", "second"]
    assert slots.held == 0


class TestAtThePaceOfClients:
    """Those who send or take slowly have a part of the connections, and one client a part of these."""

    @staticmethod
    def uploads(slots: Slots, *clients: str, origin: str = "a") -> list[Deferred[Slot]]:
        return [slots.acquire(origin, CRITICAL, ignore, client, uploading=True) for client in clients]

    def test_uploads_leave_connections_to_others(self) -> None:
        slots = Slots(100, 8)
        assert [each.called for each in self.uploads(slots, *"abcdefgh")] == [True] * 2 + [False] * 6
        assert [acquire(slots, CRITICAL).called for _ in range(7)] == [True] * 6 + [False]

    def test_of_all_origins_together(self) -> None:
        slots = Slots(8, 8)
        assert [each.called for name in "abcd" for each in self.uploads(slots, "x", origin=name)] == [True] * 2 + [
            False
        ] * 2

    def test_one_there_is_always(self) -> None:
        slots = Slots(1, 1)
        assert [each.called for each in self.uploads(slots, "x", "y")] == [True, False]

    def test_one_client_has_its_limit(self) -> None:
        slots = Slots(100, 100, per_client=2)
        assert [each.called for each in self.uploads(slots, *"xxxyxy")] == [True, True, False, True, False, True]

    def test_what_was_sent_makes_room_for_the_next(self) -> None:
        """It is the origin's pace from then on."""
        slots = Slots(4, 4, per_client=1)
        first, second = self.uploads(slots, "x", "x")
        assert not second.called
        granted(first).uploaded()
        assert second.called
        assert slots.held == 2
        granted(second).release()
        granted(second).uploaded()
        (third,) = self.uploads(slots, "x")
        assert third.called

    def test_who_waits_for_its_turn_takes_from_nobody(self) -> None:
        slots = Slots(4, 4)
        holders = [Holder(slots, LOW) for _ in range(3)]
        self.uploads(slots, "x", "y")
        assert [holder.preempted for holder in holders] == [False] * 3

    def test_who_takes_nothing_loses_it_where_there_are_many_the_oldest_first(self) -> None:
        slots = Slots(100, 8)
        holders = [Holder(slots, CRITICAL) for _ in range(8)]
        for holder in holders[::-1]:
            assert holder.slot is not None
            holder.slot.stall(True)
        for count in range(1, 9):
            assert acquire(slots, CRITICAL).called is (count <= 6)
        assert [holder.preempted for holder in holders] == [False] * 2 + [True] * 6

    def test_not_once_it_takes_again(self) -> None:
        slots = Slots(100, 2)
        holders = [Holder(slots, CRITICAL) for _ in range(2)]
        for stalled in (True, False):
            for holder in holders:
                assert holder.slot is not None
                holder.slot.stall(stalled)
        assert not acquire(slots, CRITICAL).called

    def test_whoever_waits_already_gets_it_as_soon_as_there_are_many(self) -> None:
        slots = Slots(100, 2)
        holders = [Holder(slots, CRITICAL) for _ in range(2)]
        waiting = acquire(slots, CRITICAL)
        for holder in holders:
            assert not waiting.called
            assert holder.slot is not None
            holder.slot.stall(True)
        assert waiting.called
        assert [holder.preempted for holder in holders] == [True, False]

    def test_only_to_somebody_who_waits_for_it_himself(self) -> None:
        slots = Slots(100, 1)
        holder = Holder(slots, CRITICAL)
        assert holder.slot is not None
        holder.slot.stall(True)
        assert not acquire(slots, HIGH).called
        assert not holder.preempted


def test_one_client_does_not_stand_in_the_way_of_others() -> None:
    """Who asks for much, and waits for it, waits longer."""
    slots = Slots(2, 2)
    order: list[object] = []
    held = [slots.acquire("a", CRITICAL, ignore, "greedy") for _ in range(2)]
    for client in ("greedy", "greedy", "x", "greedy", "y", "x"):
        slots.acquire("a", CRITICAL, ignore, client).addCallback(note_and_release, order, client)
    granted(held[0]).release()
    assert order == ["x", "y", "x", "greedy", "greedy", "greedy"]


def test_but_urgency_comes_before_fairness() -> None:
    slots = Slots(2, 2)
    order: list[object] = []
    held = [slots.acquire("a", CRITICAL, ignore, "greedy") for _ in range(2)]
    slots.acquire("a", HIGH, ignore, "x").addCallback(note_and_release, order, "x")
    slots.acquire("a", CRITICAL, ignore, "greedy").addCallback(note_and_release, order, "greedy")
    granted(held[0]).release()
    assert order == ["greedy", "x"]


def test_two_that_come_at_once_do_not_ask_for_the_same_one() -> None:
    """A holder may take a moment to let go."""
    slots = Slots(2, 2)
    asked: list[int] = []
    held = [slots.acquire("a", LOW, lambda number=number: asked.append(number)) for number in range(2)]  # type: ignore[misc]
    urgent = [acquire(slots, CRITICAL) for _ in range(2)]
    assert sorted(asked) == [0, 1]
    for each in held:
        granted(each).release()
    assert all(each.called for each in urgent)
