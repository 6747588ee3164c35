"""Freshness and age (RFC 9111, section 4.2; RFC 5861; RFC 9213)."""

from __future__ import annotations

from enum import Enum, auto

from attrs import frozen

from .entry import Received, Representation
from .fields import Fields, parse_date, parse_delta_seconds, parse_directives
from .signatures import end_of
from .targeted import parse_surrogate, parse_targeted

HEURISTIC_FRACTION = 0.1
"""Part of the time since Last-Modified that counts as fresh without other information (section 4.2.2)."""

HEURISTIC_MAX_SECONDS = 24 * 3600
"""At most this long, however long ago Last-Modified is."""

HEURISTIC_SUCCESSES = frozenset({200, 203, 204, 206, 300, 301, 308})
"""Status codes of what is there that may be cached by heuristics (RFC 9110, section 15.1)."""

HEURISTIC_ERRORS = frozenset({404, 405, 410, 414, 501})
"""Status codes of errors that may be."""

HEURISTIC_STATUSES = HEURISTIC_SUCCESSES | HEURISTIC_ERRORS


@frozen
class Ttls:
    """Seconds of freshness that the configuration gives where the origin states none; None for none.

    What may not be cached by heuristics gets none of them either.
    """

    success: float | None = None
    error: float | None = None

    def of(self, status: int) -> float | None:
        """That of a response."""
        if status in HEURISTIC_SUCCESSES:
            return self.success
        return self.error if status in HEURISTIC_ERRORS else None


LONG_STALE_SECONDS = 24 * 3600
"""How long a stale response is kept for the case that the origin is away, where nothing else can be done with it."""


class Reuse(Enum):
    """What a stored response may be used for now."""

    FRESH = auto()
    STALE_WHILE_REVALIDATE = auto()
    """Serve it, and revalidate beside it."""
    REVALIDATE = auto()
    """Ask the origin first: it is stale, or may not be used unasked."""
    REQUESTED = auto()
    """Ask the origin first: the request wants that, though it could be used."""


def targeted_directives(fields: Fields) -> dict[str, bytes | None] | None:
    """Those meant for caches of our kind: unless None, Cache-Control and Expires are not in force.

    CDN-Cache-Control (RFC 9213, section 2.2), else Surrogate-Control (the W3C's note on the edge architecture).
    """
    found = parse_targeted(fields.joined(b"cdn-cache-control"))
    return parse_surrogate(fields.all(b"surrogate-control")) or None if found is None else found


def response_directives(fields: Fields) -> dict[str, bytes | None]:
    """The directives in force for this cache (RFC 9111, section 5.2; RFC 9213, section 2.2)."""
    targeted = targeted_directives(fields)
    return parse_directives(fields.all(b"cache-control")) if targeted is None else targeted


def request_directives(request: Fields) -> dict[str, bytes | None]:
    """The directives of a request; Pragma counts where there is no Cache-Control (RFC 9111, section 5.4)."""
    lines = request.all(b"cache-control")
    if not lines and b"no-cache" in (member.lower() for member in request.members(b"pragma")):
        return {"no-cache": None}
    return parse_directives(lines)


def explicit_lifetime(fields: Fields, now: float) -> float | None:
    """Seconds of freshness that the origin states (section 4.2.1); None where it states none.

    An invalid number or date means already stale, hence 0 (sections 4.2.1 and 5.3).
    """
    directives = response_directives(fields)
    for name in ("s-maxage", "max-age"):
        if name in directives:
            return float(parse_delta_seconds(directives[name]) or 0)
    expires = fields.all(b"expires")
    if expires and targeted_directives(fields) is None:
        at = parse_date(expires[0], now) if len(expires) == 1 else None
        if at is None:
            return 0.0
        date = parse_date(fields.first(b"date"), now)
        return max(0.0, at - (now if date is None else date))
    return None


def lifetime(response: Received, ttls: Ttls) -> float:
    """Seconds of freshness from the origin, else those configured, else heuristics (section 4.2.2)."""
    return until_its_address_ends(response, _granted(response, ttls))


def until_its_address_ends(response: Received, seconds: float) -> float:
    """A lifetime of C{seconds}, or less: a redirect to a signed address is good for no longer than that."""
    end = end_of(response.fields.first(b"location") or b"") if 300 <= response.status < 400 else None
    if end is None:
        return seconds
    arrived = response.response_time
    return min(seconds, max(0.0, end - arrived + current_age(response, arrived)))


def _granted(response: Received, ttls: Ttls) -> float:
    fields = response.fields
    stated = explicit_lifetime(fields, response.response_time)
    if stated is not None:
        return stated
    configured = ttls.of(response.status)
    if configured is not None:
        return configured
    public = "public" in response_directives(fields)
    if response.status not in HEURISTIC_STATUSES and not public:
        return 0.0
    modified = parse_date(fields.first(b"last-modified"), response.response_time)
    if modified is None:
        return 0.0
    date = parse_date(fields.first(b"date"), response.response_time)
    since = (response.response_time if date is None else date) - modified
    return min(max(0.0, since * HEURISTIC_FRACTION), HEURISTIC_MAX_SECONDS)


