"""Entries and chunk records in the database: read on first use, written in batches behind the stream."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

import xxhash
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from proxycache.errors import MetadataUnavailable
from proxycache.interfaces import IMetadataStore, StoredEntry
from proxycache.log import make_logger
from proxycache.policy.entry import Representation, StoredRepresentation
from proxycache.policy.fields import Fields
from proxycache.policy.validators import Validator

from .database import Database
from .databasefile import PAGE, give_back_pages, is_refusal
from .pending import FORGET_CHUNK, REMOVE, REMOVE_KEY, Change, Pending

T = TypeVar("T")

FLUSH_SECONDS = 0.2
"""A record is at most this much older than its row."""

RETRY_SECONDS = 1.0
"""Between two tries to write while the database takes no records."""

STOP_SECONDS = 3.0
"""How long the last batch may take at the end."""

SYNC_SECONDS = 1.0
"""How long a client waits for a record that must not be lost."""

_REPLACE = "DELETE FROM entry WHERE key = ? AND variant = ? AND id <> ?"
_RECORD_CHUNK = (
    "INSERT OR REPLACE INTO chunk (entry_id, idx, checksum, size) SELECT id, ?, ?, ? FROM entry WHERE id = ?"
)
_SAVE = """
INSERT INTO entry (id, key, variant, origin, source_url, status, fields, length, validator, validator_is_date,
                   request_time, response_time, rangeless, chunk_size, digest, used_at, room, useful_until)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    variant = excluded.variant,
    source_url = excluded.source_url, status = excluded.status, fields = excluded.fields, length = excluded.length,
    validator = excluded.validator, validator_is_date = excluded.validator_is_date,
    request_time = excluded.request_time, response_time = excluded.response_time,
    rangeless = excluded.rangeless, digest = excluded.digest, used_at = excluded.used_at,
    room = excluded.room, useful_until = excluded.useful_until
"""
_COLUMNS = (
    "id, key, variant, origin, source_url, status, fields, length, validator, validator_is_date, "
    "request_time, response_time, rangeless, chunk_size, digest, useful_until"
)

ENTRY_ROOM = 512
CHUNK_ROOM = 128
"""Bytes that the row of an entry, beside its text, and the row of a chunk take in pages that are half full."""

USELESS = 1000
"""How many entries that are good for nothing are named at once."""

_STOCK = f"""
SELECT entry.id, chunk_size, room, count(idx),
       room + coalesce(sum((size + :block - 1) / :block * :block + {CHUNK_ROOM}), 0), group_concat(idx || ':' || size)
