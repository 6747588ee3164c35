"""Which hosts could not be reached a moment ago.

Whoever asks anew for a client that has nothing yet is told so at once, and not after attempts that others made in vain.
All the while one bare connection at a time is tried, and waited for as long as one to a host that is there takes: so
nobody is refused what the origin could serve.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from proxycache.errors import OriginError
from proxycache.policy.retrying import FAILING_SECONDS, Outage, Outages

from .crowd import Crowd

PROBE_PATIENCE_SECONDS = 0.5
"""How long after its beginning a connection is waited for; it may take longer, but then nobody waits for it."""

PROBE_INTERVAL_SECONDS = 1.0
"""Between the beginnings of two connections, where what was sent by the first may have been lost."""


@define(eq=False)
class _Probe:
    """Bare connections under way to a host that could not be reached.

    @ivar since: when the last one was begun.
    """

    outage: Outage
    since: float = 0.0
    running: int = 0
    waiting: Crowd = field(factory=Crowd)


def _host(url: bytes) -> bytes:
    """Scheme and authority."""
    return b"/".join(url.split(b"/", 3)[:3]).lower()


class Reach:
    """See the module.

    @param connect: opens a connection to the host of a URL and closes it; fails where that cannot be done.
    """

    def __init__(self, clock: IReactorTime, connect: Callable[[bytes], Deferred[None]]) -> None:
        self._clock = clock
        self._connect = connect
        self._outages = Outages()
        self._probes: dict[bytes, _Probe] = {}

    def worth(self, url: bytes, attempts: int) -> int:
        """How many attempts a new request is worth: one where connections end without an answer."""
        outage = self._outages.of(_host(url), self._clock.seconds())
        return 1 if outage is not None and outage.connected and outage.certain else attempts

    async def check(self, url: bytes, attempts: int) -> None:
        """Find out whether a new request makes sense.

        @param attempts: what it is worth; one that is worth several is not stopped by what failed once.
        @raise OriginError: the host cannot be reached: what was found out a moment ago.
        """
        host, now = _host(url), self._clock.seconds()
        probe = self._probes.get(host)
        outage = self._outages.of(host, now) or (None if probe is None else probe.outage)
        if outage is None or outage.connected or (attempts > 1 and not outage.certain):
            return
        if probe is None:
            probe = self._probes[host] = _Probe(outage)
        if not probe.running or now - probe.since >= PROBE_INTERVAL_SECONDS:
            self._begin(host, url, probe)
        left = probe.since + PROBE_PATIENCE_SECONDS - now
        if left > 0 and probe.running:
            waiter: Deferred[None] = Deferred(lambda _: None)
            probe.waiting.append(waiter)
            await waiter.addTimeout(left, self._clock, onTimeoutCancel=lambda *_: None)
        if self._probes.get(host) is probe or self._outages.of(host, self._clock.seconds()) is not None:
            error = type(outage.error)(str(outage.error))
            error.retry_after = FAILING_SECONDS
            raise error

    def failed(self, url: bytes, error: OriginError, *, connected: bool, certain: bool) -> None:
        """A request got no answer; see L{Outages.note}."""
        outage = self._outages.note(_host(url), error, self._clock.seconds(), connected=connected, certain=certain)
        if outage.certain:
            error.retry_after = FAILING_SECONDS

    def answered(self, url: bytes) -> None:
        """There is an answer."""
        self._outages.answered(_host(url))

    def connected(self, url: bytes) -> None:
        """There is a connection."""
        self._outages.connected(_host(url))
        probe = self._probes.pop(_host(url), None)
        if probe is not None:
            probe.waiting.tell()

    def _begin(self, host: bytes, url: bytes, probe: _Probe) -> None:
        probe.since = self._clock.seconds()
        probe.running += 1

        def failed(_: Failure) -> None:
            probe.running -= 1
            if not probe.running and self._probes.get(host) is probe:
                # Its own error says nothing new.
                error, now = probe.outage.error, self._clock.seconds()
                self._outages.note(host, error, now, connected=False, certain=probe.outage.certain)
                del self._probes[host]
                probe.waiting.tell()

        self._connect(url).addCallbacks(lambda _: self.connected(url), failed)
