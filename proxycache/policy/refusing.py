"""When what is stored refuses a client: whether the origin is asked before he hears of it.

An error that a cache makes up is one that the origin might not have made: it may have another version by now, or read
a condition less strictly.
"""

from __future__ import annotations

from .entry import Representation
from .fields import Fields
from .freshness import response_directives
from .latest import Latest
from .responding import requested_ranges

PROTECTING = (b"if-match", b"if-unmodified-since")
"""Preconditions that fail with 412 (RFC 9110, sections 13.1.1 and 13.1.4)."""

BEYOND_SECONDS = 10.0
"""How long an origin is not asked again about what lies at or beyond the end of an object."""

MAX_BEYOND = 1024


def may_have_grown(representation: Representation, request: Fields) -> bool:
    """Whether a range that cannot be satisfied could be by now: it begins at or beyond the end that is known.

    Not what is immutable while it is fresh (RFC 8246).
    """
    length = representation.length
    if length is None or not any(spec.first is not None and spec.first >= length for spec in requested_ranges(request)):
        return False
    return "immutable" not in response_directives(representation.fields)


class AskedBeyond:
    """Objects about whose end an origin was asked a moment ago.

    Times are seconds, of one clock.
    """

    def __init__(self) -> None:
        self._until: Latest[bytes, float] = Latest(MAX_BEYOND)

    def may_ask(self, key: bytes, now: float) -> bool:
        """Whether it may be asked about the object of C{key}; if so, not again for L{BEYOND_SECONDS}."""
        if now < self._until.get(key, 0.0):
            return False
        self._until[key] = now + BEYOND_SECONDS
        return True
