"""The order of eviction against a plain list."""

from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.policy.eviction import ChunkName, LeastRecentlyUsed

names = st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 3))
steps = st.one_of(
    st.tuples(st.just("admit"), names, st.integers(0, 9)),
    st.tuples(st.just("use"), names, st.just(0)),
    st.tuples(st.just("remove"), names, st.just(0)),
)


def first_that_suffice(oracle: list[tuple[ChunkName, int]], needed: int, pinned: set[ChunkName]) -> list[ChunkName]:
    free = [(name, size) for name, size in oracle if name not in pinned]
    chosen: list[tuple[ChunkName, int]] = []
    while free and sum(size for _, size in chosen) < needed:
        chosen.append(free.pop(0))
    return [name for name, _ in chosen]


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.lists(steps, max_size=40), st.integers(0, 60), st.sets(names))
def test_agrees_with_a_list(script: list[tuple[str, ChunkName, int]], needed: int, pinned: set[ChunkName]) -> None:
    order = LeastRecentlyUsed()
    oracle: list[tuple[ChunkName, int]] = []
    for operation, name, size in script:
        known = dict(oracle)
        others = [each for each in oracle if each[0] != name]
        match operation:
            case "admit":
                order.admit(name, size)
                oracle = [*others, (name, size)]
            case "use":
                order.use(name)
                oracle = [*others, (name, known[name])] if name in known else oracle
            case _:
                order.remove(name)
                oracle = others
        assert order.items() == oracle
        assert order.total == sum(size for _, size in oracle)
        assert len(order) == len(oracle)
        assert all(name in order for name, _ in oracle)
        assert all(order.holds(id) == any(name[0] == id for name, _ in oracle) for id in "ab")
    assert ("c", 0) not in order
    assert list(order.victims(needed, pinned.__contains__)) == first_that_suffice(oracle, needed, pinned)
    assert order.items() == oracle


def test_whether_there_is_anything_of_a_generation() -> None:
    order = LeastRecentlyUsed()
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