def current_age(response: Received, now: float) -> float:
    """Age in seconds (section 4.2.3): the first member of the first Age counts, an invalid one not (section 5.1)."""
    fields = response.fields
    members = fields.members(b"age")
    age_value = (parse_delta_seconds(members[0]) if members else None) or 0
    date = parse_date(fields.first(b"date"), now)
    apparent = 0.0 if date is None else max(0.0, response.response_time - date)
    corrected = age_value + (response.response_time - response.request_time)
    resident = max(0.0, now - response.response_time)
    return max(apparent, corrected) + resident


def remaining(representation: Representation, ttls: Ttls, now: float) -> int:
    """Seconds for which it stays fresh, negative where it is stale (RFC 9211, section 2.4)."""
    return int(lifetime(representation, ttls) - current_age(representation, now))


def may_be_stale(fields: Fields) -> bool:
    """Whether nothing forbids serving this stale (sections 4.2.4, 5.2.2.2, 5.2.2.4, 5.2.2.8 and 5.2.2.10)."""
    directives = response_directives(fields)
    forbidding = ("must-revalidate", "proxy-revalidate", "no-cache", "s-maxage")
    return not any(name in directives for name in forbidding)


def reuse(representation: Representation, request: Fields, ttls: Ttls, now: float, ends: float | None = None) -> Reuse:
    """Whether a stored response answers a request without asking the origin (sections 4.2 and 5.2).

    @param ends: when the signed address ends by which it was asked for: then the origin has to say whether it is still
        good for that; None for one that does not end.
    """
    fields = representation.fields
    stored = response_directives(fields)
    asked = request_directives(request)
    age = current_age(representation, now)
    fresh_for = lifetime(representation, ttls) - age
    # A no-cache that names fields is taken for one that names none: section 5.2.2.4 allows it.
    if "no-cache" in stored or (ends is not None and now >= ends):
        return Reuse.REVALIDATE
    # Sections 5.2.1.4, 5.2.1.1 and 5.2.1.3
    unwanted = (
        "no-cache" in asked
        or ("max-age" in asked and age > (parse_delta_seconds(asked["max-age"]) or 0))
        or ("min-fresh" in asked and fresh_for < (parse_delta_seconds(asked["min-fresh"]) or 0))
    )
    if unwanted:
        return Reuse.REQUESTED if fresh_for > 0 else Reuse.REVALIDATE
    if fresh_for > 0:
        return Reuse.FRESH
    if not may_be_stale(fields):
        return Reuse.REVALIDATE
    # Section 5.2.1.2; what was never fresh may be one client's page, which no other can wish for.
    if "max-stale" in asked and ever_reusable(representation, ttls):
        limit = asked["max-stale"]
        if limit is None or -fresh_for <= (parse_delta_seconds(limit) or 0):
            return Reuse.FRESH
    # RFC 5861, section 3
    window = parse_delta_seconds(stored.get("stale-while-revalidate"))
    if window is not None and -fresh_for <= window:
        return Reuse.STALE_WHILE_REVALIDATE
    return Reuse.REVALIDATE


def ever_reusable(representation: Representation, ttls: Ttls) -> bool:
    """Whether it could be used without asking the origin at any time, be it the moment it left there."""
    stored = response_directives(representation.fields)
    return "no-cache" not in stored and (lifetime(representation, ttls) > 0 or "stale-while-revalidate" in stored)


def may_serve_on_error(
    representation: Representation,
    request: Fields,
    ttls: Ttls,
    now: float,
    *,
    disconnected: bool,
    stale_if_error: float | None = None,
) -> bool:
    """Whether a stale response may stand in for an origin that failed (RFC 5861, section 4; RFC 9111, section 4.2.4).

    What was never fresh for a moment may be one client's page: it stands in only where its own window, or that of the
    configuration, says so.

    @param disconnected: the origin gave no answer at all, in place of one with a 5xx status.
    @param stale_if_error: seconds that the origin's configuration allows.
    """
    if not may_be_stale(representation.fields):
        return False
    asked = request_directives(request)
    if "no-cache" in asked:
        return False
    reusable = ever_reusable(representation, ttls)
    if disconnected and reusable:
        return True
    overdue = current_age(representation, now) - lifetime(representation, ttls)
    if stale_if_error is not None and overdue <= stale_if_error:
        return True
    for directives in (response_directives(representation.fields), asked if reusable else {}):
        window = parse_delta_seconds(directives.get("stale-if-error"))
        if window is not None and overdue <= window:
            return True
    return False


def useful_until(representation: Representation, ttls: Ttls, stale_if_error: float | None) -> float | None:
    """When it will be good for nothing: stale for longer than it may be served so, and nothing to revalidate it by.

    @param stale_if_error: seconds that the origin's configuration allows.
    @return: seconds since the epoch; None where there is something.
    """
    fields = representation.fields
    if fields.first(b"etag") is not None or fields.first(b"last-modified") is not None:
        return None
    good_for = lifetime(representation, ttls)
    if may_be_stale(fields):
        directives = response_directives(fields)
        windows = (parse_delta_seconds(directives.get(name)) for name in ("stale-while-revalidate", "stale-if-error"))
        good_for += max(LONG_STALE_SECONDS, stale_if_error or 0.0, *(window or 0 for window in windows))
    arrived = representation.response_time
    return arrived + good_for - current_age(representation, arrived)
