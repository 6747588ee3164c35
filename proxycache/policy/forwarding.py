"""Which fields of a client's request go to the origin (RFC 9110, section 7.6)."""

from __future__ import annotations

import re
from collections.abc import Collection

from .fields import HOP_BY_HOP, Fields, Line, parse_delta_seconds
from .targeted import SURROGATE_CAPABILITY

CONDITIONAL = frozenset(
    {
        b"range",
        b"if-range",
        b"if-match",
        b"if-none-match",
        b"if-modified-since",
        b"if-unmodified-since",
    }
)
"""Fields that go along only where the origin answers the client itself: a cache asks for what it wants to store.

RFC 9110, sections 13.1 and 14.2; RFC 9111, section 4.3.1.
"""

OF_THE_BODY = frozenset({b"content-type", b"expect"})
"""Fields that go along only with a body (RFC 9110, sections 8.3 and 10.1.1)."""

_OURS = (
    CONDITIONAL
    | OF_THE_BODY
    | {b"accept-encoding", b"content-length", b"host", b"http2-settings", b"surrogate-capability", b"via"}
)


def max_forwards(request: Fields) -> int | None:
    """How many more may forward a request (RFC 9110, section 7.6.2); None where it does not say."""
    return parse_delta_seconds(request.first(b"max-forwards"))


def _via(request: Fields, pseudonym: bytes) -> bytes:
    """Section 7.6.3: every intermediary adds itself."""
    return b", ".join([*request.all(b"via"), b"1.1 " + pseudonym])


def came_back(request: Fields, pseudonym: bytes) -> bool:
    """Whether a request has been here before (section 7.6.3): an origin of ours leads to ourselves.

    Others of our kind may well stand before or behind us.

    @param pseudonym: by which no other intermediary is known.
    """
    return any(member.split()[1:2] == [pseudonym] for member in request.members(b"via"))


def _capability(request: Fields) -> Line:
    name, ours = SURROGATE_CAPABILITY
    return name, b", ".join([*request.all(name), ours])


_NOT_CONFIGURED = (HOP_BY_HOP | _OURS) - {b"content-type", b"surrogate-capability"}

_PLAIN_NAME = re.compile(rb"[A-Za-z0-9-]+\Z")
"""Names that no origin takes for those of other fields."""

_SEPARATORS = re.compile(rb"[^a-z0-9]")


def _as_read(name: bytes) -> bytes:
    """A name as one origin or another may read it: CGI (RFC 3875, section 4.1.18) and its kin do not tell what stands
    between letters and digits apart."""
    return _SEPARATORS.sub(b"-", name.lower())


def _passed_on(request: Fields, drop: Collection[bytes], underscores: bool) -> Fields:
    """The end-to-end fields less those that an origin may read as one of C{drop}."""
    drop = HOP_BY_HOP | frozenset(drop)
    return Fields(
        (name, value)
        for name, value in request.end_to_end()
        if (underscores or _PLAIN_NAME.match(name)) and _as_read(name) not in drop
    )


def forwarded_fields(request: Fields, pseudonym: bytes, *, underscores: bool) -> Fields:
    """Those of a request that is made to fill the cache.

    @param pseudonym: see L{came_back}.
    @param underscores: whether names go along that hold more than letters, digits and hyphens.
    """
    return _passed_on(request, _OURS, underscores).adding((b"Via", _via(request, pseudonym)), _capability(request))


def may_be_configured(name: bytes) -> bool:
    """Whether a field can be configured for an origin: not where it would have no effect, or spoil what is asked."""
    return _as_read(name) not in _NOT_CONFIGURED


def is_configured(name: bytes, configured: Fields) -> bool:
    """Whether a client's field of that name does not go out, for another is configured in its place."""
    return _as_read(name) in {_as_read(other) for other, _ in configured}


def configured_fields(request: Fields, configured: Fields) -> Fields:
    """The fields of a request to an origin with those configured for it in place of what it might take for them."""
    names = {_as_read(name) for name, _ in configured}
    return Fields((*(line for line in request if _as_read(line[0]) not in names), *configured))


def relayed_fields(request: Fields, pseudonym: bytes, method: str, *, with_body: bool, underscores: bool) -> Fields:
    """Those of a request that the origin answers for this client alone.

    Range is defined for GET only (section 14.2).

    @param pseudonym: see L{came_back}.
    @param underscores: see L{forwarded_fields}.
    """
    drop = _OURS - CONDITIONAL
    if method == "HEAD":
        drop |= {b"range", b"if-range"}
    if with_body:
        drop -= OF_THE_BODY
    fields = _passed_on(request, drop, underscores).adding((b"Via", _via(request, pseudonym)), _capability(request))
    forwards = max_forwards(request)
    if method == "OPTIONS" and forwards:
        fields = fields.updated(Fields([(b"Max-Forwards", b"%d" % (forwards - 1))]))
    return fields
