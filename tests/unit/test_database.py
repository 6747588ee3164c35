"""The database may fail and comes back by itself."""

from __future__ import annotations

import gc
import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event

import pytest

from proxycache.errors import MetadataUnavailable, UnknownSchema
from proxycache.store import database, databasefile
from proxycache.store.database import (
    ANSWER_TIMEOUT_SECONDS,
    CLOSE_SECONDS,
    HANG_SECONDS,
    LOOK_SECONDS,
    READERS,
    WRITE_SECONDS,
)
from proxycache.store.databasefile import check_file, check_version, is_corruption, prepare_file, set_aside
from proxycache.store.disk import Disk

from .asynchronous import asynchronous, until
from .openedindex import Index
from .recorder import Recorder
from .threadedclock import ThreadedClock

NEWEST = len(databasefile.schema_steps())
"""The schema's version."""


@pytest.fixture
def index(tmp_path: Path, disk: Disk, clock: ThreadedClock) -> Iterator[Index]:
    opened = Index(tmp_path / "deep" / "index.sqlite", disk, clock)
    yield opened
    opened.database.stop()
    assert opened.clock.triggers == []


def version(cursor: sqlite3.Cursor) -> int:
    (found,) = cursor.execute("PRAGMA user_version").fetchone()
    return int(found)


def insert(cursor: sqlite3.Cursor) -> None:
    cursor.execute("CREATE TABLE IF NOT EXISTS sample (value)")
    cursor.execute("INSERT INTO sample VALUES (1)")


def damage(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + b"rubbish" * 1000)


@asynchronous
async def test_a_fresh_schema(index: Index) -> None:
    assert index.database.state() is not None
    index.database.start()
    assert index.database.state() is None
    assert await index.database.read(version) == NEWEST
    assert index.rows("PRAGMA journal_mode") == [("wal",)]
    tables = {name for (name,) in index.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables == {"entry", "chunk"}
    assert index.rebuilt == 0


@asynchronous
async def test_every_connection_keeps_references(index: Index) -> None:
    index.database.start()

    def orphan(cursor: sqlite3.Cursor) -> None:
        cursor.execute("INSERT INTO chunk VALUES ('nobody', 0, 0, 0)")

    with pytest.raises(MetadataUnavailable):
        await index.database.write(orphan)


@asynchronous
async def test_a_write_is_one_transaction(index: Index) -> None:
    index.database.start()
    await index.database.write(insert)

    def fails(cursor: sqlite3.Cursor) -> None:
        insert(cursor)
        cursor.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(MetadataUnavailable):
        await index.database.write(fails)
    assert index.rows("SELECT * FROM sample") == [(1,)]


@asynchronous
async def test_it_is_unavailable_before_and_after(index: Index) -> None:
    for _ in range(2):
        with pytest.raises(MetadataUnavailable) as caught:
            await index.database.read(version)
        assert caught.value.cause == "database-unavailable"
        index.database.start()
        index.database.stop()


@asynchronous
async def test_a_later_version_is_refused(index: Index) -> None:
    index.path.parent.mkdir()
    connection = sqlite3.connect(index.path)
    connection.execute("PRAGMA user_version=1000")
    connection.close()
    with pytest.raises(UnknownSchema, match=r"index\.sqlite"):
        check_version(index.path)
    with pytest.raises(UnknownSchema):
        index.database.start()
    assert index.rows("PRAGMA user_version") == [(1000,)]


def test_a_database_that_is_refused_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=1000")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(UnknownSchema):
        prepare_file(path)
    assert path.read_bytes() == before


def test_only_the_version_is_checked_before_the_start(tmp_path: Path) -> None:
    check_version(tmp_path / "missing")
    damage(tmp_path / "damaged")
    check_version(tmp_path / "damaged")
    prepare_file(tmp_path / "good")
    check_version(tmp_path / "good")


def test_an_upgrade_keeps_a_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "index.sqlite"
    first = ["CREATE TABLE one (value);"]
    monkeypatch.setattr(databasefile, "schema_steps", lambda: first)
    prepare_file(path)
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO one VALUES (42)")
    connection.commit()
    connection.close()
    steps = [*first, "-- a comment; with a semicolon\nALTER TABLE one ADD COLUMN more;", "CREATE TABLE two (x);"]
    monkeypatch.setattr(databasefile, "schema_steps", lambda: steps)
    prepare_file(path)
    prepare_file(tmp_path / "fresh.sqlite")
    schemas = []
    for each in (path, tmp_path / "fresh.sqlite"):
        connection = sqlite3.connect(each)
        schemas.append(connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall())
        assert connection.execute("PRAGMA user_version").fetchone() == (3,)
        connection.close()
    assert schemas[0] == schemas[1]
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT * FROM one").fetchall() == [(42, None)]
    connection.close()
    backup = sqlite3.connect(tmp_path / "index.sqlite.schema-1")
    assert backup.execute("SELECT * FROM one").fetchall() == [(42,)]
    backup.close()


def test_a_step_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "index.sqlite"
    monkeypatch.setattr(databasefile, "schema_steps", lambda: ["CREATE TABLE one (value);"])
    prepare_file(path)
    steps = ["", "CREATE TABLE two (x);", "CREATE TABLE one (again);"]
    monkeypatch.setattr(databasefile, "schema_steps", lambda: steps)
    with pytest.raises(sqlite3.OperationalError):
        prepare_file(path)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("one",)]
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    connection.close()


