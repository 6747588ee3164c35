"""How far ahead of a reader is fetched."""

from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.policy.readahead import FIRST_WINDOW, MAX_WINDOW, Streak, Window, first_window, sequential_extension

MIB = 1 << 20


def test_windows_double_up_to_a_bound() -> None:
    sizes, window = [], Window()
    for _ in range(6):
        sizes.append(window.size)
        window = window.grown()
    assert sizes == [FIRST_WINDOW, 2 * FIRST_WINDOW, 4 * FIRST_WINDOW, MAX_WINDOW, MAX_WINDOW, MAX_WINDOW]


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.integers(1, MAX_WINDOW), st.integers(0, 10**12), st.one_of(st.none(), st.integers(0, 10**12)))
def test_never_beyond_what_is_wanted(size: int, position: int, wanted: int | None) -> None:
    stop = Window(size).stop(position, wanted)
    assert stop <= position + size
    assert wanted is None or stop <= wanted
    assert stop == position + size or stop == wanted


def test_due_at_half_a_window() -> None:
    window = Window(1000)
    assert not window.due(0, 501)
    assert window.due(0, 500)
    assert window.due(200, 700)
    assert window.due(700, 700)


def test_a_request_that_reads_on_begins_with_a_larger_window() -> None:
    sizes = [first_window(Streak(requests, requests * MIB)).size for requests in range(6)]
    assert sizes == [FIRST_WINDOW, 2 * FIRST_WINDOW, 4 * FIRST_WINDOW, MAX_WINDOW, MAX_WINDOW, MAX_WINDOW]
    assert first_window(Streak(10**6, 10**12)).size == MAX_WINDOW


def test_what_asked_for_little_begins_with_a_small_one_all_the_same() -> None:
    assert first_window(Streak(10**6, 1000)).size == FIRST_WINDOW
    assert first_window(Streak(10**6, MIB)).size == 8 * MIB


def test_a_random_read_is_not_extended() -> None:
    assert sequential_extension(Streak(), MIB) == 0


def test_reads_that_follow_each_other_double_from_one_chunk() -> None:
    extensions = [sequential_extension(Streak(requests, requests * MIB), MIB) for requests in range(1, 8)]
    assert extensions == [MIB, 2 * MIB, 4 * MIB, 8 * MIB, MAX_WINDOW, MAX_WINDOW, MAX_WINDOW]


def test_reads_of_next_to_nothing_are_hardly_extended() -> None:
    assert [sequential_extension(Streak(requests, requests), MIB) for requests in (1, 2, 100)] == [8, 16, 800]


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.integers(0, 500), st.integers(1, 2**40), st.integers(0, 2**40), st.integers(1, 64 * MIB))
def test_extensions_grow_and_stay_bounded(requests: int, size: int, more: int, chunk_size: int) -> None:
    this = sequential_extension(Streak(requests, size), chunk_size)
    following = sequential_extension(Streak(requests + 1, size + more), chunk_size)
    assert 0 <= this <= following <= min(MAX_WINDOW, 8 * (size + more))
