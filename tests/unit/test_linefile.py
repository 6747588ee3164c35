"""A file that lines are appended to: whole lines, whatever the disk does."""

from __future__ import annotations

import os
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from twisted.internet.threads import deferToThread

from proxycache.accounts import Accounts
from proxycache.store.disk import Disk
from proxycache.store.linefile import FLUSH_SECONDS, MAX_WAITING, LineFile

from .asynchronous import asynchronous, reactor, until
from .threadedclock import ThreadedClock

LINE = "x" * 99


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """No file grows beyond it: a write is cut there, and the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@asynccontextmanager
async def lines_in(path: Path, accounts: Accounts) -> AsyncIterator[LineFile]:
    disk = Disk(reactor, 1)
    disk.start()
    lines = LineFile(reactor, path, disk, accounts)
    try:
        yield lines
    finally:
        await lines.stop()


@asynchronous
async def test_lines_come_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "new" / "log"
    async with lines_in(path, Accounts()) as lines:
        for number in range(1000):
            lines.write(f"line {number}")
    assert path.read_text().splitlines() == [f"line {number}" for number in range(1000)]


@asynchronous
async def test_what_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    async with lines_in(path, Accounts()) as lines:
        lines.write("after")
    assert path.read_text() == "before\nafter\n"


@asynchronous
async def test_a_line_that_was_cut_ends_before_the_next(tmp_path: Path) -> None:
    path, accounts = tmp_path / "log", Accounts()
    async with lines_in(path, accounts) as lines:
        with files_end_at(250):
            for _ in range(5):
                lines.write(LINE)
            await until(lambda: accounts.lost_log_lines == 3)
        lines.write("next")
    assert path.read_text().splitlines() == [LINE, LINE, "x" * 50, "next"]
    assert accounts.lost_log_lines == 3


@asynchronous
async def test_what_waits_for_a_slow_disk_is_bounded(tmp_path: Path) -> None:
    path, accounts = tmp_path / "pipe", Accounts()
    os.mkfifo(path)
    many = MAX_WAITING // 100
    async with lines_in(path, accounts) as lines:
        lines.write("first")
        await until(lambda: lines.writing)
        for _ in range(many + 7):
            lines.write(LINE)
        assert accounts.lost_log_lines == 7
        reading = deferToThread(path.read_text)
    assert len((await reading).splitlines()) == 1 + many


@asynchronous
async def test_lines_are_gathered(tmp_path: Path, disk: Disk, clock: ThreadedClock) -> None:
    """One write for all that came meanwhile."""
    path = tmp_path / "log"
    lines = LineFile(clock, path, disk, Accounts())
    for _ in range(10):
        lines.write(LINE)
    assert not lines.writing
    clock.advance(FLUSH_SECONDS)
    assert lines.writing
    await until(lambda: not lines.writing)
    assert path.stat().st_size == 1000


@asynchronous
async def test_another_file_after_it_was_renamed(tmp_path: Path) -> None:
    path, old = tmp_path / "log", tmp_path / "log.1"
    async with lines_in(path, Accounts()) as lines:
        lines.write("one")
        await until(path.exists)
        path.rename(old)
        lines.reopen()
        await until(path.exists)
        lines.write("two")
    assert (old.read_text(), path.read_text()) == ("one\n", "two\n")


@asynchronous
async def test_a_file_that_cannot_be_had_is_tried_again(tmp_path: Path) -> None:
    path, accounts = tmp_path / "log", Accounts()
    path.mkdir()
    async with lines_in(path, accounts) as lines:
        lines.write("lost")
        await until(lambda: accounts.lost_log_lines == 1)
        path.rmdir()
        lines.write("kept")
    assert path.read_text() == "kept\n"
