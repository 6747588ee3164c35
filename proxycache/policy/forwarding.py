"""Which fields of a client's request go to the origin (RFC 9110, section 7.6)."""

from __future__ import annotations

from .cachestatus import VIA
from .fields import Fields, Line
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
"""Fields that go along only where the origin answers the client itself: a cache asks for what it wants to store."""

OF_THE_BODY = frozenset({b"content-type", b"expect"})
"""Fields that go along only with a body."""

_OURS = (
    CONDITIONAL
    | OF_THE_BODY
    | {b"accept-encoding", b"content-length", b"host", b"http2-settings", b"surrogate-capability", b"via"}
)


def _via(request: Fields) -> bytes:
    return b", ".join([*request.all(b"via"), VIA])


def _capability(request: Fields) -> Line:
    name, ours = SURROGATE_CAPABILITY
    return name, b", ".join([*request.all(name), ours])


def forwarded_fields(request: Fields) -> Fields:
    """Those of a request that is made to fill the cache."""
    return request.end_to_end().without(_OURS).adding((b"Via", _via(request)), _capability(request))


def relayed_fields(request: Fields, method: str, with_body: bool) -> Fields:
    """Those of a request that the origin answers for this client alone."""
    drop = _OURS - CONDITIONAL
    if method == "HEAD":
        drop |= {b"range", b"if-range"}
    if with_body:
        drop -= OF_THE_BODY
    return request.end_to_end().without(drop).adding((b"Via", _via(request)), _capability(request))
