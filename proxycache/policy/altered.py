"""What we ask otherwise than the client: where an origin refuses that, the client is not refused for it.

A cache stretches ranges to whole chunks or cuts them to a window, and adds validators of its own. An origin may refuse
just that (an end beyond that of the object, a condition beside a range), though it would serve the client's own
request: so that goes out before an error is relayed. What an origin refused so is not asked of it again for a while.
"""

from __future__ import annotations

from enum import Enum, auto

from .byterange import RangeSpec
from .fields import Fields
from .forwarding import CONDITIONAL
from .latest import Latest
from .responding import requested_ranges
from .retrying import RETRYABLE_STATUSES


class Alteration(Enum):
    """What of a request was not the client's."""

    RANGE = auto()
    """The range was stretched, cut, or the first of several."""
    CONDITION = auto()
    """Validators of what is stored were added."""
    IF_RANGE = auto()
    """A range of what is stored in part was bound to its version."""
    HEAD = auto()
    """None: HEAD itself is what is refused, so a GET goes out in its place."""
    SUFFIX = auto()
    """None: a range that is told from the end is what is refused, so the length is asked for."""
    ONE_BYTE = auto()
    """The last byte of an object was missing, and was asked for alone."""
    JOINING = auto()
    """None: each part bears a tag of its own, so what comes by several requests cannot be put together."""


def alteration(sent: Fields, client: Fields) -> Alteration | None:
    """What of a GET to the origin was not the client's; of several the first to be given up. None for nothing.

    Preconditions that were left out are none: nothing but 2xx and 412 depends on them (RFC 9110, section 13.2.1).
    """
    if requested_ranges(sent) != requested_ranges(client):
        return Alteration.RANGE
    conditions = (name for name in CONDITIONAL - {b"range"} if sent.first(name) is not None)
    if any(sent.all(name) != client.all(name) for name in conditions):
        return Alteration.CONDITION
    return None


_PASSING = RETRYABLE_STATUSES - {500}
"""Statuses that tell of the origin's state, and not of what it was asked."""


def is_refusal(status: int) -> bool:
    """Whether an answer may be due to a range that is not the client's."""
    return status >= 400 and status not in _PASSING


def refuses(status: int, altered: Alteration | None) -> bool:
    """Whether an answer may be due to what was altered."""
    gone = altered is Alteration.CONDITION and status in (404, 410)
    return altered is not None and is_refusal(status) and not gone


def is_about_the_request(status: int, *, ranged: bool, bound: bool) -> bool:
    """Whether an answer says nothing of the object: it is the range that was refused, or moved, or the condition.

    @param ranged: whether a range was asked for.
    @param bound: whether validators of ours went along.
    """
    return (ranged and status not in (200, 206, 304)) or (bound and refuses(status, Alteration.CONDITION))


def refuses_condition(status: int) -> bool:
    """Whether an answer may be due to an If-Range of ours, and not to what it was about, or to who asked."""
    return is_refusal(status) and status not in (401, 403, 404, 405, 410, 416)


def suffix(asked: RangeSpec | None) -> int:
    """How many bytes are asked for that are told from the end (RFC 9110, section 14.1.2); 0 for another range."""
    return (asked.last or 0) if asked is not None and asked.first is None else 0


def refuses_suffix(status: int) -> bool:
    """Whether an answer may be due to a range being told from the end, or being longer than the object."""
    return status in (400, 416, 501)


REFUSED_SECONDS = 3600.0
"""How long an origin is taken to go on refusing."""

MAX_REFUSED = 1024


class Refused:
    """What origins refused of what we altered, by their names.

    Times are seconds, of one clock.
    """

    def __init__(self) -> None:
        self._until: Latest[tuple[str, Alteration], float] = Latest(MAX_REFUSED)
        self._suspicions: Latest[tuple[str, Alteration], tuple[str, float]] = Latest(MAX_REFUSED)

    def note(self, origin: str, alteration: Alteration, now: float) -> None:
        """It refused, and served the client's own request."""
        self._until[origin, alteration] = now + REFUSED_SECONDS

    def suspect(self, origin: str, alteration: Alteration, name: str, now: float) -> None:
        """It may have refused, as far as C{name} tells: noted where another one told the same lately."""
        before, until = self._suspicions.pop((origin, alteration), (name, 0.0))
        if before != name and now < until:
            self.note(origin, alteration, now)
            return
        self._suspicions[origin, alteration] = name, now + REFUSED_SECONDS

    def over(self, origin: str, alteration: Alteration) -> None:
        """It refuses without that as well."""
        self._until.pop((origin, alteration), None)

    def lasts(self, origin: str, alteration: Alteration, now: float) -> bool:
        """Whether it is to be asked without that."""
        return now < self._until.get((origin, alteration), 0.0)
