"""What is known of entries takes room as well, and goes when that is needed, or when it is good for nothing."""

from __future__ import annotations

from collections.abc import Awaitable
from random import Random

import pytest
from twisted.internet.defer import Deferred, succeed

from proxycache.fill.stock import SLICE, drop_useless, take_stock
from proxycache.interfaces import StoredEntry, StoredFile
from proxycache.store.space import Space, SpaceLimits

from .asynchronous import asynchronous
from .managed import LINGER, Managed

ROOM = 10


@pytest.fixture
def managed() -> Managed:
    """Room for ten entries."""
    made = Managed(max_size=10 * ROOM)
    made.metadata.entry_room = ROOM
    return made


def written(managed: Managed, name: str, length: int) -> str:
    """An object that was read whole and written; its id."""
    generation = managed.obtain(name, length=length)
    managed.response.send(Random(name).randbytes(length))
    managed.response.end()
    file = managed.files.opened[generation.id]
    for work in list(file.under_way):
        file.step(work)
    managed.readers.pop().close()
    managed.clock.advance(LINGER)
    return generation.id


def test_entries_without_chunks_make_way_for_each_other(managed: Managed) -> None:
    ids = []
    for number in range(15):
        ids.append(managed.obtain(f"film{number}", head=True).id)
        managed.clock.advance(LINGER)
        assert managed.space.used <= 10 * ROOM
    assert set(managed.metadata.saved) == managed.manager.known_ids() == set(ids[5:])
    assert managed.accounts.evicted_entries == 5
    assert managed.lookup("film5") is not None
    managed.obtain("another", head=True)
    # The one that was asked for last stays.
    assert ids[5] in managed.metadata.saved
    assert ids[6] not in managed.metadata.saved


def test_entries_that_left_the_memory_make_way(managed: Managed) -> None:
    managed.space.restore([StoredEntry(f"{number:032x}", 1 << 20, ROOM, 0, ROOM, None) for number in range(10)])
    managed.obtain("film", head=True)
    assert managed.files.opened[f"{0:032x}"].unlinked
    assert managed.space.used == 10 * ROOM


def test_an_entry_goes_with_its_last_chunk(managed: Managed) -> None:
    id = written(managed, "film", 50)
    assert managed.space.used == 60
    for number in range(9):
        managed.obtain(f"other{number}", head=True)
        managed.clock.advance(LINGER)
    assert id not in managed.metadata.saved
    assert managed.files.opened[id].unlinked
    assert managed.lookup("film") is None
    assert managed.space.used == 9 * ROOM


def test_where_there_is_no_room_nothing_is_recorded_until_there_is(managed: Managed) -> None:
    readers = []
    for number in range(10):
        generation = managed.obtain(f"film{number}")
        readers.append(managed.readers.pop())
    generation = managed.obtain("late", length=4)
    late = managed.readers.pop()
    assert generation.id not in managed.metadata.saved
    assert managed.lookup("late") is generation
    managed.response.send(b"some")
    managed.response.end()
    # It stays in memory for its reader alone.
    assert late.take(4) == b"some"
    assert managed.files.opened[generation.id].under_way == []
    for reader in readers:
        reader.close()
    managed.clock.advance(LINGER)
    assert written(managed, "film0", 4) in managed.metadata.saved
    late.close()
    assert managed.space.used <= 10 * ROOM


def test_an_entry_at_work_stays(managed: Managed) -> None:
    generation = managed.obtain("read")
    renewed = managed.obtain("renewed", head=True)
    managed.clock.advance(LINGER)
    managed.ask("renewed", stale=renewed)
    asked = managed.origin.last
    for number in range(20):
        managed.obtain(f"film{number}", head=True)
        managed.clock.advance(LINGER)
    assert {generation.id, renewed.id} <= managed.metadata.saved.keys()
    asked.respond(304, (b"ETag", b'"v1"'))
    assert managed.lookup("renewed") is renewed


def test_what_was_replaced_or_invalidated_takes_no_room(managed: Managed) -> None:
    for etag in (b'"v1"', b'"v2"'):
        managed.obtain("film", head=True, etag=etag)
        assert managed.space.used == ROOM
    Deferred.fromCoroutine(managed.manager.invalidate(managed.target("film")))
    assert managed.space.used == 0


@asynchronous
async def test_what_is_good_for_nothing_goes(managed: Managed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Except what is in memory and known to be good again, or in use."""
    about = ((b"Cache-Control", b"max-age=60, must-revalidate"),)
    kept = written(managed, "film", 5)
    useless, in_use = (managed.obtain(name, head=head, fields=about) for name, head in (("old", True), ("read", False)))
    managed.clock.advance(LINGER)
    stored = "ab" * 16
    managed.space.restore([StoredEntry(stored, 1 << 20, ROOM, 1, ROOM + 5, "0:5")])
    before = managed.space.used
    entries = [StoredEntry(id, 1 << 20, ROOM, 0, ROOM, None) for id in (kept, useless.id, in_use.id)]
    entries.append(StoredEntry(stored, 1 << 20, ROOM, 1, ROOM + 5, "0:5"))
    monkeypatch.setattr(managed.metadata, "useless", lambda now, block: succeed(entries))
    managed.clock.advance(120)
    await drop_useless(managed.metadata, managed.files, managed.manager, 0.0)
    assert set(managed.metadata.saved) == {kept, in_use.id}
    assert managed.space.used == before - 2 * ROOM - 5
    assert managed.files.opened[stored].unlinked
    assert (stored, 0) not in managed.space


@asynchronous
async def test_a_long_stock_lets_others_have_their_turn(managed: Managed, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is looked at chunk by chunk before it is needed."""
    count, turns = 10 * SLICE, 0
    entries = [StoredEntry(f"{number:032x}", 1 << 20, ROOM, 1000, 0, "not looked at") for number in range(count)]
    files = [StoredFile(f"{number:032x}", 0, 0) for number in range(count)]
    space = Space(managed.clock, managed.files, SpaceLimits(1), managed.accounts, bool, lambda name: succeed(None))

    def turn() -> Awaitable[None]:
        nonlocal turns
        turns += 1
        return succeed(None)

    monkeypatch.setattr(managed.metadata, "stock", lambda block: succeed(entries))
    monkeypatch.setattr(managed.metadata, "known_ids", lambda: succeed({entry.id for entry in entries}))
    monkeypatch.setattr(managed.files, "list_files", lambda: succeed(files))
    await take_stock(managed.metadata, managed.files, space, managed.manager, turn)
    assert turns == 20
    assert space.holds(entries[-1].id)
