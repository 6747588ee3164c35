"""When a failed request is tried again."""

import pytest

from proxycache.errors import OriginUnreachable
from proxycache.policy.fields import Fields
from proxycache.policy.retrying import (
    EXPIRED_STATUSES,
    FAILING_SECONDS,
    MAX_ATTEMPTS,
    MAX_FAILING,
    RETRYABLE_STATUSES,
    Outage,
    Outages,
    is_transient,
    least_progress,
    retry_after,
    retry_delay,
)

from .casefile import Case, cases


@cases("retry-delays", "failures", "delay")
def test_delays(case: Case) -> None:
    assert retry_delay(case["failures"]) == case.outcome("delay")


@cases("transient", "status", "response", "transient")
def test_failures_that_may_be_over_soon(case: Case) -> None:
    assert is_transient(case["status"], case.fields("response")) is case["transient"]


@cases("progress", "length", "response", "least")
def test_the_least_progress(case: Case) -> None:
    assert least_progress(case.fields("response"), case.get("length"), 30.0) == case["least"]


def test_it_ends_and_waits_longer_each_time() -> None:
    delays = [retry_delay(failures) for failures in range(1, MAX_ATTEMPTS + 1)]
    assert delays.pop() is None
    waits = [delay for delay in delays if delay is not None]
    assert len(waits) == MAX_ATTEMPTS - 1
    assert waits == sorted(set(waits))


def test_statuses() -> None:
    assert frozenset({429, 500, 502, 503, 504}) == RETRYABLE_STATUSES
    assert frozenset({401, 403, 404, 410}) == EXPIRED_STATUSES


HOST = b"http://origin.example"
ERROR = OriginUnreachable("refused")


def test_an_outage_lasts_for_its_time() -> None:
    outages = Outages()
    assert outages.of(HOST, 0.0) is None
    outages.note(HOST, ERROR, 10.0, connected=False, certain=True)
    assert outages.of(HOST, 10.0 + FAILING_SECONDS - 0.001) == Outage(ERROR, False, True, 10.0 + FAILING_SECONDS)
    assert outages.of(HOST, 10.0 + FAILING_SECONDS) is None
    assert outages.of(b"http://other.example", 10.0) is None


def test_what_was_certain_stays_so_while_it_lasts() -> None:
    outages = Outages()
    outages.note(HOST, ERROR, 0.0, connected=False, certain=True)
    assert outages.note(HOST, ERROR, 1.0, connected=False, certain=False).certain
    assert not outages.note(HOST, ERROR, 1.0 + FAILING_SECONDS, connected=False, certain=False).certain


def test_a_connection_ends_want_of_one_and_an_answer_all() -> None:
    outages = Outages()
    for connected in (True, False):
        outages.note(HOST, ERROR, 0.0, connected=connected, certain=True)
        outages.connected(HOST)
        assert (outages.of(HOST, 0.0) is not None) is connected
        outages.answered(HOST)
        assert outages.of(HOST, 0.0) is None
    outages.connected(HOST)


def test_the_oldest_outages_are_forgotten() -> None:
    outages = Outages()
    for number in range(MAX_FAILING + 1):
        outages.note(b"%d" % number, ERROR, 0.0, connected=False, certain=True)
    assert outages.of(b"0", 0.0) is None
    assert outages.of(b"1", 0.0) is not None


@pytest.mark.parametrize(
    ("value", "seconds"), [(b"0", 0.0), (b"120", 120.0), (b"Thu, 01 Jan 1970 00:01:40 GMT", 40.0), (b"soon", None)]
)
def test_retry_after(value: bytes, seconds: float | None) -> None:
    assert retry_after(Fields([(b"retry-AFTER", value)]), 60.0) == seconds