FROM entry LEFT JOIN chunk ON entry_id = entry.id
"""


def _unsigned(checksum: int) -> int:
    return checksum & 0xFFFF_FFFF_FFFF_FFFF


def _signed(checksum: int) -> int:
    return checksum - (1 << 64) if checksum >= 1 << 63 else checksum


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else value.encode("latin-1")


def _variant_json(representation: Representation) -> str:
    return json.dumps([[_text(name), _text(value)] for name, value in representation.vary])


def _digest(columns: Sequence[object]) -> int:
    """What tells that a row is as it was written: SQLite does not notice a rotten page that still parses."""
    return _signed(xxhash.xxh3_64_intdigest(repr(tuple(columns)).encode()))


def _row(representation: Representation, used_at: float) -> tuple[object, ...]:
    columns = _columns(representation)
    return (*columns, _digest(columns), used_at, _room(columns), representation.useful_until)


def _room(columns: Sequence[object]) -> int:
    """Bytes that a row takes, with its keys in the indices, where pages are half full. Long text has its own pages."""
    text = sum(len(column) for column in columns if isinstance(column, str | bytes))
    keys = sum(len(column) for column in columns[:3] if isinstance(column, str | bytes))
    return ENTRY_ROOM + min(2 * text, text + PAGE) + 2 * keys


def _columns(representation: Representation) -> tuple[object, ...]:
    validator = representation.validator
    return (
        representation.id,
        representation.key,
        _variant_json(representation),
        representation.origin,
        representation.source_url,
        representation.status,
        json.dumps([[_text(name), _text(value)] for name, value in representation.fields]),
        representation.length,
        None if validator is None else validator.value,
        int(validator is not None and validator.is_date),
        representation.request_time,
        representation.response_time,
        int(representation.rangeless),
        representation.chunk_size,
    )


def _representation(row: Sequence[object]) -> Representation | None:
    """The record of a row, or None where the row is rotten."""
    *columns, digest, useful_until = row
    if _digest(columns) != digest:
        return None
    (id, key, variant, origin, source_url, status, fields, length, validator, is_date, *rest) = columns
    request_time, response_time, rangeless, chunk_size = rest
    assert isinstance(key, bytes)
    assert isinstance(source_url, bytes)
    return Representation(
        id=str(id),
        key=key,
        origin=str(origin),
        source_url=source_url,
        status=int(str(status)),
        fields=Fields((name.encode("latin-1"), value.encode("latin-1")) for name, value in json.loads(str(fields))),
        length=length if isinstance(length, int) else None,
        validator=Validator(validator, bool(is_date)) if isinstance(validator, bytes) else None,
        request_time=float(str(request_time)),
        response_time=float(str(response_time)),
        vary=tuple((name.encode("latin-1"), _bytes(value)) for name, value in json.loads(str(variant))),
        rangeless=bool(rangeless),
        chunk_size=int(str(chunk_size)),
        useful_until=useful_until if isinstance(useful_until, float) else None,
    )


@implementer(IMetadataStore)
class MetadataStore:
    """See L{IMetadataStore}.

    @param now: wall clock, seconds since the epoch.
    """

    def __init__(self, reactor: IReactorTime, database: Database, now: Callable[[], float]) -> None:
        self._reactor = reactor
        self._database = database
        self._now = now
        self._pending = Pending()
        self._refused: frozenset[Change] = frozenset()
        self._dropped = 0
        self._saved: Counter[str] = Counter()
        self._timer: IDelayedCall | None = None
        self._flushing: Deferred[None] | None = None
        self._stopped = False
        self._log = make_logger()

    def state(self) -> str | None:
        """None where the database answers and takes records, else why not."""
        return self._database.state()

    def is_unwritten(self, id: str) -> bool:
        """Whether what was saved last of a generation waits to be written."""
        return id in self._saved

    def load(self, key: bytes) -> Deferred[Sequence[StoredRepresentation]]:
        """All variants under C{key}, the most recently used first."""

        rotten: list[str] = []

        def work(cursor: sqlite3.Cursor) -> Sequence[StoredRepresentation]:
            rows = cursor.execute(
                f"SELECT {_COLUMNS} FROM entry WHERE key = ? ORDER BY used_at DESC", (key,)
            ).fetchall()
            found = []
            for row in rows:
                representation = _representation(row)
                if representation is None:
                    rotten.append(str(row[0]))
                    continue
                chunks = cursor.execute("SELECT idx, checksum FROM chunk WHERE entry_id = ?", (row[0],)).fetchall()
                known = {index: _unsigned(checksum) for index, checksum in chunks}
                found.append(StoredRepresentation(representation, known))
            return found

        # Rows of what was removed, also while we waited, may still be there: removals are written in batches.
        hidden = self._pending.hidden()

        def forget(found: Sequence[StoredRepresentation]) -> Sequence[StoredRepresentation]:
            for id in rotten:
                self._log.warn("the record of {id} is damaged; forgotten", id=id)
                self.remove(id)
            return [stored for stored in found if (stored.representation.id, key) not in hidden]

        def over(result: T) -> T:
            hidden.close()
            return result

        return self._database.read(work).addCallback(forget).addBoth(over)

    def room(self, representation: Representation) -> int:
        """Bytes that its record counts for."""
        return _room(_columns(representation))

    def stock(self, block: int) -> Deferred[list[StoredEntry]]:
        """Every recorded generation, the least recently used first."""
        return self._stock("GROUP BY entry.id ORDER BY used_at", block=block)

    def useless(self, now: float, block: int) -> Deferred[list[StoredEntry]]:
        """Some of those that are good for nothing by now."""
        return self._stock(f"WHERE useful_until < :now GROUP BY entry.id LIMIT {USELESS}", block=block, now=now)

    def _stock(self, which: str, **values: float) -> Deferred[list[StoredEntry]]:
        def work(cursor: sqlite3.Cursor) -> list[StoredEntry]:
            return [StoredEntry(*row) for row in cursor.execute(_STOCK + which, values)]

        return self._database.maintain(work)

    def known_ids(self) -> Deferred[set[str]]:
        """The id of every recorded generation."""
        return self._database.maintain(lambda cursor: {id for (id,) in cursor.execute("SELECT id FROM entry")})

    def save(self, representation: Representation) -> None:
        """Record or renew a generation, in place of another of its key and variant."""
        row = _row(representation, self._now())
        self._saved[representation.id] += 1
        self._add(Change(_REPLACE, (row[1], row[2], representation.id), forgets=True))
        self._add(Change(_SAVE, row))

    def record_chunk(self, id: str, chunk: int, checksum: int, size: int) -> None:
        """Record a complete chunk; nothing where its generation is gone by then."""
        self._add(Change(_RECORD_CHUNK, (chunk, _signed(checksum), size, id)))

    def forget_chunks(self, id: str, chunks: Sequence[int]) -> None:
        """Forget chunks."""
        for chunk in chunks:
            self._add(Change(FORGET_CHUNK, (id, chunk), forgets=True))

    def remove(self, id: str) -> None:
        """Forget a generation with its chunks."""
        self._add(Change(REMOVE, (id,), forgets=True))

    def remove_key(self, key: bytes) -> None:
        """Forget all that is recorded under a key by now."""
        self._add(Change(REMOVE_KEY, (key,), forgets=True))

    def used(self, id: str, when: float) -> None:
        """Note a use."""
        self._add(Change("UPDATE entry SET used_at = ? WHERE id = ?", (when, id)))

    def _add(self, change: Change) -> None:
        dropped = self._pending.add(change)
        if dropped and not self._dropped:
            self._log.warn("the database is away for long; the oldest records are dropped, to be fetched again")
        self._dropped += dropped
        self._schedule(FLUSH_SECONDS)

    def _schedule(self, seconds: float) -> None:
        if self._timer is None and self._flushing is None and not self._stopped:
            self._timer = self._reactor.callLater(seconds, self._flush)

    def _flush(self) -> None:
        self._timer = None
        if not self._pending:
            if self._database.state() is not None:
                self._flushing = self._database.try_writing()
                self._flushing.addErrback(lambda _: None).addBoth(self._flushed)
            return
        batch, saved = self._pending.take(), Counter(self._saved)

        def work(cursor: sqlite3.Cursor) -> list[tuple[Change, str]]:
            refused = []
            for change in batch:
                try:
                    cursor.execute(change.sql, change.values)
                except Exception as error:
                    # SQLite undoes this one alone; the others of the transaction stand.
                    if not is_refusal(error):
                        raise
                    refused.append((change, str(error)))
            give_back_pages(cursor)
            return refused

        def failed(failure: Failure) -> None:
            if not failure.check(MetadataUnavailable):
                self._log.failure("writing records failed unexpectedly", failure=failure)
            self._pending.written(but=batch)

        self._flushing = self._database.write(work).addCallbacks(self._written, failed, callbackArgs=(saved,))
        self._flushing.addBoth(self._flushed)

    def _written(self, refused: Sequence[tuple[Change, str]], saved: Counter[str]) -> None:
        """A batch was written, but for what the database does not take: that is dropped, unless it invalidates.

        Such a one is tried again, and hides what it is about.
        """
        for change, why in refused:
            if not change.forgets:
                self._log.warn("a record is refused, and dropped: {why}: {change}", why=why, change=change)
            elif change not in self._refused:
                self._log.error("an invalidation is refused, and tried again: {why}: {change}", why=why, change=change)
        again = [change for change, _ in refused if change.forgets]
        self._refused = frozenset(again)
        self._dropped = 0
        self._saved -= saved
        self._pending.written(but=again)

    def _flushed(self, _: object) -> None:
        self._flushing = None
        if self._database.state() is not None or self._refused:
            self._schedule(RETRY_SECONDS)
        elif self._pending:
            self._schedule(FLUSH_SECONDS)

    def flush(self) -> Deferred[None]:
        """Write what is pending; fires when that was tried. For the orderly end, and when the database was opened."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._flushing is None:
            self._flush()
        waiting, done = self._flushing, Deferred[None]()
        if waiting is None:
            return succeed(None)
        waiting.addBoth(lambda _: done.callback(None))
        return done

    def sync(self) -> Deferred[None]:
        """Write what was recorded by now: two batches, where one is under way."""
        return self._flush_all(SYNC_SECONDS)

    def stop(self) -> Deferred[None]:
        """Write what is pending and accept nothing more."""
        self._stopped = True
        return self._flush_all(STOP_SECONDS)

    def _flush_all(self, seconds: float) -> Deferred[None]:
        last = self.flush().addCallback(lambda _: self.flush() if self._pending else None)
        return last.addTimeout(seconds, self._reactor, onTimeoutCancel=lambda *_: None)
