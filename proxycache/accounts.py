"""Counters of what happened, plain integers; L{proxycache.web.metrics} shows them to Prometheus."""

from __future__ import annotations

from collections import Counter

from attrs import Factory, define


@define
class Accounts:
    """Totals since the process began. Bytes are body bytes.

    @ivar served: bytes sent to clients, by source: cache, fill or passthrough.
    @ivar requests: answers, by (status, cache result).
    @ivar passthroughs: responses that went past the cache, by cause.
    """

    served: Counter[str] = Factory(Counter)
    requests: Counter[tuple[int, str]] = Factory(Counter)
    passthroughs: Counter[str] = Factory(Counter)
    origin_bytes: int = 0
    origin_requests: int = 0
    origin_failures: Counter[str] = Factory(Counter)
    running_fills: int = 0
    queued_fetches: int = 0
    waiters: int = 0
    retries: int = 0
    damaged_chunks: int = 0
    write_failures: int = 0
    unstored_chunks: int = 0
    evicted_chunks: int = 0
    evicted_entries: int = 0
    database_failures: int = 0
    lost_log_lines: int = 0
