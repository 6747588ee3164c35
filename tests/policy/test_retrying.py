"""When a failed request is tried again."""

import pytest

from proxycache.policy.retrying import (
    EXPIRED_STATUSES,
    MAX_ATTEMPTS,
    MAX_DELAY_SECONDS,
    RETRYABLE_STATUSES,
    retry_delay,
)


@pytest.mark.parametrize(
    ("failures", "retry_after", "delay"),
    [
        (1, None, 0.5),
        (2, None, 1.0),
        (3, None, None),
        (100, None, None),
        (1, 0.0, 0.5),
        (1, 7.0, 7.0),
        (2, 0.7, 1.0),
        (1, 30.0, 30.0),
        (1, 30.1, None),
        (1, float("inf"), None),
        (3, 1.0, None),
    ],
)
def test_delays(failures: int, retry_after: float | None, delay: float | None) -> None:
    assert retry_delay(failures, retry_after) == delay


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
