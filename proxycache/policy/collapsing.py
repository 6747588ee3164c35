"""When the answer to one client's request may serve others who asked at once (RFC 9111, section 4).

A collapsed answer is one that is reused: it may be given where it could have been, had it been stored a moment before.
"""

from __future__ import annotations

from .accept import selects
from .entry import Representation
from .fields import Fields, parse_delta_seconds
from .freshness import Reuse, Ttls, ever_reusable, request_directives, reuse
from .latest import Latest


def may_share(
    representation: Representation, request: Fields, ttls: Ttls, now: float, ends: float | None = None
) -> bool:
    """Whether an answer that another's request brought may be given to C{request} without asking for it.

    @param ends: see L{reuse}.
    """
    usable = (Reuse.FRESH, Reuse.STALE_WHILE_REVALIDATE)
    return selects(representation, request) and reuse(representation, request, ttls, now, ends) in usable


def worth_waiting(stale: Representation | None, request: Fields, ttls: Ttls) -> bool:
    """Whether an answer that another's request will bring is likely to be shared with C{request}.

    Not where the request takes nothing that is stored (sections 5.2.1.1 and 5.2.1.4), nor where the answer before
    could never be reused unasked: then everybody asks at once, and nobody waits in vain.

    @param stale: the answer before, None where there is none.
    """
    asked = request_directives(request)
    if "no-cache" in asked or ("max-age" in asked and not parse_delta_seconds(asked["max-age"])):
        return False
    return stale is None or ever_reusable(stale, ttls)


def is_anonymous(request: Fields) -> bool:
    """Whether a request says nothing of who makes it, so that what comes of it is nobody's in particular."""
    return request.first(b"cookie") is None and request.first(b"authorization") is None


HIT_FOR_MISS_SECONDS = 60.0
"""How long a key whose answer could not be stored is taken to go on so. The first one that can be ends it."""

MAX_HIT_FOR_MISS = 1024


class HitForMiss:
    """Keys whose last answer could not be stored, so that who asks for one does not wait for another's answer.

    What was refused to a personal request (see L{is_personal}) says nothing of what others would get.

    Times are seconds, of one clock.
    """

    def __init__(self) -> None:
        self._until: Latest[tuple[bytes, bool], float] = Latest(MAX_HIT_FOR_MISS)

    def note(self, key: bytes, personal: bool, now: float) -> None:
        """An answer could not be stored."""
        self._until[key, personal] = now + HIT_FOR_MISS_SECONDS

    def over(self, key: bytes) -> None:
        """An answer could be stored."""
        for personal in (False, True):
            self._until.pop((key, personal), None)

    def lasts(self, key: bytes, personal: bool, now: float) -> bool:
        """Whether the next answer can hardly be shared."""
        return now < max(self._until.get((key, kind), 0.0) for kind in {False, personal})
