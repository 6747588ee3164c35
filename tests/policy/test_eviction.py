"""The order of eviction against a plain list."""

from __future__ import annotations

from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.policy.eviction import ENTRY, MOST_PASSED, ChunkName, LeastRecentlyUsed

names = st.tuples(st.sampled_from(["a", "b"]), st.integers(ENTRY, 3))
sizes = st.dictionaries(st.integers(0, 3), st.integers(0, 9))
steps = st.one_of(
    st.tuples(st.just("admit"), names, st.integers(0, 9)),
    st.tuples(st.sampled_from(["use", "remove"]), names, st.just(0)),
    st.tuples(st.just("restore"), names, sizes),
    st.tuples(st.just("retain"), names, st.just(0)),
)


def first_that_suffice(oracle: list[tuple[ChunkName, int]], needed: int, pinned: set[ChunkName]) -> list[ChunkName]:
    free = [(name, size) for name, size in oracle if name not in pinned]
    chosen: list[tuple[ChunkName, int]] = []
    while free and sum(size for _, size in chosen) < needed:
        chosen.append(free.pop(0))
    return [name for name, _ in chosen]


class Oracle:
    """Members with their sizes, the least recently used first; and those that were there at the start, by entry."""

    def __init__(self) -> None:
        self.newer: list[tuple[ChunkName, int]] = []
        self.stored: dict[str, list[tuple[ChunkName, int]]] = {}

    def items(self) -> list[tuple[ChunkName, int]]:
        return [*(member for members in self.stored.values() for member in members), *self.newer]

    def remove(self, name: ChunkName) -> None:
        self.newer = [each for each in self.newer if each[0] != name]
        kept = {id: [each for each in members if each[0] != name] for id, members in self.stored.items()}
        self.stored = {id: members for id, members in kept.items() if members}

    def last(self, name: ChunkName) -> None:
        size = dict(self.items()).get(name)
        if size is not None:
            self.remove(name)
            self.newer.append((name, size))

    def admit(self, name: ChunkName, size: int) -> None:
        self.remove(name)
        self.newer.append((name, size))
        self.last((name[0], ENTRY))

    def use(self, name: ChunkName) -> None:
        self.last(name)
        self.last((name[0], ENTRY))

    def restore(self, id: str, members: dict[int, int]) -> None:
        self.stored.pop(id, None)
        known = dict(self.newer)
        older = [((id, index), size) for index, size in members.items() if (id, index) not in known]
        if any(name[0] == id for name in known):
            self.newer += [each for each in older if each[0][1] == ENTRY]
            older = [each for each in older if each[0][1] != ENTRY]
        if older:
            self.stored[id] = older

    def retain(self, id: str) -> None:
        self.newer = [each for each in self.newer if each[0][0] == id]
        self.stored = {each: members for each, members in self.stored.items() if each == id}


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.lists(steps, max_size=40), st.integers(0, 60), st.sets(names))
def test_agrees_with_a_list(
    script: list[tuple[str, ChunkName, int | dict[int, int]]], needed: int, pinned: set[ChunkName]
) -> None:
    order, oracle = LeastRecentlyUsed(), Oracle()
    for operation, name, value in script:
        match operation, value:
            case "admit", int(size):
                order.admit(name, size)
                oracle.admit(name, size)
            case "use", _:
                order.use(name)
                oracle.use(name)
            case "restore", dict(chunks):
                members = {**dict(sorted(chunks.items())), ENTRY: 1}
                order.restore(name[0], sum(members.values()), len(chunks), partial(dict, members))
                oracle.restore(name[0], members)
            case "retain", _:
                order.retain({name[0]})
                oracle.retain(name[0])
            case _:
                order.remove(name)
                oracle.remove(name)
        known = oracle.items()
        assert order.total == sum(size for _, size in known)
        with_chunks = {name[0] for name, _ in known if name[1] != ENTRY}
        assert all(order.holds(id) == (id in with_chunks) for id in "ab")
        assert order.items() == known
        assert all(name in order and order.size(name) == size for name, size in known)
        places = {name: place for place, (name, _) in enumerate(known)}
        assert all(places.get((id, ENTRY), len(known)) >= place for (id, _), place in places.items())
    assert ("c", 0) not in order
    known = oracle.items()
    chosen = first_that_suffice(known, needed, pinned)
    passed = [name for name, _ in known if name in pinned]
    if sum(dict(known)[name] for name in chosen) >= needed:
        # It is looked no farther.
        names = [name for name, _ in known]
        passed = [name for name in names[: names.index(chosen[-1]) if chosen else 0] if name in pinned]
    assert order.victims(needed, pinned.__contains__) == chosen
    for name in passed:
        oracle.use(name)
    assert order.items() == oracle.items()


def test_what_was_there_is_looked_at_once_it_is_needed() -> None:
    order, looked = LeastRecentlyUsed(), []

    def expand(id: str) -> dict[int, int]:
        looked.append(id)
        return {0: 5, 1: 5, ENTRY: 1}

    for id in "abc":
        order.restore(id, 11, 2, partial(expand, id))
    assert order.total == 33
    assert order.holds("a")
    assert looked == []
    order.use(("b", 1))
    assert looked == ["b"]
    assert order.victims(12, lambda name: False) == [("a", 0), ("a", 1), ("a", ENTRY), ("b", 0)]
    assert looked == ["b", "a"]


def test_whether_there_is_anything_of_a_generation() -> None:
    order = LeastRecentlyUsed()
    assert not order.holds("a")
    order.admit(("a", ENTRY), 10)
    assert not order.holds("a")
    order.admit(("a", 0), 10)
    order.admit(("a", 0), 20)
    order.admit(("a", 1), 10)
    order.remove(("a", 1))
    order.remove(("a", 1))
    assert order.holds("a")
    assert not order.holds("b")
    order.remove(("a", 0))
    assert not order.holds("a")


def test_nothing_goes_where_nothing_is_needed() -> None:
    order = LeastRecentlyUsed()
    order.admit(("a", 0), 10)
    assert list(order.victims(0, lambda name: False)) == []
    assert list(order.victims(-5, lambda name: False)) == []


def test_what_is_in_use_is_passed_over_once() -> None:
    order, asked = LeastRecentlyUsed(), list[ChunkName]()

    def in_use(name: ChunkName) -> bool:
        asked.append(name)
        return name[0] == "read"

    for index in range(100):
        order.admit(("read", index), 1)
    for index in range(100):
        order.admit(("left", index), 1)
    assert [order.victims(1, in_use) for _ in range(2)] == [[("left", 0)], [("left", 0)]]
    assert asked == [*(("read", index) for index in range(100)), ("left", 0), ("left", 0)]


def test_among_very_many_that_are_in_use_it_is_looked_on_the_next_time() -> None:
    order = LeastRecentlyUsed()
    for index in range(2 * MOST_PASSED + 1):
        order.admit(("read", index), 1)
    order.admit(("left", 0), 1)
    assert [order.victims(1, lambda name: name[0] == "read") for _ in range(3)] == [[], [], [("left", 0)]]
