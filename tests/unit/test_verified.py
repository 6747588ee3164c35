"""Chunks in memory are few, and the last ones."""

from proxycache.store.verified import KEPT_BYTES, KEPT_CHUNKS, Verified


def test_what_is_kept_is_there() -> None:
    verified = Verified()
    verified.keep("a", b"chunk")
    verified.keep("a", b"chunk")
    assert verified.get("a") == b"chunk"
    assert verified.get("b") is None


def test_the_one_that_was_not_read_for_longest_goes() -> None:
    verified = Verified()
    size = KEPT_BYTES // 4
    for name in "abcd":
        verified.keep(name, bytes(size))
    verified.get("a")
    verified.keep("e", bytes(size))
    assert [name for name in "abcde" if verified.get(name) is None] == ["b"]


def test_of_large_ones_some_are_kept_all_the_same() -> None:
    verified = Verified()
    for number in range(KEPT_CHUNKS + 1):
        verified.keep(number, bytes(2 * KEPT_BYTES))
    assert [verified.get(number) is None for number in range(KEPT_CHUNKS + 1)] == [True] + [False] * KEPT_CHUNKS
