"""Counters for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from proxycache.accounts import Accounts

FIRST_BYTE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds."""


class _AccountsCollector(Collector):
    """Shows L{Accounts} as they are at the scrape."""

    def __init__(self, accounts: Accounts, space: Callable[[], tuple[int, int]]) -> None:
        self._accounts = accounts
        self._space = space

    def collect(self) -> Iterable[Metric]:
        """All families."""
        accounts = self._accounts
        requests = CounterMetricFamily(
            "proxycache_requests", "Answers by status and cache result.", labels=("status", "cache")
        )
        for (status, cache), count in sorted(accounts.requests.items()):
            requests.add_metric((str(status), cache), count)
        yield requests
        served = CounterMetricFamily("proxycache_served_bytes", "Body bytes to clients.", labels=("source",))
        for source in ("cache", "fill", "passthrough"):
            served.add_metric((source,), accounts.served[source])
        yield served
        passthroughs = CounterMetricFamily(
            "proxycache_passthroughs", "Responses that went past the cache.", labels=("cause",)
        )
        for cause, count in sorted(accounts.passthroughs.items()):
            passthroughs.add_metric((cause,), count)
        yield passthroughs
        failures = CounterMetricFamily("proxycache_origin_failures", "Failed requests to origins.", labels=("kind",))
        for kind, count in sorted(accounts.origin_failures.items()):
            failures.add_metric((kind,), count)
        yield failures
        for name, text, value in (
            ("origin_bytes", "Body bytes from origins.", accounts.origin_bytes),
            ("origin_requests", "Requests to origins.", accounts.origin_requests),
            ("retries", "Requests tried again, and ranges fetched again.", accounts.retries),
            ("damaged_chunks", "Chunks whose cached bytes could not be used.", accounts.damaged_chunks),
            ("write_failures", "Chunks that could not be written.", accounts.write_failures),
            ("unstored_chunks", "Chunks that were not stored since the disk was too slow.", accounts.unstored_chunks),
            ("evicted_chunks", "Chunks dropped for space.", accounts.evicted_chunks),
            ("evicted_entries", "Entries dropped for space, with or after their chunks.", accounts.evicted_entries),
            ("database_failures", "Failures of the database.", accounts.database_failures),
            ("lost_log_lines", "Lines of the access log that could not be written.", accounts.lost_log_lines),
        ):
            yield CounterMetricFamily(f"proxycache_{name}", text, value=value)
        used, limit = self._space()
        for name, text, value in (
            ("running_fills", "Requests to origins whose body lands in the cache.", accounts.running_fills),
            ("queued_fetches", "Requests to origins that wait for a connection.", accounts.queued_fetches),
            ("waiters", "Readers that wait for a byte.", accounts.waiters),
            ("cached_bytes", "Bytes of all that is stored: chunks in whole blocks, and records.", used),
            ("cache_limit_bytes", "Bytes that may be stored now.", limit),
        ):
            yield GaugeMetricFamily(f"proxycache_{name}", text, value=value)


class Metrics:
    """The registry of one service.

    @param space: bytes cached and bytes allowed, at the moment of asking.
    """

    def __init__(self, accounts: Accounts, space: Callable[[], tuple[int, int]]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_AccountsCollector(accounts, space))
        self._first_byte = Histogram(
            "proxycache_first_byte_seconds",
            "From the request to the head of its answer.",
            buckets=FIRST_BYTE_BUCKETS,
            registry=self._registry,
        )

    def first_byte(self, seconds: float) -> None:
        """An answer's head was written so long after its request."""
        self._first_byte.observe(seconds)

    def render(self) -> bytes:
        """The text format of Prometheus."""
        return generate_latest(self._registry)
