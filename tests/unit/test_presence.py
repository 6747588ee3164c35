"""What is on the disk, against a plain dictionary."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.fill.presence import Presence

END = 12
indices = st.integers(0, END)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.dictionaries(indices, indices), st.lists(st.tuples(st.sampled_from(["add", "discard"]), indices)))
def test_agrees_with_a_dictionary(before: dict[int, int], script: list[tuple[str, int]]) -> None:
    presence, oracle = Presence(before), dict(before)
    for number, (operation, index) in enumerate([("look", 0), *script]):
        match operation:
            case "add":
                presence.add(index, number)
                oracle[index] = number
            case "discard":
                assert presence.discard(index) == (oracle.pop(index, None) is not None)
        assert dict(presence) == oracle
        assert len(presence) == len(oracle)
        assert sorted(index for start, stop in presence.pieces for index in range(start, stop)) == sorted(oracle)
        for index in range(END + 2):
            assert (index in presence) == (index in oracle)
            assert presence.reach(index) == min(each for each in range(index, END + 3) if each not in oracle)
            assert presence.following(index) == min((each for each in oracle if each >= index), default=None)
            assert presence.at_or_after(index) == sorted(each for each in oracle if each >= index)


def test_what_it_was_made_of_stays_as_it_is() -> None:
    checksums = {3: 7}
    Presence(checksums).discard(3)
    assert checksums == {3: 7}
