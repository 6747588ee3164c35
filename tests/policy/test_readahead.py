"""How far ahead of a reader is fetched."""

from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.policy.readahead import FIRST_WINDOW, MAX_WINDOW, Window, first_window, sequential_extension

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
    sizes = [first_window(streak).size for streak in range(6)]
    assert sizes == [FIRST_WINDOW, 2 * FIRST_WINDOW, 4 * FIRST_WINDOW, MAX_WINDOW, MAX_WINDOW, MAX_WINDOW]
    assert first_window(10**6).size == MAX_WINDOW


def test_a_random_read_is_not_extended() -> None:
    assert sequential_extension(0, MIB) == 0


def test_reads_that_follow_each_other_double_from_one_chunk() -> None:
    extensions = [sequential_extension(streak, MIB) for streak in range(1, 8)]
    assert extensions == [MIB, 2 * MIB, 4 * MIB, 8 * MIB, MAX_WINDOW, MAX_WINDOW, MAX_WINDOW]


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.integers(0, 500), st.integers(1, 64 * MIB))
def test_extensions_grow_and_stay_bounded(streak: int, chunk_size: int) -> None:
    this, following = sequential_extension(streak, chunk_size), sequential_extension(streak + 1, chunk_size)
    assert 0 <= this <= following <= MAX_WINDOW
