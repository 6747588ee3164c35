"""What is damaged cannot be fetched again: passthrough if the origin allows, else an aborted connection."""

from concurrent.futures import ThreadPoolExecutor

from tests.faults.conftest import MakeRig
from tests.faults.damage import flip_bit, truncate
from tests.faults.rig import MIB, Rig
from tests.servers.fetch import same, same_stream
from tests.servers.origin import Fault

OBJECT_MIB = 12
READ = MIB
BAD = 8


def test_503_for_ever_to_that_range(rig: Rig) -> None:
    subject = rig.put_cached(OBJECT_MIB)
    flip_bit(BAD * MIB)(subject.file)
    again = f"bytes={BAD * MIB}-{(BAD + 1) * MIB - 1}"
    subject.break_requests(lambda served: served.range == again)
    grown = rig.meter()
    subject.read()
    assert grown('served_bytes_total{source="cache"}') == BAD * MIB
    assert grown('served_bytes_total{source="passthrough"}') == (OBJECT_MIB - BAD) * MIB
    assert grown('passthroughs_total{cause="retry-failed"}') == 1
    assert all(served.status == 503 for served in rig.origin.requests(subject.name) if served.range == again)
    rig.origin.clear_faults()
    subject.until_hit()


def test_origin_down(make_rig: MakeRig) -> None:
    rig = make_rig({"fetch": {"retry_attempts": 0}})
    rig.proxy.start()
    subject, gone = rig.put_cached(OBJECT_MIB), rig.put_cached(2)
    flip_bit(BAD * MIB + 5)(subject.file)
    gone.file.unlink()
    with subject.stream(receive_buffer=1 << 16) as reader, ThreadPoolExecutor(2) as pool:
        same_stream(subject.content, 0, READ, reader)
        rig.origin.stop()
        # Before the first byte it is a status, after it an aborted connection.
        part = pool.submit(subject.get, [("Range", f"bytes={BAD * MIB}-")])
        whole = pool.submit(gone.get)
        rest = reader.rest()
        same(subject.content, READ, rest)
        assert not reader.answer.complete
        assert READ + len(rest) == BAD * MIB
        for answer in (part.result(), whole.result()):
            assert (answer.status, answer.complete) == (502, True)
    # What is whole is served all the same.
    subject.read(0, BAD * MIB)
    rig.origin.start()
    subject.read()
    assert subject.chunks_sent() == {BAD}
    subject.until_hit()
    gone.read()
    gone.until_hit()


def test_origin_down_and_up_again(rig: Rig) -> None:
    subject = rig.put_cached(OBJECT_MIB)
    truncate(BAD * MIB)(subject.file)
    with subject.stream(receive_buffer=1 << 16) as reader:
        same_stream(subject.content, 0, READ, reader)
        rig.origin.stop()
        same_stream(subject.content, READ, BAD * MIB, reader)
        # The retry is failing by now.
        rig.origin.start()
        same_stream(subject.content, BAD * MIB, subject.length, reader)
        assert reader.answer.complete
    subject.until_hit()


def test_the_object_has_changed_since(rig: Rig) -> None:
    subject = rig.put_cached(OBJECT_MIB)
    flip_bit(BAD * MIB)(subject.file)
    with subject.stream(receive_buffer=1 << 16) as reader:
        same_stream(subject.content, 0, READ, reader)
        new = subject.change()
        rest = reader.rest()
        same(subject.content, READ, rest)
        assert not reader.answer.complete
    new.read()
    new.until_hit()


def test_the_origin_sends_the_bad_chunk_short(rig: Rig) -> None:
    subject = rig.put_cached(OBJECT_MIB)
    flip_bit(BAD * MIB)(subject.file)
    rig.origin.fault(subject.name, Fault(cut_after=100_000))
    rig.origin.fault(subject.name, Fault(cut_after=200_000, reset=True))
    subject.read()
    assert subject.bytes_sent() == MIB
    subject.until_hit()
