"""When a failed request to an origin is tried again."""

from __future__ import annotations

MAX_ATTEMPTS = 3
"""Requests in a row that may fail without one byte of progress."""

FIRST_DELAY_SECONDS = 0.5
MAX_DELAY_SECONDS = 30.0

RETRYABLE_STATUSES = frozenset({429, 500, 502, 503, 504})

EXPIRED_STATUSES = frozenset({401, 403, 410})
"""What the target of a redirect answers once its signature has expired."""


def retry_delay(failures: int, retry_after: float | None) -> float | None:
    """Seconds to wait before the next attempt, or None to give up.

    The wait doubles from L{FIRST_DELAY_SECONDS}; Retry-After (RFC 9110, section 10.2.3) may lengthen it, and one
    beyond L{MAX_DELAY_SECONDS} means giving up: it is the client's to wait that long.

    @param failures: attempts that failed in a row, 1 or more.
    """
    if failures >= MAX_ATTEMPTS:
        return None
    delay: float = min(MAX_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** (failures - 1))
    if retry_after is None:
        return delay
    return None if retry_after > MAX_DELAY_SECONDS else max(delay, retry_after)
