"""The database's file is deleted under the product, or comes from the future."""

import pytest

from tests.faults.rig import MIB, Rig
from tests.servers.deadline import until


@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced-by-an-old-copy"])
def test_while_running(rig: Rig, replaced: bool) -> None:
    forgotten = rig.put_cached(3)
    rig.proxy.stop()
    copy = rig.index.path.read_bytes()
    rig.proxy.start()
    known, new = rig.put_cached(3), rig.put(3)
    rig.index.delete()
    if replaced:
        rig.index.path.write_bytes(copy)
    known.read_as_hit()
    for subject in (forgotten, new):
        subject.read()
        subject.until_hit()
    for subject in (known, forgotten, new):
        subject.wait_recorded()
    rig.origin.clear_log()
    rig.proxy.kill()
    rig.proxy.start()
    for subject in (known, forgotten, new):
        subject.read_as_hit()


def test_during_a_download(rig: Rig) -> None:
    subject = rig.put(6)
    rig.origin.throttle(subject.name, 12 * MIB)
    with subject.stream() as reader:
        assert reader.recv_exactly(2 * MIB) == subject.content.read(0, 2 * MIB)
        subject.wait_recorded({0})
        rig.index.delete()
        rest = reader.rest()
    assert rest == subject.content.read(2 * MIB, subject.length)
    subject.read_as_hit()
    subject.wait_recorded()
    assert subject.bytes_sent() == subject.length


def test_from_the_future(rig: Rig) -> None:
    known = rig.put_cached(2)
    version = rig.index.version
    rig.index.execute("PRAGMA user_version=99")
    known.read_as_hit()
    rig.proxy.stop()
    before, aside = len(rig.proxy.log()), rig.index.set_aside()
    process = rig.proxy.launch()
    until(lambda: process.poll() is not None, "the start to be refused")
    assert process.returncode != 0
    (line,) = rig.proxy.log()[before:].strip().splitlines()
    assert str(rig.proxy.database) in line
    assert "99" in line
    assert rig.index.set_aside() == aside
    rig.proxy.kill()
    rig.index.execute(f"PRAGMA user_version={version}")
    rig.proxy.start()
    known.read_as_hit()
