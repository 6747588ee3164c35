"""What may be stored (RFC 9111, section 3), and under which variant (section 4.1)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from email.utils import formatdate

from .cookies import SetCookie, refuses
from .fields import Fields, media_type, parse_directives
from .freshness import HEURISTIC_STATUSES, Ttls, explicit_lifetime, response_directives
from .integrity import without_message_digests
from .validators import parse_etag

Variant = tuple[tuple[bytes, bytes | None], ...]

UNDERSTOOD_STATUSES = HEURISTIC_STATUSES | {302, 303, 307, 400, 403, 451, 500, 502, 503, 504}
"""Status codes whose caching is understood here, for must-understand (RFC 9111, section 5.2.2.3)."""


def is_personal(request: Fields) -> bool:
    """Whether the answer may not be stored for what the request says, unless the answer allows it.

    Sections 3.5 and 5.2.1.5.
    """
    return request.first(b"authorization") is not None or "no-store" in parse_directives(request.all(b"cache-control"))


def forbidden(status: int, request: Fields, response: Fields) -> str | None:
    """Why the response to a GET must not be stored, whatever it is, as a token for Cache-Status; None for no reason."""
    directives = response_directives(response)
    # Sections 5.2.2.3 and 5.2.2.5
    if "must-understand" in directives:
        if status not in UNDERSTOOD_STATUSES:
            return "not-understood"
    elif "no-store" in directives:
        return "no-store"
    # Section 5.2.2.7; one that names fields is taken for one that names none, as it allows.
    if "private" in directives:
        return "private"
    # Section 5.2.1.5
    if "no-store" in parse_directives(request.all(b"cache-control")):
        return "request-no-store"
    # Section 3.5
    if for_who_is_authorized(request, directives):
        return "authorization"
    # Section 4.1: it would match no request.
    if b"*" in response.members(b"vary"):
        return "vary-any"
    return None


def for_who_is_authorized(request: Fields, directives: Collection[str]) -> bool:
    """Whether a response is for one who is authorized alone (section 3.5)."""
    permissions = ("public", "must-revalidate", "s-maxage")
    return request.first(b"authorization") is not None and not any(name in directives for name in permissions)


def refusal(
    status: int,
    request: Fields,
    response: Fields,
    ttls: Ttls,
    now: float,
    set_cookie: SetCookie = SetCookie.AUTO,
) -> str | None:
    """Why the response to a GET may not be stored, as a token for Cache-Status; None where it may (section 3).

    @param set_cookie: what the origin's configuration says of answers that set cookies.
    """
    why_not = forbidden(status, request, response)
    if why_not is not None:
        return why_not
    directives = response_directives(response)
    # Section 3: final responses only; section 4.3.4 tells what a 304 is for.
    if status < 200 or status in (205, 304):
        return "status"
    # Section 7.3: cacheable like any other; but what was not meant for a cache may be meant for one person.
    if refuses(set_cookie, response, now):
        return "set-cookie"
    stated = explicit_lifetime(response, now)
    if stated is None and status not in HEURISTIC_STATUSES and "public" not in directives:
        return "status"
    usable_later = (
        bool(stated)
        or ttls.of(status) is not None
        or parse_etag(response.first(b"etag")) is not None
        or response.first(b"last-modified") is not None
    )
    return None if usable_later else "no-freshness"


def storable_fields(status: int, response: Fields) -> Fields:
    """The fields a stored response keeps (section 3.1).

    Of a 206, Content-Range describes one transfer (RFC 9110, section 14.4), and so do digests of its bytes.
    """
    fields = response.end_to_end()
    return without_message_digests(fields.without({b"content-range"})) if status == 206 else fields


OF_THE_BYTES = frozenset({b"content-length", b"content-encoding", b"content-range"})
"""Fields that a 304 does not change: they belong to the bytes that are stored (RFC 9111, section 3.2)."""


def dated(response: Fields, when: float) -> Fields:
    """With the time of its arrival where it has no Date (RFC 9110, section 6.6.1).

    @param when: seconds since the epoch.
    """
    if response.first(b"date") is not None:
        return response
    return response.adding((b"Date", formatdate(when, usegmt=True).encode("ascii")))


def renewed_fields(stored: Fields, newer: Fields) -> Fields:
    """The fields of a stored response after a 304 renewed it (RFC 9111, sections 3.2 and 4.3.4).

    The stored Age was that of the earlier answer. Digests stay with the bytes that are stored. A type that is another
    is no news of the object: some servers give a 304 the type of their error pages.
    """
    lasting = without_message_digests(storable_fields(304, newer).without(OF_THE_BYTES))
    types = [media_type(fields.first(b"content-type") or b"") for fields in (lasting, stored)]
    if types[0] != types[1]:
        lasting = lasting.without({b"content-type"})
    return stored.without({b"age"}).updated(lasting)


_WITHOUT_CASE = frozenset({b"accept-charset", b"accept-encoding", b"accept-language"})
"""Fields in which case means nothing (RFC 9110, sections 12.5.2 to 12.5.4). Their order may mean something."""


def _normalised(request: Fields, name: bytes) -> bytes | None:
    """A selecting field's value as section 4.1 compares it: lines combined, whitespace around commas dropped."""
    if not request.all(name):
        return None
    value = b",".join(request.members(name))
    return value.lower() if name in _WITHOUT_CASE else value


def variant_of(response: Fields, request: Fields) -> Variant:
    """The request's values of the fields that the response's Vary names (section 4.1; RFC 9110, section 12.5.5)."""
    names = sorted({member.lower() for member in response.members(b"vary")})
    return tuple((name, _normalised(request, name)) for name in names)


def selected_alike(names: Iterable[bytes], one: Fields, other: Fields) -> bool:
    """Whether two requests have the same values of the fields that a Vary names (section 4.1).

    @param names: in lower case.
    """
    return all(_normalised(one, name) == _normalised(other, name) for name in names)


def variant_matches(variant: Variant, request: Fields) -> bool:
    """Whether a stored variant answers C{request} (section 4.1)."""
    return all(_normalised(request, name) == value for name, value in variant)
