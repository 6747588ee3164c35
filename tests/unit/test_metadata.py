"""Records survive, in the order in which they were made."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from proxycache.errors import MetadataUnavailable
from proxycache.interfaces import StoredEntry
from proxycache.policy.entry import Representation, StoredRepresentation
from proxycache.policy.fields import Fields
from proxycache.policy.validators import Validator
from proxycache.store import databasefile, metadata
from proxycache.store.databasefile import FREE_PAGES, LOG_PAGES, PAGE
from proxycache.store.disk import Disk
from proxycache.store.metadata import CHUNK_ROOM, FLUSH_SECONDS, RETRY_SECONDS
from proxycache.store.pending import Pending

from .asynchronous import asynchronous, until
from .openedindex import Index
from .recorder import Recorder
from .threadedclock import ThreadedClock

KEY = b"films:\xff a?b"
FULL = Representation(
    id="ab" * 16,
    key=KEY,
    origin="films",
    source_url=b"http://origin.example/\xff a?b&token=1",
    status=200,
    fields=Fields([(b"ETag", b'"\xe4"'), (b"X", b""), (b"X", b"2")]),
    length=(1 << 60) + 1,
    validator=Validator(b'"\xe4"'),
    request_time=1_700_000_000.125,
    response_time=1_700_000_000.25,
    vary=((b"accept", b"a,\xff"), (b"accept-language", None)),
    rangeless=True,
    chunk_size=1 << 20,
)
BARE = Representation(
    id="cd" * 16,
    key=KEY,
    origin="films",
    source_url=b"",
    status=404,
    fields=Fields(),
    length=None,
    validator=None,
    request_time=0.0,
    response_time=0.0,
    vary=(),
    rangeless=False,
    chunk_size=65536,
)
DATED = evolve(FULL, id="ef" * 16, key=b"other", validator=Validator(b"yesterday", is_date=True), vary=())


@pytest.fixture
def index(tmp_path: Path, disk: Disk, clock: ThreadedClock) -> Iterator[Index]:
    opened = Index(tmp_path / "index.sqlite", disk, clock)
    opened.database.start()
    yield opened
    opened.database.stop()


@asynchronous
async def test_records_come_back_as_they_were(index: Index) -> None:
    for representation in (FULL, BARE, DATED):
        index.metadata.save(representation)
    await index.metadata.flush()
    found = {stored.representation.id: stored for stored in await index.metadata.load(KEY)}
    assert found == {FULL.id: StoredRepresentation(FULL, {}), BARE.id: StoredRepresentation(BARE, {})}
    assert await index.metadata.load(b"other") == [StoredRepresentation(DATED, {})]
    assert await index.metadata.load(b"unknown") == []


@asynchronous
async def test_records_survive_a_restart(index: Index, disk: Disk, clock: ThreadedClock) -> None:
    index.metadata.save(FULL)
    checksums = {0: 0, 1: 1, 7: 2**63 - 1, 8: 2**63, 9: 2**64 - 1}
    for chunk, checksum in checksums.items():
        index.metadata.record_chunk(FULL.id, chunk, checksum, 10)
    await index.metadata.stop()
    index.database.stop()
    again = Index(index.path, disk, clock)
    again.database.start()
    assert await again.metadata.load(KEY) == [StoredRepresentation(FULL, checksums)]
    assert await again.metadata.known_ids() == {FULL.id}
    again.database.stop()


@asynchronous
async def test_a_new_generation_takes_the_place_of_its_variant(index: Index) -> None:
    new = evolve(FULL, id="12" * 16, validator=None)
    other_variant = evolve(FULL, id="34" * 16, vary=((b"accept", b"b"), (b"accept-language", None)))
    for representation in (FULL, other_variant):
        index.metadata.save(representation)
        index.metadata.record_chunk(representation.id, 0, 1, 10)
    index.metadata.save(new)
    await index.metadata.flush()
    found = {stored.representation.id: stored.chunks for stored in await index.metadata.load(KEY)}
    assert found == {new.id: {}, other_variant.id: {0: 1}}
    assert index.rows("SELECT entry_id FROM chunk") == [(other_variant.id,)]


@asynchronous
async def test_renewing_keeps_the_chunks(index: Index) -> None:
    index.metadata.save(FULL)
    index.metadata.record_chunk(FULL.id, 0, 1, 10)
    renewed = evolve(FULL, fields=Fields([(b"Age", b"1")]), response_time=5.0, source_url=b"x", rangeless=False)
    index.metadata.save(renewed)
    await index.metadata.flush()
    assert await index.metadata.load(KEY) == [StoredRepresentation(renewed, {0: 1})]


@asynchronous
async def test_renewing_may_change_the_variant(index: Index) -> None:
    """A 304 that brings a Vary."""
    index.metadata.save(FULL)
    index.metadata.record_chunk(FULL.id, 0, 1, 10)
    renewed = evolve(FULL, vary=((b"x-device", b"1"),))
    index.metadata.save(renewed)
    await index.metadata.flush()
    assert await index.metadata.load(KEY) == [StoredRepresentation(renewed, {0: 1})]


@asynchronous
async def test_statements_are_carried_out_in_order(index: Index) -> None:
    store = index.metadata
    store.record_chunk(FULL.id, 0, 1, 10)
    store.save(FULL)
    store.record_chunk(FULL.id, 1, 2, 10)
    store.record_chunk(FULL.id, 2, 3, 10)
    store.forget_chunks(FULL.id, [1, 5])
    store.record_chunk(FULL.id, 2, 4, 10)
    store.save(DATED)
    store.remove(DATED.id)
    store.record_chunk(DATED.id, 0, 1, 10)
    await store.flush()
    assert await store.load(KEY) == [StoredRepresentation(FULL, {2: 4})]
    assert await store.load(DATED.key) == []
    assert index.rows("SELECT count(*) FROM chunk") == [(1,)]


@asynchronous
async def test_the_order_of_use(index: Index) -> None:
    store = index.metadata
    for when, representation in enumerate((FULL, BARE, DATED)):
        store.save(representation)
        store.record_chunk(representation.id, 1, 0, 10 + when)
        store.record_chunk(representation.id, 0, 0, 20 + when)
    for when, id in enumerate((BARE.id, DATED.id, FULL.id, "nobody")):
        store.used(id, float(when))
    await store.flush()
    sizes = [({0: 21, 1: 11}, BARE), ({0: 22, 1: 12}, DATED), ({0: 20, 1: 10}, FULL)]
    for entry, (chunks, representation) in zip(await store.stock(block=16), sizes, strict=True):
        room = store.room(representation)
        whole = room + 48 + 2 * CHUNK_ROOM
        assert entry == StoredEntry(representation.id, representation.chunk_size, room, 2, whole, entry.packed)
        assert entry.chunks() == chunks
    assert [stored.representation.id for stored in await store.load(KEY)] == [FULL.id, BARE.id]


@asynchronous
async def test_written_in_batches_behind_the_stream(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    transactions: list[Deferred[object]] = []
    write = index.database.write

    def counted(work: Callable[[sqlite3.Cursor], object]) -> Deferred[object]:
        transactions.append(write(work))
        return transactions[-1]

    monkeypatch.setattr(index.database, "write", counted)
    index.metadata.save(FULL)
    index.clock.advance(FLUSH_SECONDS / 2)
    index.metadata.save(BARE)
    index.metadata.record_chunk(BARE.id, 0, 1, 10)
    assert transactions == []
    index.clock.advance(FLUSH_SECONDS / 2)
    assert len(transactions) == 1
    await index.metadata.flush()
    assert len(transactions) == 1
    assert len(index.rows("SELECT * FROM entry")) == 2
    assert len(index.rows("SELECT * FROM chunk")) == 1


@asynchronous
async def test_nothing_is_lost_while_the_database_is_locked(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databasefile, "BUSY_TIMEOUT_SECONDS", 0.0)
    other = sqlite3.connect(index.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store = index.metadata
    store.save(FULL)
    store.record_chunk(FULL.id, 0, 1, 10)
    await store.flush()
    assert store.state() is not None
    assert store.is_unwritten(FULL.id)
    store.forget_chunks(FULL.id, [0])
    store.record_chunk(FULL.id, 1, 2, 10)
    await store.flush()
    other.execute("ROLLBACK")
    other.close()
    index.clock.advance(RETRY_SECONDS)
    await store.flush()
    assert await store.load(KEY) == [StoredRepresentation(FULL, {1: 2})]
    assert store.state() is None
    assert not store.is_unwritten(FULL.id)


@asynchronous
async def test_while_it_takes_no_records_it_is_tried_every_second(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while there are none."""
    monkeypatch.setattr(databasefile, "BUSY_TIMEOUT_SECONDS", 0.0)
    other = sqlite3.connect(index.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    index.database.stop()
    index.database.start()
    assert "locked" in (index.metadata.state() or "")
    for _ in range(2):
        await index.metadata.flush()
        index.clock.advance(RETRY_SECONDS)
        assert "locked" in (index.metadata.state() or "")
    await index.metadata.flush()
    other.execute("ROLLBACK")
    other.close()
    index.clock.advance(RETRY_SECONDS)
    await index.metadata.flush()
    assert index.metadata.state() is None


@asynchronous
async def test_what_waits_is_written_once_the_database_is_opened(index: Index) -> None:
    index.database.stop()
    index.metadata.save(FULL)
    await index.metadata.flush()
    began = index.clock.seconds()
    index.database.start()
    await until(lambda: index.rows("SELECT id FROM entry") != [])
    assert index.clock.seconds() == began


@pytest.fixture
def log(index: Index, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """What the store says."""
    recorder = Recorder()
    monkeypatch.setattr(index.metadata, "_log", recorder)
    return recorder


def refuse(index: Index, what: str) -> None:
    """Let the database refuse some statements, as a constraint does; see CREATE TRIGGER."""
    with sqlite3.connect(index.path) as connection:
        connection.execute(f"CREATE TRIGGER refuse BEFORE {what} BEGIN SELECT RAISE(ABORT, 'it is refused'); END")
    connection.close()


@pytest.mark.parametrize(
    ("poison", "why"),
    [
        (evolve(FULL, id="99" * 16, key=b"poison", length=1 << 63), "too large"),
        (evolve(FULL, id="99" * 16, key=b"poison", origin="\ud800"), "surrogates not allowed"),
        (evolve(FULL, id="99" * 16, key=b"poison", response_time=float("nan")), "NOT NULL constraint failed"),
        (evolve(FULL, id="98" * 16, key=b"poison"), "it is refused"),
    ],
    ids=["too-large", "no-text", "no-number", "constraint"],
)
@asynchronous
async def test_what_the_database_refuses_is_dropped_alone(
    index: Index, log: Recorder, poison: Representation, why: str
) -> None:
    refuse(index, f"INSERT ON entry WHEN NEW.id = '{'98' * 16}'")
    store = index.metadata
    store.save(DATED)
    await store.flush()
    store.save(FULL)
    store.record_chunk(FULL.id, 0, 1, 10)
    store.save(poison)
    store.record_chunk(poison.id, 0, 1, 10)
    store.record_chunk(FULL.id, 1, 2, 10)
    store.remove(DATED.id)
    await store.flush()
    assert store.state() is None
    assert await store.load(KEY) == [StoredRepresentation(FULL, {0: 1, 1: 2})]
    assert await store.known_ids() == {FULL.id}
    assert log.levels() == ["warn"]
    ((_, line),) = log.lines
    assert why in line
    assert poison.id in line
    # It is over: nothing is tried again.
    index.clock.advance(RETRY_SECONDS)
    store.save(BARE)
    await store.flush()
    assert await store.known_ids() == {FULL.id, BARE.id}
    assert log.levels() == ["warn"]


@pytest.mark.parametrize("by_key", [False, True], ids=["an-id", "a-key"])
@asynchronous
async def test_an_invalidation_that_is_refused_is_tried_again(index: Index, log: Recorder, by_key: bool) -> None:
    store = index.metadata
    store.save(DATED)
    store.record_chunk(DATED.id, 0, 1, 10)
    await store.flush()
    refuse(index, "DELETE ON entry")
    store.remove_key(DATED.key) if by_key else store.remove(DATED.id)
    store.save(FULL)
    await store.flush()
    for _ in range(3):
        assert await store.known_ids() == {DATED.id, FULL.id}
        assert await store.load(DATED.key) == []
        assert await store.load(KEY) == [StoredRepresentation(FULL, {})]
        index.clock.advance(RETRY_SECONDS)
        await store.flush()
    assert log.levels() == ["error"]
    with sqlite3.connect(index.path) as connection:
        connection.execute("DROP TRIGGER refuse")
    connection.close()
    index.clock.advance(RETRY_SECONDS)
    await store.flush()
    assert await store.known_ids() == {FULL.id}
    assert await store.load(DATED.key) == []


@asynchronous
async def test_while_it_is_away_the_oldest_records_go_first(
    tmp_path: Path, disk: Disk, clock: ThreadedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "Pending", lambda: Pending(most=60))
    index = Index(tmp_path / "away" / "index.sqlite", disk, clock)
    ids = [f"{number:032x}" for number in range(30)]
    for number, id in enumerate(ids):
        index.metadata.save(evolve(BARE, id=id, key=b"%d" % number))
        for chunk in range(3):
            index.metadata.record_chunk(id, chunk, 0, 10)
    index.database.start()
    await index.metadata.stop()
    known = await index.metadata.known_ids()
    assert known == set(ids[-len(known) :])
    assert 5 <= len(known) <= 15
    index.database.stop()


@asynchronous
async def test_a_store_without_a_database_says_so(tmp_path: Path, disk: Disk, clock: ThreadedClock) -> None:
    index = Index(tmp_path / "index.sqlite", disk, clock)
    assert index.metadata.state() is not None
    for pending in (index.metadata.load(KEY), index.metadata.stock(1), index.metadata.known_ids()):
        with pytest.raises(MetadataUnavailable):
            await pending
    index.metadata.save(FULL)
    await index.metadata.stop()
    assert index.clock.getDelayedCalls() == []


@asynchronous
async def test_a_stopped_store_sets_no_timer(index: Index) -> None:
    await index.metadata.stop()
    timers = index.clock.getDelayedCalls()
    index.metadata.save(FULL)
    assert index.clock.getDelayedCalls() == timers


COLUMNS = ["source_url", "status", "fields", "length", "validator", "response_time", "rangeless", "chunk_size"]


@pytest.mark.parametrize("column", COLUMNS)
@asynchronous
async def test_a_rotten_record_is_none(index: Index, column: str) -> None:
    index.metadata.save(FULL)
    index.metadata.save(BARE)
    await index.metadata.flush()
    connection = sqlite3.connect(index.path)
    connection.execute(f"UPDATE entry SET {column} = 1 + (length({column}) > 0) WHERE id = ?", (FULL.id,))
    connection.commit()
    connection.close()
    assert await index.metadata.load(KEY) == [StoredRepresentation(BARE, {})]
    await index.metadata.flush()
    assert await index.metadata.known_ids() == {BARE.id}


values = st.binary(max_size=20)
representations = st.builds(
    Representation,
    id=st.just("ab" * 16),
    key=st.just(KEY),
    origin=st.text(max_size=5).filter(lambda text: text.isprintable()),
    source_url=values,
    status=st.integers(100, 599),
    fields=st.lists(st.tuples(values, values)).map(Fields),
    length=st.one_of(st.none(), st.integers(0, 10**18)),
    validator=st.one_of(st.none(), st.builds(Validator, values, st.booleans())),
    request_time=st.floats(0, 2**40),
    response_time=st.floats(0, 2**40),
    vary=st.lists(st.tuples(values, st.one_of(st.none(), values))).map(tuple),
    rangeless=st.booleans(),
    chunk_size=st.integers(1, 2**30),
)


@asynchronous
async def test_whatever_an_origin_sends_comes_back(index: Index) -> None:
    samples: list[Representation] = []

    @settings(deadline=None, max_examples=60, derandomize=True)
    @given(representations)
    def collect(representation: Representation) -> None:
        samples.append(representation)

    collect()
    for number, sample in enumerate(samples):
        index.metadata.save(evolve(sample, id=f"{number:032x}", key=b"%d" % number))
    await index.metadata.flush()
    for number, sample in enumerate(samples):
        expected = evolve(sample, id=f"{number:032x}", key=b"%d" % number)
        assert await index.metadata.load(b"%d" % number) == [StoredRepresentation(expected, {})]


@asynchronous
async def test_what_is_good_for_nothing(index: Index) -> None:
    store = index.metadata
    store.save(evolve(FULL, useful_until=100.5))
    store.record_chunk(FULL.id, 3, 0, 10)
    store.save(evolve(BARE, useful_until=99.5))
    store.save(DATED)
    await store.flush()
    assert [entry.id for entry in await store.useless(99.0, 1)] == []
    assert [entry.id for entry in await store.useless(100.0, 1)] == [BARE.id]
    found = {entry.id: entry.chunks() for entry in await store.useless(101.0, 1)}
    assert found == {FULL.id: {3: 10}, BARE.id: {}}
    assert {stored.representation.useful_until for stored in await store.load(KEY)} == {100.5, 99.5}
    store.save(FULL)
    await store.flush()
    assert [entry.id for entry in await store.useless(101.0, 1)] == [BARE.id]


@asynchronous
async def test_an_entry_without_chunks_is_in_stock(index: Index) -> None:
    index.metadata.save(BARE)
    await index.metadata.flush()
    room = index.metadata.room(BARE)
    assert await index.metadata.stock(4096) == [StoredEntry(BARE.id, BARE.chunk_size, room, 0, room, None)]


@pytest.mark.parametrize("text", [0, 300, 1500, 3000, 20_000])
@asynchronous
async def test_records_count_for_what_they_take(index: Index, text: int) -> None:
    """However they come and go, the database is no larger, nor is what they count for without measure."""
    store, count = index.metadata, 600
    alive: list[Representation] = []

    def add(number: int) -> None:
        about = evolve(BARE, id=uuid.uuid4().hex, key=b"films:/%x" % number, fields=Fields([(b"X", b"x" * text)]))
        alive.append(about)
        store.save(about)
        store.record_chunk(about.id, 0, number, 100)

    for number in range(count):
        add(number)
    chance = Random(text)
    for round in range(4):
        for number in range(count):
            store.remove(alive.pop(chance.randrange(len(alive))).id)
            add(count * round + number)
        await store.flush()
    counted = sum(store.room(each) + CHUNK_ROOM for each in alive)
    ((pages,),), ((free,),) = index.rows("PRAGMA page_count"), index.rows("PRAGMA freelist_count")
    assert isinstance(pages, int)
    assert isinstance(free, int)
    used = (pages - free) * PAGE
    assert used / 3 < counted
    assert used <= counted + 16 * PAGE


@asynchronous
async def test_a_database_becomes_smaller_with_what_is_in_it(index: Index) -> None:
    store = index.metadata
    for number in range(2000):
        store.save(evolve(BARE, id=f"{number:032x}", key=b"%d" % number, fields=Fields([(b"X", b"x" * 1000)])))
    await store.flush()
    ((before,),) = index.rows("PRAGMA page_count")
    for number in range(2000):
        store.remove(f"{number:032x}")
    for _ in range(20):
        store.used("nobody", 0.0)
        await store.flush()
    ((after,),) = index.rows("PRAGMA page_count")
    assert isinstance(before, int)
    assert isinstance(after, int)
    assert before > 500
    assert after <= FREE_PAGES + 20
    assert index.path.with_name("index.sqlite-wal").stat().st_size <= 8 * LOG_PAGES * PAGE
