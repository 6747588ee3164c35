"""Room for chunks under random sequences of writes, failures, reads and slow evictions."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from proxycache.store.space import SpaceLimits

from .test_space import Room

LIMIT = 50

steps = st.one_of(
    st.tuples(st.just("reserve"), st.integers(1, 30)),
    st.tuples(st.sampled_from(["written", "failed", "left", "use", "lost", "pin", "unpin"]), st.integers(0, 40)),
)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.lists(steps, max_size=60))
def test_the_limit_is_never_exceeded_and_nobody_waits_for_ever(script: list[tuple[str, int]]) -> None:
    room = Room(SpaceLimits(LIMIT), slow=True)
    on_disk: dict[int, int] = {}
    leaving: list[int] = []
    writing: list[int] = []
    waiting: list[tuple[int, Deferred[bool]]] = []
    written = evicted = 0

    def look_around() -> None:
        nonlocal evicted
        for _, chunk in room.evicted[evicted:]:
            assert ("a", chunk) not in room.pinned
            leaving.append(on_disk.pop(chunk))
        evicted = len(room.evicted)
        for size, pending in list(waiting):
            if pending.called:
                waiting.remove((size, pending))
                if answer_of(pending):
                    writing.append(size)
        # The bytes on the disk and those that may be written now.
        assert sum(on_disk.values()) + sum(leaving) + sum(writing) <= LIMIT
        assert room.space.used == sum(on_disk.values())
        assert not waiting or leaving

    for what, number in script:
        match what:
            case "reserve":
                waiting.append((number, room.space.reserve(number)))
            case "written" if writing:
                size = writing.pop(number % len(writing))
                on_disk[written] = size
                room.space.admit(("a", written), size)
                written += 1
            case "failed" if writing:
                room.space.release(writing.pop(number % len(writing)))
            case "left" if leaving:
                del leaving[0]
                room.leaving.pop(0).callback(None)
            case "use":
                room.space.use(("a", number))
            case "lost" if number in on_disk:
                del on_disk[number]
                room.space.remove(("a", number))
            case "pin":
                room.pinned.add(("a", number))
            case "unpin":
                room.pinned.discard(("a", number))
        look_around()
    while leaving:
        del leaving[0]
        room.leaving.pop(0).callback(None)
        look_around()
    assert not waiting


def answer_of(pending: Deferred[bool]) -> bool:
    heard: list[bool] = []

    def hear(result: bool) -> bool:
        heard.append(result)
        return result

    pending.addCallback(hear)
    return heard[0]
