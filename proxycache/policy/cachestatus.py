"""Cache-Status (RFC 9211) and Via (RFC 9110, section 7.6.3): what we say of how a response came about."""

from __future__ import annotations

import string
from urllib.parse import quote_from_bytes

from attrs import evolve, frozen

NAME = b"proxycache"

VIA = b"1.1 proxycache"
"""What answers tell of us. Requests have a pseudonym of the process in place of the name; see L{came_back}."""


def _quoted(value: bytes) -> bytes:
    """A String of RFC 8941, section 3.3.3, which knows ASCII only; all else is percent-encoded."""
    encoded = quote_from_bytes(value, safe=string.punctuation + " ").encode("ascii")
    return b'"' + encoded.replace(b"\\", rb"\\").replace(b'"', rb"\"") + b'"'


@frozen
class CacheStatus:
    """The parameters of our member of Cache-Status (RFC 9211, section 2).

    @ivar hit: the cache answered alone (section 2.1); excludes C{fwd}.
    @ivar fwd: why the request went to the origin, None for a hit (section 2.2).
    @ivar fwd_status: the origin's status, where it differs from the one sent (section 2.3).
    @ivar ttl: seconds for which the response stays fresh; negative where it is stale (section 2.4).
    @ivar stored: the origin's response was (section 2.5).
    @ivar collapsed: another client's request to the origin served this one too (section 2.6).
    @ivar key: the cache key (section 2.7).
    @ivar detail: a token for people (section 2.8).
    """

    hit: bool = False
    fwd: str | None = None
    fwd_status: int | None = None
    stored: bool = False
    collapsed: bool = False
    ttl: int | None = None
    key: bytes | None = None
    detail: str | None = None

    def render(self) -> bytes:
        """The member as an Item of a List of RFC 8941, section 3.1."""
        parts = [NAME]
        if self.hit:
            parts.append(b"hit")
        if self.fwd is not None:
            parts.append(b"fwd=" + self.fwd.encode("ascii"))
        if self.fwd_status is not None:
            parts.append(b"fwd-status=%d" % self.fwd_status)
        if self.stored:
            parts.append(b"stored")
        if self.collapsed:
            parts.append(b"collapsed")
        if self.ttl is not None:
            parts.append(b"ttl=%d" % self.ttl)
        if self.key is not None:
            parts.append(b"key=" + _quoted(self.key))
        if self.detail is not None:
            parts.append(b"detail=" + self.detail.encode("ascii"))
        return b"; ".join(parts)

    def settled(self, fetched: bool) -> CacheStatus:
        """What it turned out to be, once the answer is over: a hit of which bytes had to be fetched was none."""
        return evolve(self, hit=False, fwd="partial") if self.hit and fetched else self

    @property
    def label(self) -> str:
        """One word for metrics: hit, or why the request was forwarded."""
        return "hit" if self.hit else (self.fwd or "none")
