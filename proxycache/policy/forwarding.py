"""Which fields of a client's request go to the origin (RFC 9110, section 7.6)."""

from __future__ import annotations

from .cachestatus import VIA
from .fields import Fields, Line, parse_delta_seconds
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


def _via(request: Fields) -> bytes:
    """Section 7.6.3: every intermediary adds itself."""
    return b", ".join([*request.all(b"via"), VIA])


def _capability(request: Fields) -> Line:
    name, ours = SURROGATE_CAPABILITY
    return name, b", ".join([*request.all(name), ours])


def forwarded_fields(request: Fields) -> Fields:
    """Those of a request that is made to fill the cache."""
    return request.end_to_end().without(_OURS).adding((b"Via", _via(request)), _capability(request))


def relayed_fields(request: Fields, method: str, with_body: bool) -> Fields:
    """Those of a request that the origin answers for this client alone.

    Range is defined for GET only (section 14.2).
    """
    drop = _OURS - CONDITIONAL
    if method == "HEAD":
        drop |= {b"range", b"if-range"}
    if with_body:
        drop -= OF_THE_BODY
    fields = request.end_to_end().without(drop).adding((b"Via", _via(request)), _capability(request))
    forwards = max_forwards(request)
    if method == "OPTIONS" and forwards:
        fields = fields.updated(Fields([(b"Max-Forwards", b"%d" % (forwards - 1))]))
    return fields
