"""A database full of garbage is set aside and made anew; it is never the client's business."""

import pytest

from tests.faults.index import Index
from tests.faults.rig import MIB, Rig
from tests.servers.deadline import until

AT_THE_START = {
    "garbage-behind-the-first-page": Index.overwrite_pages,
    "cut-short": Index.truncate,
    "another-kind-of-file": Index.fill_with_text,
    "a-table-missing": Index.drop_table,
}


def test_while_running(rig: Rig) -> None:
    aside = rig.index.set_aside()
    forgotten = rig.put_cached(3)
    rig.proxy.restart()
    known, new = rig.put_cached(3), rig.put(3)
    known.read_as_hit()
    rig.index.overwrite()
    known.read_as_hit()
    for subject in (forgotten, new):
        subject.read()
        subject.until_hit()
    until(lambda: len(rig.index.set_aside() - aside) == 1, "the corrupt database to be set aside")
    # Recorded anew, all three of them.
    for subject in (known, forgotten, new):
        subject.wait_recorded()
    rig.origin.clear_log()
    rig.proxy.kill()
    rig.proxy.start()
    for subject in (known, forgotten, new):
        subject.read_as_hit()


@pytest.mark.parametrize("kind", AT_THE_START)
def test_at_the_start(rig: Rig, kind: str) -> None:
    aside = rig.index.set_aside()
    known, new = rig.put_cached(3), rig.put(3)
    rig.proxy.stop()
    AT_THE_START[kind](rig.index)
    rig.proxy.start()
    # All of it is read once it serves.
    until(lambda: len(rig.index.set_aside() - aside) == 1, "the corrupt database to be set aside")
    # Files that nobody knows any more are gone.
    until(lambda: rig.blocks_on_disk() == 0, "space to be free again")
    for subject in (known, new):
        subject.read()
        subject.until_hit()
        subject.wait_recorded()


def test_rows_that_make_no_sense(rig: Rig) -> None:
    """It is a database, but another program wrote into it."""
    fields, variant, size, checksums = subjects = [rig.put_cached(3) for _ in range(4)]
    holes = rig.put(6)
    holes.read(0, MIB)
    holes.wait_recorded({0})
    recorded = holes.recorded()
    rig.proxy.stop()
    for subject, values in (
        (fields, "fields = 'nonsense'"),
        (variant, "variant = '{'"),
        (size, "chunk_size = 0"),
    ):
        rig.index.execute(f"UPDATE entry SET {values} WHERE source_url = ?", subject.source_url.encode())
    of = "WHERE entry_id = (SELECT id FROM entry WHERE source_url = ?)"
    rig.index.execute(f"UPDATE chunk SET checksum = checksum + 1 {of}", checksums.source_url.encode())
    for index in range(6):
        sql = f"INSERT OR IGNORE INTO chunk SELECT entry_id, {index}, checksum, size FROM chunk {of} AND idx = 0"
        rig.index.execute(sql, holes.source_url.encode())
    rig.proxy.start()
    rig.origin.clear_log()
    holes.read()
    assert holes.chunks_sent() == holes.all_chunks - recorded
    for subject in (*subjects, holes):
        subject.read()
        subject.until_hit()
