"""When a failed request to an origin is tried again."""

from __future__ import annotations

from attrs import frozen

from proxycache.errors import OriginError

from .fields import Fields, parse_date, parse_delta_seconds
from .freshness import response_directives
from .latest import Latest

MAX_ATTEMPTS = 3
"""Requests in a row that may fail without one byte of progress."""

MIN_PROGRESS = 32 * 1024
"""Bytes that an attempt has to bring, unless it brings all that is missing: with less it has failed."""

MIN_RATE = 100.0
"""Bytes a second, on average over the deadline for the next byte, that count as progress of an object's body."""

FIRST_DELAY_SECONDS = 0.5

RETRYABLE_STATUSES = frozenset({429, 500, 502, 503, 504})

_MEANT = (b"expires", b"last-modified")


def is_transient(status: int, response: Fields) -> bool:
    """Whether an answer is a failure that may be over at the next attempt.

    One that says how long it may be kept, or since when it is so, is meant, and goes to the client as it is.
    (RFC 9110, section 15.6; RFC 6585, section 4.)
    """
    if status not in RETRYABLE_STATUSES:
        return False
    directives = response_directives(response)
    lasting = any(name in directives for name in ("max-age", "s-maxage"))
    return not lasting and all(response.first(name) is None for name in _MEANT)


FAILING_SECONDS = 5.0
"""How long a URL that answered with a failure, or a host that gave no answer, is taken to go on so."""

MAX_FAILING = 1024


def least_progress(response: Fields, length: int | None, seconds: float) -> float:
    """Bytes of a body that have to come in C{seconds}.

    One at least; more of what has a length or a validator. What has neither may be a feed, which says something now and
    then.

    @param length: declared length of the body, None where it is not.
    """
    an_object = length is not None or any(response.first(name) is not None for name in (b"etag", b"last-modified"))
    return MIN_RATE * seconds if an_object else 1.0


@frozen
class Outage:
    """A host that gave a request no answer.

    @ivar error: why.
    @ivar connected: whether there was a connection: then it is asked as ever, once.
    @ivar certain: whether all the attempts of a request were made in vain.
    @ivar until: when it is taken to be over, in seconds.
    """

    error: OriginError
    connected: bool
    certain: bool
    until: float


class Outages:
    """Hosts that gave no answer a moment ago, so that not every request makes all the attempts in vain.

    For requests of clients that have nothing yet; a body that was begun is worth every attempt.

    Times are seconds, of one clock.
    """

    def __init__(self) -> None:
        self._by_host: Latest[bytes, Outage] = Latest(MAX_FAILING)

    def note(self, host: bytes, error: OriginError, now: float, *, connected: bool, certain: bool) -> Outage:
        """A request failed, C{certain} where it was worth all attempts and has used them up."""
        known = self.of(host, now)
        certain = certain or (known is not None and known.certain)
        outage = self._by_host[host] = Outage(error, connected, certain, now + FAILING_SECONDS)
        return outage

    def connected(self, host: bytes) -> None:
        """There is a connection."""
        if host in self._by_host and not self._by_host[host].connected:
            del self._by_host[host]

    def answered(self, host: bytes) -> None:
        """There is an answer."""
        self._by_host.pop(host, None)

    def of(self, host: bytes, now: float) -> Outage | None:
        """The outage that lasts, None where there is none."""
        outage = self._by_host.get(host)
        return None if outage is None or now >= outage.until else outage


EXPIRED_STATUSES = frozenset({401, 403, 404, 410})
"""What the target of a redirect answers once its signature has expired."""


def has_ended(status: int) -> bool:
    """Whether a redirect's target that was good before says by its answer that it is not any more.

    Stores tell of an expired signature in several ways, 400 among them; and some lead to an error page.
    """
    return 300 <= status < 500 and status not in (304, 416, 429)


def retry_after(fields: Fields, now: float) -> float | None:
    """Seconds until Retry-After (RFC 9110, section 10.2.3), or None.

    @param now: seconds since the epoch.
    """
    value = fields.first(b"retry-after")
    seconds = parse_delta_seconds(value)
    if seconds is not None:
        return float(seconds)
    date = parse_date(value, now)
    return None if date is None else max(0.0, date - now)


def retry_delay(failures: int) -> float | None:
    """Seconds to wait before the next attempt, or None to give up.

    The wait doubles from L{FIRST_DELAY_SECONDS}.

    @param failures: attempts that failed in a row, 1 or more.
    """
    if failures >= MAX_ATTEMPTS:
        return None
    delay: float = FIRST_DELAY_SECONDS * 2.0 ** (failures - 1)
    return delay