def test_set_aside_takes_the_log_along(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").write_bytes(suffix.encode())
    aside = set_aside(path, 1234.5)
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "index.sqlite.corrupt-1234",
        "index.sqlite.corrupt-1234-shm",
        "index.sqlite.corrupt-1234-wal",
    ]
    assert aside == tmp_path / "index.sqlite.corrupt-1234"


@pytest.mark.parametrize(
    ("error", "bad"),
    [
        (sqlite3.DatabaseError("database disk image is malformed"), True),
        (sqlite3.DatabaseError("file is not a database"), True),
        (sqlite3.OperationalError("database is locked"), False),
        (sqlite3.OperationalError("disk I/O error"), False),
        (sqlite3.OperationalError("database or disk is full"), False),
        (OSError("malformed"), False),
    ],
)
def test_what_is_corruption(error: Exception, bad: bool) -> None:
    assert is_corruption(error) is bad


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Errors are expected here: they are looked at, and do not fail the test."""
    recorder = Recorder()
    monkeypatch.setattr(database, "make_logger", lambda: recorder)
    return recorder


@asynchronous
async def test_a_corrupt_file_is_set_aside_at_the_start(
    tmp_path: Path, disk: Disk, clock: ThreadedClock, log: Recorder
) -> None:
    index = Index(tmp_path / "index.sqlite", disk, clock)
    damage(index.path)
    bad = index.path.read_bytes()
    index.database.start()
    assert index.database.state() is None
    assert await index.database.read(version) == NEWEST
    (aside,) = tmp_path.glob("index.sqlite.corrupt-*")
    assert aside.read_bytes() == bad
    assert log.levels() == ["error"]
    index.database.stop()


@asynchronous
async def test_a_file_that_becomes_corrupt_is_set_aside(
    tmp_path: Path, disk: Disk, clock: ThreadedClock, log: Recorder
) -> None:
    index = Index(tmp_path / "index.sqlite", disk, clock)
    index.database.start()
    await index.database.write(insert)
    index.database.stop()
    # Whoever closes last takes the log with it, in which the bad pages would still be good.
    await until(lambda: not index.path.with_name("index.sqlite-wal").exists())
    index.database.start()
    with index.path.open("r+b") as file:
        file.write(b"rubbish" * 100)
    with pytest.raises(MetadataUnavailable):
        await index.database.read(lambda cursor: cursor.execute("SELECT * FROM sample").fetchall())
    assert index.database.state() is not None
    await index.recover()
    assert index.database.state() is None
    assert index.rebuilt == 1
    assert len(list(tmp_path.glob("index.sqlite.corrupt-*"))) >= 1
    assert log.levels().count("error") == 1
    index.database.stop()
    assert index.clock.triggers == []


@asynchronous
async def test_a_file_without_its_tables_is_set_aside_once_something_is_written(
    tmp_path: Path, disk: Disk, clock: ThreadedClock, log: Recorder
) -> None:
    index = Index(tmp_path / "index.sqlite", disk, clock)
    index.database.start()
    with sqlite3.connect(index.path) as connection:
        connection.execute("DROP TABLE chunk")
    connection.close()
    with pytest.raises(MetadataUnavailable, match="no such table"):
        await index.database.write(lambda cursor: cursor.execute("DELETE FROM chunk"))
    assert index.database.state() is not None
    await index.recover()
    assert (index.database.state(), index.rebuilt) == (None, 1)
    await index.database.write(lambda cursor: cursor.execute("DELETE FROM chunk"))
    index.database.stop()


@asynchronous
async def test_a_deleted_file_is_made_anew(index: Index) -> None:
    index.database.start()
    await index.database.write(insert)
    index.path.unlink()
    with pytest.raises(MetadataUnavailable, match=r"removed or replaced|unable to open"):
        await index.database.read(version)
    with pytest.raises(MetadataUnavailable):
        await index.database.write(insert)
    await index.recover()
    assert await index.database.read(version) == NEWEST
    assert index.rows("SELECT name FROM sqlite_master WHERE name = 'sample'") == []
    assert index.rebuilt == 1
    assert index.accounts.database_failures > 0
    await index.database.write(insert)
    assert index.database.state() is None


@asynchronous
async def test_nothing_is_written_into_a_file_that_was_removed(index: Index) -> None:
    index.database.start()
    await index.database.write(insert)
    index.path.unlink()
    with pytest.raises(MetadataUnavailable, match=r"removed or replaced|unable to open"):
        await index.database.write(insert)
    assert index.database.state() is not None


@asynchronous
async def test_nothing_is_written_into_a_file_that_was_replaced(index: Index) -> None:
    index.database.start()
    await index.database.write(insert)
    index.path.rename(index.path.with_name("old"))
    prepare_file(index.path)
    with pytest.raises(MetadataUnavailable, match="removed or replaced"):
        await index.database.write(insert)
    await index.recover()
    await index.database.write(insert)
    assert index.rows("SELECT * FROM sample") == [(1,)]


@asynchronous
async def test_a_new_file_may_have_the_inode_of_the_lost_one(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = os.stat

    def with_one_inode_for_all(path: str, **others: object) -> os.stat_result:
        found = stat(path)
        return os.stat_result((found.st_mode, 1, *found[2:10]))

    monkeypatch.setattr(os, "stat", with_one_inode_for_all)
    index.database.start()
    await index.database.write(insert)
    await index.database.read(version)
    index.path.unlink()
    with pytest.raises(MetadataUnavailable):
        await index.database.read(version)
    await index.recover()
    assert await index.database.read(version) == NEWEST
    assert index.rebuilt == 1


class Query:
    """A query that is at work until it is let go."""

    def __init__(self, index: Index, let_go: Event) -> None:
        self.begun = False
        self._let_go = let_go
        self.answer = index.database.read(self._work)

    def _work(self, cursor: sqlite3.Cursor) -> int:
        self.begun = True
        self._let_go.wait()
        return version(cursor)

    async def at_work(self) -> None:
        """Wait until a thread has taken it up."""
        await until(lambda: self.begun)


async def go_without(*queries: Query) -> None:
    """Nobody waits for an answer any more."""
    for query in queries:
        with pytest.raises(MetadataUnavailable) as caught:
            await query.answer
        assert caught.value.cause == "database-unavailable"


@asynchronous
async def test_a_slow_answer_is_none(index: Index, stuck: Event) -> None:
    index.database.start()
    slow = Query(index, stuck)
    await slow.at_work()
    index.clock.advance(ANSWER_TIMEOUT_SECONDS)
    await go_without(slow)
    assert index.database.state() is None
    assert await index.database.read(version) == NEWEST


@asynchronous
async def test_a_query_that_hangs_makes_it_unavailable(index: Index, stuck: Event) -> None:
    index.database.start()
    slow = Query(index, stuck)
    await slow.at_work()
    for seconds in (ANSWER_TIMEOUT_SECONDS, HANG_SECONDS - ANSWER_TIMEOUT_SECONDS - 0.01):
        index.clock.advance(seconds)
        assert index.database.state() is None
    index.clock.advance(0.01)
    await go_without(slow)
    assert "at work for 1.5 s" in (index.database.state() or "")
    await go_without(Query(index, stuck))
    stuck.set()
    await index.recover()
    assert index.database.state() is None
    assert await index.database.read(version) == NEWEST
    assert (index.rebuilt, index.accounts.database_failures) == (0, 1)


@asynchronous
async def test_it_is_opened_again_while_a_query_still_hangs(index: Index, stuck: Event) -> None:
    index.database.start()
    slow = Query(index, stuck)
    await slow.at_work()
    index.clock.advance(HANG_SECONDS)
    await go_without(slow)
    index.clock.advance(LOOK_SECONDS)
    index.clock.advance(CLOSE_SECONDS)
    await until(lambda: index.database.state() is None)
    assert await index.database.read(version) == NEWEST
    stuck.set()


@asynchronous
async def test_a_slow_query_among_others_is_its_own_affair(index: Index, stuck: Event) -> None:
    index.database.start()
    slow = Query(index, stuck)
    await slow.at_work()
    index.clock.advance(ANSWER_TIMEOUT_SECONDS)
    await go_without(slow)
    assert await index.database.read(version) == NEWEST
    index.clock.advance(10 * HANG_SECONDS)
    assert (index.database.state(), index.accounts.database_failures) == (None, 0)


@asynchronous
async def test_queries_in_line_are_no_failure(index: Index) -> None:
    """Three at a time, each at work for a second, and a crowd that waits its turn."""
    index.database.start()
    let_go = [Event() for _ in range(3)]
    rounds = [[Query(index, event) for _ in range(READERS)] for event in let_go]
    crowd = [Query(index, let_go[-1]) for _ in range(50)]
    for event, at_work in zip(let_go, rounds, strict=True):
        for query in at_work:
            if event is not let_go[-1]:
                await query.at_work()
        index.clock.advance(ANSWER_TIMEOUT_SECONDS * 0.9)
        event.set()
        if event is let_go[0]:
            assert [await query.answer for query in at_work] == [NEWEST] * 3
        else:
            await go_without(*at_work)
    await go_without(*crowd)
    # Nobody waits for them any more: they hold nobody up either.
    assert await index.database.read(version) == NEWEST
    assert not any(query.begun for query in (*rounds[-1], *crowd))
    index.clock.advance(10 * HANG_SECONDS)
    assert (index.database.state(), index.accounts.database_failures) == (None, 0)


@asynchronous
async def test_a_batch_that_hangs_is_told_of(index: Index, stuck: Event) -> None:
    index.database.start()
    begun = Event()

    def slow(cursor: sqlite3.Cursor) -> None:
        begun.set()
        stuck.wait()

    pending = index.database.write(slow)
    await until(begun.is_set)
    index.clock.advance(WRITE_SECONDS - LOOK_SECONDS)
    assert index.database.state() is None
    index.clock.advance(LOOK_SECONDS)
    assert "a batch has been at work for 10 s" in (index.database.state() or "")
    assert await index.database.read(version) == NEWEST
    stuck.set()
    await pending
    assert index.database.state() is None


@asynchronous
async def test_after_the_recovery_it_is_available(index: Index) -> None:
    index.database.start()
    await index.database.write(insert)
    index.path.unlink()
    with pytest.raises(MetadataUnavailable):
        await index.database.write(insert)
    await index.recover()
    assert await index.database.read(version) == NEWEST
    assert index.database.state() is None


@asynchronous
async def test_reading_goes_on_while_writing_fails(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databasefile, "BUSY_TIMEOUT_SECONDS", 0.0)
    index.database.start()
    await index.database.write(insert)
    other = sqlite3.connect(index.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(MetadataUnavailable, match="locked"):
        await index.database.write(insert)
    assert "locked" in (index.database.state() or "")
    assert await index.database.read(version) == NEWEST
    other.execute("ROLLBACK")
    other.close()
    await index.database.write(insert)
    assert index.database.state() is None
    assert index.rows("SELECT * FROM sample") == [(1,), (1,)]


@asynchronous
async def test_a_directory_in_the_way_is_looked_at_again(index: Index) -> None:
    index.path.mkdir(parents=True)
    index.database.start()
    assert index.database.state() is not None
    await index.recover()
    assert index.database.state() is not None
    index.path.rmdir()
    await index.recover()
    assert index.database.state() is None
    assert await index.database.read(version) == NEWEST


@asynchronous
async def test_stopped_while_it_failed_it_stays_stopped(index: Index, disk: Disk) -> None:
    index.path.mkdir(parents=True)
    index.database.start()
    index.clock.advance(LOOK_SECONDS)
    index.database.stop()
    index.path.rmdir()
    await disk.settle()
    index.clock.advance(10 * LOOK_SECONDS)
    assert index.database.state() is not None
    assert index.clock.getDelayedCalls() == []


def held_open(path: Path) -> list[str]:
    """The files of a database that this process has open."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(descriptor.readlink()))
    return [name for name in found if name.startswith(str(path))]


