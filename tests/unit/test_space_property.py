"""Room for chunks under random sequences of writes, failures, reads and slow evictions."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from proxycache.policy.eviction import ENTRY, ChunkName
from proxycache.store.space import SpaceLimits

from .test_space import Room

LIMIT = 50

steps = st.one_of(
    st.tuples(st.just("reserve"), st.integers(1, 30)),
    st.tuples(st.sampled_from(["record", "unrecord"]), st.integers(1, 30)),
    st.tuples(st.sampled_from(["written", "failed", "left", "use", "lost", "pin", "unpin"]), st.integers(0, 40)),
)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.lists(steps, max_size=60))
def test_the_limit_is_never_exceeded_and_nobody_waits_for_ever(script: list[tuple[str, int]]) -> None:
    room = Room(SpaceLimits(LIMIT), slow=True)
    on_disk: dict[ChunkName, int] = {}
    leaving: list[tuple[ChunkName, int]] = []
    writing: list[int] = []
    waiting: list[tuple[int, Deferred[bool]]] = []
    written = evicted = 0

    def look_around() -> None:
        nonlocal evicted
        for name in room.evicted[evicted:]:
            assert name not in room.pinned
            leaving.append((name, on_disk.pop(name)))
        evicted = len(room.evicted)
        for size, pending in list(waiting):
            if pending.called:
                waiting.remove((size, pending))
                if answer_of(pending):
                    writing.append(size)
        assert sum(on_disk.values()) + sum(writing) <= LIMIT
        # The bytes of chunks on the disk and those that may be written now. What little is known of an entry is written
        # a moment later, and does not wait for the disk.
        chunks = [size for (_, index), size in (*on_disk.items(), *leaving) if index != ENTRY]
        assert sum(chunks) + sum(writing) <= LIMIT
        assert room.space.used == sum(on_disk.values())
        assert not waiting or leaving

    for what, number in script:
        match what:
            case "reserve":
                waiting.append((number, room.space.reserve(number)))
            case "written" if writing:
                size = writing.pop(number % len(writing))
                on_disk["a", written] = size
                room.space.admit(("a", written), size)
                written += 1
            case "record":
                # One of those that there are already never becomes larger here.
                id = f"entry of {number} bytes"
                if room.space.admit_entry(id, number):
                    on_disk[id, ENTRY] = number
            case "unrecord":
                name = (f"entry of {number} bytes", ENTRY)
                on_disk.pop(name, None)
                room.space.remove(name)
            case "failed" if writing:
                room.space.release(writing.pop(number % len(writing)))
            case "left" if leaving:
                del leaving[0]
                room.leaving.pop(0).callback(None)
            case "use":
                room.space.use(("a", number))
            case "lost" if ("a", number) in on_disk:
                del on_disk["a", number]
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
