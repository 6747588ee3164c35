"""An entry without a complete length: past the cache for now, while it is mended; then a hit."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.rig import HIT, MIB, Rig, Subject, cache_status
from tests.servers.fetch import same, same_stream
from tests.servers.origin import Fault

LENGTH_MIB = 6
START, STOP = MIB + 100, 3 * MIB
NO_LENGTH = "no-length"


def hide_length(subject: Subject, times: int | None) -> None:
    """The origin answers a range from START on with less than the rest, and without the complete length."""
    part = f"bytes {START}-{STOP - 1}/*"
    fault = Fault(status=206, content_range=part, body_range=(START, STOP))

    subject.rig.origin.fault(
        subject.name, fault, times, when=lambda served: (served.range or "").startswith(f"bytes={START}-")
    )


def fetched_meanwhile(subject: Subject, last: int = 2) -> None:
    """What was asked for is fetched without anybody asking again, so that the next request is a hit."""
    subject.wait_recorded(set(range(1, last + 1)))
    subject.rig.origin.clear_log()
    assert cache_status(subject.read(START, STOP)) == HIT
    assert subject.rig.origin.requests(subject.name) == []


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_range_of_something(rig: Rig, times: int) -> None:
    subject = rig.put(LENGTH_MIB)
    hide_length(subject, times)
    answer = subject.read(START, STOP)
    assert NO_LENGTH in cache_status(answer)
    fetched_meanwhile(subject)
    subject.until_hit()


def test_a_range_to_the_end_of_something(rig: Rig) -> None:
    subject = rig.put(LENGTH_MIB)
    hide_length(subject, 1)
    answer = subject.get([("Range", f"bytes={START}-")])
    assert (answer.status, answer.complete, len(answer.body)) == (206, True, subject.length - START)
    same(subject.content, START, answer.body)
    fetched_meanwhile(subject, LENGTH_MIB - 1)
    subject.until_hit()


def test_ranges_of_something_for_ever(rig: Rig) -> None:
    """Only the answer to a request for the whole tells the length."""
    subject = rig.put(LENGTH_MIB)
    hide_length(subject, None)
    answer = subject.get([("Range", f"bytes={START}-{STOP - 1}")])
    assert (answer.status, answer.complete) == (206, True)
    assert answer.field("Content-Range") == f"bytes {START}-{STOP - 1}/*"
    same(subject.content, START, answer.body)
    assert len(answer.body) == STOP - START
    fetched_meanwhile(subject)


def test_many_clients_at_once(rig: Rig) -> None:
    subject = rig.put(LENGTH_MIB)
    hide_length(subject, 1)
    with ThreadPoolExecutor(5) as pool:
        for running in [pool.submit(subject.read, START, STOP) for _ in range(5)]:
            running.result()
    fetched_meanwhile(subject)
    subject.until_hit()


def kill_in_first_answer(subject: Subject) -> None:
    """The first answer tells the length by its end alone, and the product does not live to see that."""
    rig = subject.rig
    rig.origin.throttle(subject.name, 4 * MIB)
    rig.origin.fault(subject.name, Fault(framing="chunked"))
    with subject.stream() as reader:
        same_stream(subject.content, 0, 2 * MIB, reader)
        subject.wait_recorded({0})
        rig.proxy.kill()
        same(subject.content, 2 * MIB, reader.rest())
        assert not reader.answer.complete
    rig.origin.throttle(subject.name, None)


def test_killed_before_the_length_was_known(rig: Rig) -> None:
    whole, part = subjects = [rig.put(LENGTH_MIB) for _ in range(2)]
    for subject in subjects:
        kill_in_first_answer(subject)
        rig.proxy.start()
    assert cache_status(whole.read()) == f"proxycache; fwd=bypass; detail={NO_LENGTH}"
    whole.wait_recorded()
    whole.read_as_hit()
    assert cache_status(part.read(START, STOP)) == f"proxycache; fwd=bypass; detail={NO_LENGTH}"
    fetched_meanwhile(part)
    part.until_hit()
    for subject in subjects:
        subject.wait_recorded()
    rig.proxy.restart()
    rig.origin.clear_log()
    for subject in subjects:
        subject.read_as_hit()


def test_rows_without_length(rig: Rig) -> None:
    """Another program took it away."""
    subject = rig.put_cached(LENGTH_MIB)
    rig.proxy.stop()
    rig.index.execute("UPDATE entry SET length = NULL")
    rig.proxy.start()
    subject.read()
    subject.until_hit()
    subject.wait_recorded()
