"""What may be stored (RFC 9111, section 3), and under which variant (section 4.1)."""

from __future__ import annotations

from .fields import Fields, parse_directives
from .freshness import HEURISTIC_STATUSES, explicit_lifetime, response_directives
from .validators import parse_etag

Variant = tuple[tuple[bytes, bytes | None], ...]

NEVER_STORED = frozenset({b"content-range"})
"""Fields of a response that describe one transfer, not the representation."""

UNDERSTOOD_STATUSES = HEURISTIC_STATUSES | {302, 303, 307, 400, 403, 451, 500, 502, 503, 504}
"""Status codes whose caching is understood here, for must-understand (RFC 9111, section 5.2.2.3)."""


def refusal(status: int, request: Fields, response: Fields, default_ttl: float | None, now: float) -> str | None:
    """Why the response to a GET may not be stored, as a token for Cache-Status; None where it may."""
    directives = response_directives(response)
    if "must-understand" in directives:
        if status not in UNDERSTOOD_STATUSES:
            return "not-understood"
    elif "no-store" in directives:
        return "no-store"
    if "private" in directives:
        return "private"
    if "no-store" in parse_directives(request.all(b"cache-control")):
        return "request-no-store"
    if request.first(b"authorization") is not None and not any(
        name in directives for name in ("public", "must-revalidate", "s-maxage")
    ):
        return "authorization"
    if b"*" in response.members(b"vary"):
        return "vary-any"
    if response.first(b"content-encoding") not in (None, b"identity"):
        return "unasked-encoding"
    if status < 200 or status == 304:
        return "status"
    stated = explicit_lifetime(response, now)
    if stated is None and status not in HEURISTIC_STATUSES and "public" not in directives:
        return "status"
    usable_later = (
        bool(stated)
        or default_ttl is not None
        or parse_etag(response.first(b"etag")) is not None
        or response.first(b"last-modified") is not None
    )
    return None if usable_later else "no-freshness"


def storable_fields(response: Fields) -> Fields:
    """The fields a stored response keeps (section 3.1)."""
    return response.end_to_end().without(NEVER_STORED)


def _normalised(request: Fields, name: bytes) -> bytes | None:
    members = request.members(name)
    return None if not request.all(name) else b",".join(members)


def variant_of(response: Fields, request: Fields) -> Variant:
    """The request's values of the fields that the response's Vary names."""
    names = sorted({member.lower() for member in response.members(b"vary")})
    return tuple((name, _normalised(request, name)) for name in names)


def variant_matches(variant: Variant, request: Fields) -> bool:
    """Whether a stored variant answers C{request} (section 4.1)."""
    return all(_normalised(request, name) == value for name, value in variant)
