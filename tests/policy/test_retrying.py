"""When a failed request is tried again."""

from proxycache.policy.retrying import (
    EXPIRED_STATUSES,
    FAILING_SECONDS,
    MAX_ATTEMPTS,
    MAX_DELAY_SECONDS,
    MAX_FAILING,
    RETRYABLE_STATUSES,
    Failing,
    is_transient,
    least_progress,
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
    assert frozenset({401, 403, 410}) == EXPIRED_STATUSES


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