@asynchronous
async def test_what_failed_keeps_no_file_open(index: Index, disk: Disk) -> None:
    """SQLite closes a file once no cursor is left, and opens it as it did before while one is: for reading only."""

    def fails(cursor: sqlite3.Cursor) -> None:
        cursor.execute("SELECT * FROM sqlite_master")
        raise sqlite3.OperationalError("in the middle of it")

    index.database.start()
    gc.disable()
    try:
        for ask in (index.database.write, index.database.maintain):
            with pytest.raises(MetadataUnavailable):
                await ask(fails)
        assert held_open(index.path) != []
        index.database.stop()
        await disk.settle()
        assert held_open(index.path) == []
    finally:
        gc.enable()


@asynchronous
async def test_what_can_only_be_read_is_opened_anew_every_second(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    openings = iter([True] * 3)
    readonly = False

    def opens(path: Path) -> str | None:
        nonlocal readonly
        readonly = next(openings, False)
        return prepare_file(path)

    def rewrites(cursor: sqlite3.Cursor) -> None:
        if readonly:
            raise sqlite3.OperationalError("attempt to write a readonly database")

    monkeypatch.setattr(database, "prepare_file", opens)
    for module in (database, databasefile):
        monkeypatch.setattr(module, "rewrite", rewrites)
    index.database.start()
    for number in (1, 2, 3):
        assert index.openings == number
        assert "readonly" in (index.database.state() or "")
        assert await index.database.read(version) == NEWEST
        await index.recover()
    assert (index.openings, index.database.state()) == (4, None)
    for _ in range(3):
        await index.recover()
    assert index.openings == 4


def damage_a_page(path: Path) -> None:
    """Rubbish where only a look at the whole of it finds it."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE elsewhere (value)")
        connection.execute("INSERT INTO elsewhere VALUES (zeroblob(20000))")
    connection.close()
    with path.open("r+b") as file:
        file.seek(-8192, os.SEEK_END)
        file.write(os.urandom(8192))


@asynchronous
async def test_it_serves_while_all_of_it_is_read(index: Index, monkeypatch: pytest.MonkeyPatch, stuck: Event) -> None:
    prepare_file(index.path)
    begun: list[bool] = []

    def slow(path: Path, stop: Event, thorough: bool) -> str | None:
        begun.append(thorough)
        stuck.wait()
        return check_file(path, stop, thorough)

    monkeypatch.setattr(database, "check_file", slow)
    index.database.start()
    await until(lambda: begun == [False])
    index.clock.advance(10 * HANG_SECONDS)
    assert await index.database.read(version) == NEWEST
    await index.database.write(insert)
    assert index.database.state() is None
    stuck.set()
    await index.disk.settle()
    assert (index.database.state(), index.openings) == (None, 1)


@asynchronous
async def test_what_is_found_when_all_of_it_is_read_is_set_aside(
    tmp_path: Path, disk: Disk, clock: ThreadedClock, log: Recorder
) -> None:
    index = Index(tmp_path / "index.sqlite", disk, clock)
    prepare_file(index.path)
    damage_a_page(index.path)
    index.database.start()
    assert index.database.state() is None
    await index.database.read(version)
    await disk.settle()
    assert index.database.state() is not None
    await index.recover()
    assert index.database.state() is None
    assert len(list(tmp_path.glob("index.sqlite.corrupt-*"))) >= 1
    assert (index.rebuilt, log.levels().count("error")) == (1, 1)
    index.database.stop()


@asynchronous
async def test_what_a_query_suspects_is_looked_into(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was opened anew meanwhile, and serves: what is whole is not set aside for one bad answer."""
    looks: list[bool] = []

    def noted(path: Path, stop: Event, thorough: bool) -> str | None:
        looks.append(thorough)
        return check_file(path, stop, thorough)

    def suspects(cursor: sqlite3.Cursor) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.setattr(database, "check_file", noted)
    index.database.start()
    assert looks == []
    with pytest.raises(MetadataUnavailable):
        await index.database.read(suspects)
    assert index.database.state() is not None
    await index.recover()
    assert (index.database.state(), index.openings, index.rebuilt, looks) == (None, 2, 0, [True])
    await index.database.write(insert)


@asynchronous
async def test_a_look_at_all_of_it_can_be_stopped(index: Index) -> None:
    index.database.start()
    with sqlite3.connect(index.path) as connection:
        connection.execute(
            "CREATE TABLE large AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n"
            " LIMIT 20000) SELECT x, zeroblob(100) AS z FROM n"
        )
    connection.close()
    stop = Event()
    assert check_file(index.path, stop, thorough=True) is None
    stop.set()
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        check_file(index.path, stop, thorough=True)
