"""When a failed request is tried again."""

import pytest

from proxycache.errors import OriginUnreachable
from proxycache.policy.fields import Fields
from proxycache.policy.retrying import (
    EXPIRED_STATUSES,
    FAILING_SECONDS,
    MAX_ATTEMPTS,
    MAX_DELAY_SECONDS,
    MAX_FAILING,
    RETRYABLE_STATUSES,
    Failing,
    Outage,
    Outages,
    is_transient,
    least_progress,
    retry_after,
    retry_delay,
)

from .casefile import Case, cases


@cases("retry-delays", "failures", "retry_after", "delay")
def test_delays(case: Case) -> None:
    assert retry_delay(case["failures"], case.get("retry_after")) == case.outcome("delay")


@cases("transient", "status", "response", "transient")
def test_failures_that_may_be_over_soon(case: Case) -> None:
    assert is_transient(case["status"], case.fields("response")) is case["transient"]


@cases("progress", "length", "response", "least")
def test_the_least_progress(case: Case) -> None:
    assert least_progress(case.fields("response"), case.get("length"), 30.0) == case["least"]


def test_it_ends_and_waits_longer_each_time() -> None:
    delays = [retry_delay(failures, None) for failures in range(1, MAX_ATTEMPTS + 1)]
    assert delays.pop() is None
    waits = [delay for delay in delays if delay is not None]
    assert len(waits) == MAX_ATTEMPTS - 1
    assert waits == sorted(set(waits))
    assert waits[-1] <= MAX_DELAY_SECONDS


def test_statuses() -> None:
    assert frozenset({429, 500, 502, 503, 504}) == RETRYABLE_STATUSES
    assert frozenset({401, 403, 404, 410}) == EXPIRED_STATUSES


URL = b"http://origin.example/a"


def test_nothing_fails_before_it_is_noted() -> None:
    assert not Failing().lasts(URL, 0.0)


def test_a_failure_lasts_for_its_time_and_no_longer() -> None:
    failing = Failing()
    failing.note(URL, 10.0)
    assert failing.lasts(URL, 10.0)
    assert failing.lasts(URL, 10.0 + FAILING_SECONDS - 0.001)
    assert not failing.lasts(URL, 10.0 + FAILING_SECONDS)
    assert not failing.lasts(URL + b"?", 10.0)


def test_noted_again_it_lasts_from_then_on() -> None:
    failing = Failing()
    failing.note(URL, 10.0)
    failing.note(URL, 12.0)
    assert failing.lasts(URL, 10.0 + FAILING_SECONDS)


def test_an_answer_ends_it() -> None:
    failing = Failing()
    failing.over(URL)
    failing.note(URL, 10.0)
    failing.over(URL)
    assert not failing.lasts(URL, 10.0)


def test_the_oldest_are_forgotten_and_not_the_ones_noted_again() -> None:
    failing = Failing()
    names = [b"%d" % n for n in range(MAX_FAILING)]
    for name in names:
        failing.note(name, 0.0)
    failing.note(names[0], 0.0)
    failing.note(URL, 0.0)
    assert not failing.lasts(names[1], 0.0)
    assert all(failing.lasts(name, 0.0) for name in (names[0], names[2], names[-1], URL))


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
