"""Whose turn it is to ask an origin that failed, or asked to be left alone, a moment ago."""

from __future__ import annotations

from enum import Enum, auto

from attrs import define, field

from proxycache.errors import OriginError, OriginSilent, OriginStatus

from .failing import MAX_REST_SECONDS, Failed
from .latest import Latest
from .retrying import FAILING_SECONDS, MAX_FAILING

SEVERAL = 3
"""Objects in a row that fail before what is stored stands in for others unasked."""

TWO = 2
"""Objects in a row for which it asked to be left alone before that is taken to be meant for all."""


class Turn(Enum):
    """What becomes of a request."""

    GO = auto()
    """It goes, as ever."""
    PROBE = auto()
    """It goes; what becomes of others depends on what it is told."""
    WAIT = auto()
    """It waits: L{FailingOrigins.patience}."""
    TOLD = auto()
    """It does not go, and is told what others were."""


@define
class _Origin:
    """@ivar failed: how it failed last.
    @ivar since: when.
    @ivar objects: those that failed so in a row, as many as count.
    @ivar probe_since: when the probe under way was begun, None where there is none.
    """

    failed: Failed
    since: float
    objects: set[bytes] = field(factory=set)
    probe_since: float | None = None

    @property
    def until(self) -> float:
        """When it may have ended."""
        return self.since + self.failed.rest

    @property
    def forgotten(self) -> float:
        """When it says nothing any more."""
        return self.until + MAX_REST_SECONDS

    def probing(self, now: float) -> bool:
        """Whether a probe is under way, and not for too long: it may be lost."""
        return self.probe_since is not None and now < self.probe_since + FAILING_SECONDS

    def left(self, now: float) -> float:
        """Seconds for which it wants to be left alone."""
        return self.since + (self.failed.retry_after or self.failed.rest) - now


class FailingOrigins:
    """Origins, or what they are to one credential, that failed.

    - One that asked to be left alone is. Others wait, for as long as it says; one at a time asks all the same: for
      another object, as long as it said so of one alone, and when the time is over.
    - One that failed, or let deadlines pass, for several in a row is not asked for what is stored and may be stale, but
      by one at a time. Who has nothing asks as ever: a client that it could serve is not told what others were.

    A body that was begun is worth every request, and waits as long as that takes. Times are seconds, of one clock.
    """

    def __init__(self) -> None:
        self._origins: Latest[bytes, _Origin] = Latest(MAX_FAILING)

    def note(self, name: bytes, url: bytes, failed: Failed, now: float) -> bool:
        """It failed for an object; whether it asked to be left alone only now."""
        known = self._origins.pop(name, None)
        same = known is not None and (known.failed.refused, known.failed.hung) == (failed.refused, failed.hung)
        objects = known.objects if known is not None and same and now < known.forgotten else set()
        if len(objects) < SEVERAL:
            objects.add(url)
        self._origins[name] = _Origin(failed, now, objects, None if known is None else known.probe_since)
        return failed.refused and not (known is not None and known.failed.refused)

    def answered(self, name: bytes, asked: float) -> None:
        """It answered what was sent at C{asked}; that says nothing of what it wanted later."""
        known = self._origins.get(name)
        if known is not None and not (known.failed.refused and asked < known.since):
            del self._origins[name]

    def begin(self, name: bytes, now: float) -> None:
        """A probe goes."""
        if name in self._origins:
            self._origins[name].probe_since = now

    def end(self, name: bytes) -> None:
        """A probe is over; what it was told was noted before."""
        if name in self._origins:
            self._origins[name].probe_since = None

    def turn(self, name: bytes, url: bytes, now: float, *, begun: bool, dispensable: bool) -> Turn:
        """What becomes of a request.

        @param begun: for a client that has begun to receive.
        @param dispensable: what is stored stands in for it.
        """
        known = self._origins.get(name)
        if known is None or now >= known.forgotten:
            return Turn.GO
        if known.failed.refused:
            return self._of_refused(known, url, now, begun, dispensable)
        if len(known.objects) < SEVERAL or not dispensable:
            # It may be well again, or be slow for those objects alone: who has nothing is worth finding out.
            return Turn.GO
        return Turn.TOLD if now < known.until or known.probing(now) else Turn.PROBE

    def _of_refused(self, known: _Origin, url: bytes, now: float, begun: bool, dispensable: bool) -> Turn:
        for_all = len(known.objects) >= TWO or url in known.objects
        if (now >= known.until or not for_all) and not known.probing(now):
            return Turn.PROBE
        if dispensable or (for_all and not begun and known.left(now) > MAX_REST_SECONDS):
            return Turn.TOLD
        return Turn.WAIT

    def patience(self, name: bytes, now: float) -> float:
        """Seconds after which whoever waits looks again, where nothing happens before."""
        known = self._origins[name]
        ends = [known.until]
        if known.probe_since is not None:
            ends.append(known.probe_since + FAILING_SECONDS)
        return min((end - now for end in ends if end > now), default=FAILING_SECONDS)

    def error(self, name: bytes, now: float) -> OriginError:
        """What others were told, for one who does not ask."""
        known = self._origins[name]
        again = max(1.0, known.left(now))
        if known.failed.status is not None:
            return OriginStatus(known.failed.status, again, known.failed.refused)
        error = OriginSilent("no answer from the origin to others, a moment ago")
        error.retry_after = again
        return error
