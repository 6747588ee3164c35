"""Changes that wait: whatever is dropped, nothing that was invalidated comes back."""

from __future__ import annotations

import sqlite3
from importlib.resources import files

from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.store.pending import FORGET_CHUNK, REMOVE, REMOVE_ALL, REMOVE_KEY, UNIT, Change, Pending

RECORD = Change("record")
REMOVALS = [Change(REMOVE, (id,), forgets=True) for id in "abcd"]


def test_they_are_taken_in_their_order() -> None:
    pending = Pending()
    changes = [RECORD, REMOVALS[0], Change("another"), RECORD]
    for change in changes:
        assert pending.add(change) == 0
    assert len(pending) == 4
    assert list(pending.take()) == changes
    assert len(pending) == 0


def test_what_failed_goes_first_the_next_time() -> None:
    pending = Pending()
    pending.add(REMOVALS[0])
    batch = pending.take()
    pending.add(RECORD)
    pending.written(but=batch)
    assert list(pending.take()) == [REMOVALS[0], RECORD]
    pending.written()
    assert list(pending.take()) == []


def test_what_is_removed_is_hidden_until_it_is_written() -> None:
    pending = Pending()
    before = pending.hidden()
    pending.add(REMOVALS[0])
    pending.add(Change(REMOVE_KEY, (b"k",), forgets=True))
    assert ("a", b"x") in before
    assert ("b", b"k") in before
    assert ("b", b"x") not in before
    pending.take()
    pending.add(REMOVALS[0])
    during = pending.hidden()
    pending.written()
    after = pending.hidden()
    # Who had asked before it was written may have read what is gone now.
    assert [("b", b"k") in view for view in (before, during, after)] == [True, True, False]
    # Removed twice: it waits still.
    assert [("a", b"x") in view for view in (before, during, after)] == [True, True, True]
    for view in (before, during, after):
        view.close()


def test_records_are_dropped_before_anything_else() -> None:
    pending = Pending(most=20)
    dropped = sum(pending.add(each) for number in range(15) for each in (Change(f"record {number}"), RECORD))
    dropped += pending.add(REMOVALS[0])
    taken = pending.take()
    assert len(taken) + dropped == 31
    assert len(taken) <= 20
    assert taken[-1] == REMOVALS[0]
    assert taken[0] != Change("record 0")
    assert Change("record 14") in taken


def test_long_records_count_for_more() -> None:
    pending = Pending(most=20)
    records = [Change(f"record {number}", ("x" * 5 * UNIT, number)) for number in range(10)]
    assert sum(pending.add(each) for each in records) == 7
    assert list(pending.take()) == records[7:]
    pending.written(but=records[7:])
    assert pending.add(records[0]) == 1
    assert list(pending.take()) == [*records[8:], records[0]]


def test_of_too_many_invalidations_the_generations_are_kept() -> None:
    pending = Pending(most=20)
    for number in range(40):
        pending.add(RECORD)
        pending.add(Change(FORGET_CHUNK, ("ab"[number % 2], number), forgets=True))
    view = pending.hidden()
    assert all((id, b"x") in view for id in "ab")
    assert ("c", b"x") not in view
    assert {change.values for change in pending.take() if change.sql == REMOVE} == {("a",), ("b",)}


def test_of_too_many_generations_none_is_kept() -> None:
    pending = Pending(most=20)
    for number in range(21):
        pending.add(Change(REMOVE, (str(number),), forgets=True))
    pending.add(RECORD)
    assert ("new", b"x") in pending.hidden()
    assert list(pending.take()) == [Change(REMOVE_ALL, (), forgets=True), RECORD]
    pending.written()
    assert ("new", b"x") not in pending.hidden()


# Against a database

KEYS = [b"one", b"two", b"three"]
VARIANTS = ["x", "y"]


def database() -> sqlite3.Connection:
    """One of ours, with a generation of each key and variant."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA foreign_keys=ON")
    for step in sorted(files("proxycache.store.schema").iterdir(), key=lambda entry: entry.name):
        if step.name.endswith(".sql"):
            connection.executescript(step.read_text("utf-8"))
    for key in KEYS:
        for variant in VARIANTS:
            id = f"{key.decode()}-{variant}"
            connection.execute(*saved(id, key, variant))
            for chunk in range(3):
                connection.execute("INSERT INTO chunk VALUES (?, ?, 0, 0)", (id, chunk))
    return connection


def saved(id: str, key: bytes, variant: str) -> tuple[str, tuple[object, ...]]:
    """The statement that records a generation."""
    columns = "id, key, variant, origin, source_url, status, fields, validator_is_date, request_time, response_time"
    sql = (
        f"INSERT INTO entry ({columns}, rangeless, chunk_size, digest, used_at)"
        " VALUES (?, ?, ?, '', '', 200, '', 0, 0, 0, 0, 1, 0, 0) ON CONFLICT (id) DO UPDATE SET status = 203"
    )
    return sql, (id, key, variant)


@st.composite
def histories(draw: st.DrawFn) -> list[list[Change]]:
    """What happens, in parts that belong together; a generation's id is never used twice."""
    history: list[list[Change]] = []
    living = {(key, variant): f"{key.decode()}-{variant}" for key in KEYS for variant in VARIANTS}
    for number in range(draw(st.integers(0, 40))):
        place = draw(st.sampled_from(sorted(living)))
        key, variant = place
        chunk = draw(st.integers(0, 3))
        match draw(st.sampled_from(["replace", "renew", "record", "forget", "remove", "remove key"])):
            case "replace" | "renew" as kind:
                if kind == "replace":
                    living[place] = f"new-{number}"
                other = "DELETE FROM entry WHERE key = ? AND variant = ? AND id <> ?"
                change = Change(other, (key, variant, living[place]), forgets=True)
                history.append([change, Change(*saved(living[place], key, variant))])
            case "record":
                sql = "INSERT OR REPLACE INTO chunk SELECT id, ?, 0, 0 FROM entry WHERE id = ?"
                history.append([Change(sql, (chunk, living[place]))])
            case "forget":
                history.append([Change(FORGET_CHUNK, (living[place], chunk), forgets=True)])
            case "remove":
                history.append([Change(REMOVE, (living[place],), forgets=True)])
                living[place] = f"new-{number}"
            case _:
                history.append([Change(REMOVE_KEY, (key,), forgets=True)])
                living.update({(key, variant): f"new-{number}-{variant}" for variant in VARIANTS})
    return history


@settings(deadline=None, max_examples=150)
@given(histories(), st.integers(2, 30), st.data())
def test_what_is_recorded_is_part_of_what_would_be_without_a_limit(
    history: list[list[Change]], most: int, data: st.DataObject
) -> None:
    pending, limited, whole = Pending(most), database(), database()

    def written() -> None:
        for change in pending.take():
            limited.execute(change.sql, change.values)
        pending.written()

    for changes in history:
        for change in changes:
            pending.add(change)
            whole.execute(change.sql, change.values)
        if data.draw(st.integers(0, 9)) == 0:
            written()
        assert len(pending) <= most
    view = pending.hidden()
    kept = [row for row in limited.execute("SELECT id, key FROM entry") if (row[0], row[1]) not in view]
    taken_back = set(whole.execute("SELECT id, key FROM entry"))
    removed = {change.values[0] for changes in history for change in changes if change.sql == REMOVE}
    assert not {id for id, _ in kept} & removed
    written()
    for what in ("SELECT id FROM entry", "SELECT entry_id, idx FROM chunk"):
        assert set(limited.execute(what)) <= set(whole.execute(what))
    assert taken_back >= set(limited.execute("SELECT id, key FROM entry"))
