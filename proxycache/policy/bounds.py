"""What redirects that were followed let be done with the answer that they led to.

It is kept under the name of the first of them, so that name is good for no longer than the least of all hops, nor for
anybody whom one of them does not mean. The bounds stand in the answer's fields, for whoever stores it after us.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .cookies import SET_COOKIE
from .entry import Received
from .fields import Fields, is_token, parse_delta_seconds, parse_directives
from .freshness import (
    HEURISTIC_MAX_SECONDS,
    Ttls,
    current_age,
    explicit_lifetime,
    lifetime,
    response_directives,
    targeted_directives,
    until_its_address_ends,
)
from .hops import Hop
from .storing import for_who_is_authorized

_BINDING = ("no-store", "private", "no-cache", "must-revalidate", "proxy-revalidate")
"""Directives of a redirect that hold for what is answered in its name."""

_TARGETED = frozenset({b"cdn-cache-control", b"surrogate-control"})

_PERMANENT = frozenset({301, 308})

_LIFETIMES = ("s-maxage", "max-age")

_OF_THE_TARGET_ALONE = frozenset({"immutable", "stale-while-revalidate"})
"""What an answer says of the time in which nobody need ask, in its own name."""


def fresh_for(hops: Sequence[Hop], now: float, ttls: Ttls) -> float | None:
    """For how many seconds from C{now} on the least of the redirects is fresh; None where there were none.

    @param ttls: what is configured for the origin that was asked.
    """
    return min((_lifetime(hop, ttls) - current_age(hop, now) for hop in hops), default=None)


def bounded(answer: Received, hops: Sequence[Hop], ttls: Ttls) -> Fields:
    """The fields of an answer to which redirects led, as far as it may be kept under their name.

    What a 304 does not say of its freshness, the stored answer may: see L{limited}.
    """
    fields, least = answer.fields, fresh_for(hops, answer.response_time, ttls)
    if least is not None and (answer.status != 304 or explicit_lifetime(fields, answer.response_time) is not None):
        fields = limited(answer, least, ttls)
    for hop in hops:
        fields = _bound_by(hop, fields)
    return fields


def _lifetime(hop: Hop, ttls: Ttls) -> float:
    """Seconds for which a redirect is fresh.

    By heuristics a permanent one is for long, though it hardly ever has a Last-Modified to tell since when it is there.
    """
    undated = explicit_lifetime(hop.fields, hop.response_time) is None and hop.fields.first(b"last-modified") is None
    if hop.status in _PERMANENT and undated and ttls.of(hop.status) is None:
        return until_its_address_ends(hop, HEURISTIC_MAX_SECONDS)
    return lifetime(hop, ttls)


def limited(answer: Received, least: float, ttls: Ttls) -> Fields:
    """The fields of an answer that is fresh for no more than C{least} seconds from its arrival."""
    fields, now = answer.fields, answer.response_time
    stated = explicit_lifetime(fields, now)
    age = current_age(answer, now)
    own = lifetime(answer, ttls)
    if own - age <= least:
        return fields
    if stated is None and fields.first(SET_COOKIE) is not None:
        # A lifetime would say that it is meant for caches.
        return _with_directives(fields, ["no-cache"])
    seconds = int(least + age) if least > 0 else 0
    stale = int(own) - seconds
    targeted = targeted_directives(fields)
    plain = parse_directives(fields.all(b"cache-control"))
    fields = fields.without({b"cache-control", b"expires", *_TARGETED}).adding(
        (b"Cache-Control", _limited_directives(plain, seconds, stale))
    )
    if targeted is None:
        return fields
    return fields.adding((b"CDN-Cache-Control", _limited_directives(targeted, seconds, stale)))


def _limited_directives(directives: Mapping[str, bytes | None], seconds: int, stale: int) -> bytes:
    """@param stale: seconds more for which the answer itself is good, should nobody tell to where the name leads."""
    kept = {name: argument for name, argument in directives.items() if name not in _OF_THE_TARGET_ALONE}
    lifetimes = [name for name in _LIFETIMES if name in kept] or ["max-age"]
    for name in lifetimes:
        kept[name] = b"%d" % min(parse_delta_seconds(kept.get(name)) or 0 if name in kept else seconds, seconds)
    kept["stale-if-error"] = b"%d" % max(parse_delta_seconds(kept.get("stale-if-error")) or 0, stale)
    return b", ".join(_written(name, argument) for name, argument in kept.items())


def _written(name: str, argument: bytes | None) -> bytes:
    """A directive (RFC 9111, section 5.2)."""
    if argument is None:
        return name.encode("ascii")
    if not is_token(argument):
        argument = b'"%s"' % argument.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return name.encode("ascii") + b"=" + argument


def _with_directives(fields: Fields, names: Sequence[str]) -> Fields:
    # What is meant for caches of our kind alone must not hide them.
    return fields.without(_TARGETED).adding((b"Cache-Control", ", ".join(names).encode("ascii")))


def _bound_by(hop: Hop, fields: Fields) -> Fields:
    """The fields with what a redirect says of whom it is for, which the place it leads to does not know."""
    directives = response_directives(hop.fields)
    bounds = [name for name in _BINDING if name in directives]
    if for_who_is_authorized(hop.asked, directives):
        bounds.append("private")
    if bounds:
        fields = _with_directives(fields, bounds)
    varying = hop.fields.members(b"vary")
    return fields.adding((b"Vary", b", ".join(varying))) if varying else fields
