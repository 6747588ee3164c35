"""Requests to origins that failed a moment ago: who waits for his turn, who is told, and who finds out."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from proxycache.interfaces import OriginRequest
from proxycache.log import make_logger
from proxycache.policy.failing import MAX_REST_SECONDS, Failed, credential
from proxycache.policy.turns import FailingOrigins, Turn

ASKING = frozenset({"GET", "HEAD"})
"""Methods of fetches; what is to be changed there is nobody's to hold up."""


def _name(request: OriginRequest) -> bytes:
    """Whom an origin limits together."""
    return request.origin.name.encode() + b" " + credential(request.fields)


class Turns:
    """See L{FailingOrigins}."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._origins = FailingOrigins()
        self._waiting: dict[bytes, dict[Deferred[None], None]] = {}
        self._log = make_logger()

    async def take(self, request: OriginRequest) -> bool:
        """Wait for a request's turn, L{MAX_REST_SECONDS} at most.

        @return: whether it is the probe, for which C{done} is to be called.
        @raise OriginError: it is not to go: what others were told.
        """
        name, end = _name(request), self._clock.seconds() + MAX_REST_SECONDS
        while True:
            now = self._clock.seconds()
            match self._turn(request):
                case Turn.GO:
                    return False
                case Turn.PROBE:
                    self._origins.begin(name, now)
                    return True
                case Turn.WAIT if now < end:
                    await self._wait(name, min(self._origins.patience(name, now), end - now))
                case _:
                    raise self._origins.error(name, now)

    def is_due(self, request: OriginRequest) -> bool:
        """Whether it may still go that had its turn, and has waited for a connection since."""
        return self._turn(request) is Turn.GO

    def _turn(self, request: OriginRequest) -> Turn:
        if request.method not in ASKING:
            return Turn.GO
        return self._origins.turn(
            _name(request),
            request.url,
            self._clock.seconds(),
            begun=request.begun,
            dispensable=request.dispensable,
        )

    def _wait(self, name: bytes, seconds: float) -> Deferred[None]:
        waiting = self._waiting.setdefault(name, {})

        def over(result: object) -> object:
            waiting.pop(waiter, None)
            if not waiting and self._waiting.get(name) is waiting:
                del self._waiting[name]
            return result

        waiter: Deferred[None] = Deferred(lambda _: None)
        waiting[waiter] = None
        waiter.addTimeout(seconds, self._clock, onTimeoutCancel=lambda *_: None)
        return waiter.addBoth(over)

    def failed(self, request: OriginRequest, failed: Failed) -> None:
        """It failed, and is not asked again."""
        if request.method not in ASKING:
            return
        if self._origins.note(_name(request), request.url, failed, self._clock.seconds()):
            self._log.info(
                "origin {origin} answered {status}: it is asked again in {seconds:g} s",
                origin=request.origin.name,
                status=failed.status,
                seconds=failed.rest,
            )

    def answered(self, request: OriginRequest, asked: float) -> None:
        """There is an answer to what was sent at C{asked}."""
        self._origins.answered(_name(request), asked)
        self._tell(_name(request))

    def done(self, request: OriginRequest) -> None:
        """The probe is over: others look again whose turn it is."""
        self._origins.end(_name(request))
        self._tell(_name(request))

    def _tell(self, name: bytes) -> None:
        for waiter in list(self._waiting.pop(name, ())):
            if not waiter.called:
                waiter.callback(None)
