"""That an origin failed, and what that is taken to say of the next request for the same object."""

from __future__ import annotations

from enum import Enum, auto

from attrs import frozen

from proxycache.errors import OriginError, OriginSilent, OriginStatus

from .fields import Fields
from .latest import Latest
from .retrying import FAILING_SECONDS, MAX_FAILING, is_transient, retry_after

MAX_REST_SECONDS = 60.0
"""At most so long nothing is asked of what failed, whatever its Retry-After says."""


@frozen
class Failed:
    """How an origin failed a request.

    @ivar status: what it answered; None where it gave no answer.
    @ivar retry_after: seconds for which it wants to be left alone, None where it did not say.
    @ivar refused: it is not asked again for a client that has nothing yet, but by the client (RFC 6585, section 4; RFC
        9110, section 10.2.3).
    @ivar hung: it let a deadline pass, and may let the next one pass as well.
    """

    status: int | None = None
    retry_after: float | None = None
    refused: bool = False
    hung: bool = False

    @property
    def rest(self) -> float:
        """Seconds for which it is taken to go on so."""
        return min(MAX_REST_SECONDS, max(FAILING_SECONDS, self.retry_after or 0.0))


def credential(request: Fields) -> bytes:
    """By what an origin tells one of its clients from the other, when it asks one of them to be left alone."""
    return request.first(b"authorization") or b""


def limited_together(one: Fields, other: Fields) -> bool:
    """Whether an origin that limits its clients takes two requests, told by their fields, for those of one."""
    return credential(one) == credential(other)


def failure_told(status: int, response: Fields, now: float) -> Failed | None:
    """The failure that an answer is; None where it is none.

    @param now: seconds since the epoch.
    """
    if status < 500 and status != 429:
        return None
    after = retry_after(response, now)
    # A 500 is about what was asked.
    refused = is_transient(status, response) and (status == 429 or (status != 500 and after is not None))
    return Failed(status, after, refused)


def status_error(status: int, response: Fields, now: float) -> OriginStatus:
    """The error that an answer is where only bytes of an object will do.

    @param now: seconds since the epoch.
    """
    failed = failure_told(status, response, now) or Failed(status)
    return OriginStatus(status, failed.retry_after, failed.refused)


def failure_of(error: OriginError) -> Failed:
    """The failure that an error stands for."""
    if isinstance(error, OriginStatus):
        return Failed(error.status, error.retry_after, error.refused)
    return Failed(retry_after=error.retry_after, hung=isinstance(error, OriginSilent))


class Ask(Enum):
    """Whether the origin is asked about what is stored, and stale, once that failed."""

    FIRST = auto()
    """Before it is served."""
    BESIDE = auto()
    """It is served, and the origin asked meanwhile, since it may let a deadline pass again."""
    NOT = auto()
    """It is served: the origin was asked a moment ago, or is being asked."""


@frozen
class _Noted:
    failure: Failed
    until: float


class Failing:
    """Objects whose last answer was a failure.

    What is stored stands in for them without a request, and whoever has nothing gets what comes, without attempts that
    others made in vain: for a few seconds, or as long as Retry-After says, and while one more request is under way.

    Times are seconds, of one clock.
    """

    def __init__(self) -> None:
        self._noted: Latest[bytes, _Noted] = Latest(MAX_FAILING)

    def note(self, name: bytes, failure: Failed, now: float) -> None:
        """It failed, and no attempt is left."""
        self._noted[name] = _Noted(failure, now + failure.rest)

    def over(self, name: bytes) -> None:
        """There is an answer."""
        self._noted.pop(name, None)

    def lasts(self, name: bytes, now: float) -> bool:
        """Whether another attempt is hardly worth its time."""
        noted = self._noted.get(name)
        return noted is not None and now < noted.until

    def last(self, name: bytes) -> Failed | None:
        """How it failed last, None where it did not."""
        noted = self._noted.get(name)
        return None if noted is None else noted.failure

    def ask(self, name: bytes, now: float) -> Ask:
        """Whether to ask again, where what is stored may stand in for it. Who is told to has a few seconds for it."""
        noted = self._noted.get(name)
        if noted is None:
            return Ask.FIRST
        if now < noted.until:
            return Ask.NOT
        self._noted[name] = _Noted(noted.failure, now + FAILING_SECONDS)
        return Ask.BESIDE if noted.failure.hung else Ask.FIRST
