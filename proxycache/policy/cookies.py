"""What becomes of Set-Cookie: it is for the client that brought the answer (RFC 9111, section 7.3; RFC 6265)."""

from __future__ import annotations

from enum import Enum

from .fields import Fields
from .freshness import explicit_lifetime, response_directives

SET_COOKIE = b"set-cookie"


class SetCookie(Enum):
    """What an origin's configuration says of answers that set cookies."""

    AUTO = "auto"
    """One that states its freshness is meant for caches, and stored without the field; another may be personal."""
    STRIP = "strip"
    """Stored without the field: it is on everything that this origin sends."""
    KEEP = "keep"
    """Stored with the field, as any other."""
    REFUSE = "refuse"
    """Not stored."""


def refuses(policy: SetCookie, response: Fields, now: float) -> bool:
    """Whether a response may not be stored for the cookie that it sets.

    @param now: seconds since the epoch.
    """
    if response.first(SET_COOKIE) is None:
        return False
    match policy:
        case SetCookie.AUTO:
            return explicit_lifetime(response, now) is None and "public" not in response_directives(response)
        case SetCookie.REFUSE:
            return True
        case SetCookie.STRIP | SetCookie.KEEP:
            return False


def without_cookies(policy: SetCookie, fields: Fields) -> Fields:
    """The fields that other clients get as well."""
    return fields if policy is SetCookie.KEEP else fields.without({SET_COOKIE})
