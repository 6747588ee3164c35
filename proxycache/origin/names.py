"""The addresses of names: looked up once for all who ask, in threads of their own, and kept for some seconds.

The system's resolver blocks for as long as it likes, and Twisted calls it in the ten threads of the reactor: names that
nobody answers for would keep all others from being looked up. It tells no time to live either. What it said last stands
in where it fails, as RFC 8767 has it; not where it says that there is no such name.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, field
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution, IResolutionReceiver
from zope.interface import implementer

from proxycache.log import make_logger
from proxycache.policy.latest import Latest

from .crowd import Crowd

KEPT_SECONDS = 5.0
"""How long an answer is good, or stands in for one that does not come, before it is asked for again."""

KEPT_FAILURE_SECONDS = 1.0
"""How long it is good that there is none."""

FALLBACK_SECONDS = 24 * 3600.0
"""How long the last answer may stand in (RFC 8767, section 5: one to three days)."""

FALLBACK_AFTER_SECONDS = 1.8
"""How long who has one to fall back on waits for a new one (the same)."""

AGAIN_SECONDS = 30.0
"""How long a lookup that does not end is left alone before another one is begun beside it (the same)."""

MAX_LOOKUPS_PER_NAME = 2
"""At once; the first of them may never end."""

MAX_LOOKUPS = 32
"""At once, each in a thread."""

MAX_NAMES = 1024

Found = Sequence[tuple[Any, ...]]
"""What C{getaddrinfo} gives."""

NO_SUCH_NAME = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
"""Its errors that are an answer."""

_ADDRESSES: dict[int, type[IPv4Address] | type[IPv6Address]] = {
    socket.AF_INET: IPv4Address,
    socket.AF_INET6: IPv6Address,
}


@define(eq=False)
class _Name:
    """What is known of one. Times are the clock's seconds.

    @ivar found: its addresses, as they were found last.
    @ivar answered: when that was.
    @ivar good_until: until when nothing else is asked for.
    @ivar begun: when the last lookup was.
    @ivar running: how many there are.
    @ivar waiting: who waits for it.
    """

    found: list[tuple[int, str]] = field(factory=list)
    answered: float = float("-inf")
    good_until: float = float("-inf")
    begun: float = float("-inf")
    running: int = 0
    waiting: Crowd = field(factory=Crowd)


@implementer(IHostResolution)
class _Resolution:
    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """A lookup is for others as well."""
        raise NotImplementedError


@implementer(IHostnameResolver)
class Names:
    """See the module.

    @param reactor: its clock, and its way back from threads.
    @param timeout: seconds after which a lookup has failed.
    @param getaddrinfo: the system's resolver.
    """

    def __init__(self, reactor: Any, timeout: float, getaddrinfo: Callable[..., Found] = socket.getaddrinfo) -> None:
        self._reactor = reactor
        self._timeout = timeout
        self._getaddrinfo = getaddrinfo
        self._names: Latest[str, _Name] = Latest(MAX_NAMES)
        self._lookups = 0
        self._queue: deque[tuple[str, _Name]] = deque()
        self._log = make_logger()

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """See L{IHostnameResolver}. A name that cannot be looked up has no addresses; they are for TCP."""
        resolution = _Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)

        def tell(_: object) -> None:
            for family, host in self._usable(self._names.get(hostName)):
                kind = _ADDRESSES[family]
                if addressTypes is None or kind in addressTypes:
                    resolutionReceiver.addressResolved(kind("TCP", host, portNumber))
            resolutionReceiver.resolutionComplete()

        self._looked_up(hostName).addCallback(tell)
        return resolution

    def known(self, name: str) -> Deferred[None]:
        """Fires once there is an answer, be it an old one, or none to be had for now."""
        if self._usable(self._names.get(name)):
            done: Deferred[None] = Deferred()
            done.callback(None)
            return done
        return self._looked_up(name)

    def _usable(self, known: _Name | None) -> list[tuple[int, str]]:
        if known is None or self._reactor.seconds() >= known.answered + FALLBACK_SECONDS:
            return []
        return known.found

    def _looked_up(self, name: str) -> Deferred[None]:
        """Fires once what is known is as good as can be had."""
        known, now = self._remembered(name), self._reactor.seconds()
        waiter: Deferred[None] = Deferred(lambda _: None)
        if now < known.good_until:
            waiter.callback(None)
            return waiter
        if not known.running or (known.running < MAX_LOOKUPS_PER_NAME and now >= known.begun + AGAIN_SECONDS):
            known.begun = now
            known.running += 1
            self._queue.append((name, known))
            self._begin_next()
        fallback = bool(self._usable(known))
        left = known.begun + (min(FALLBACK_AFTER_SECONDS, self._timeout) if fallback else self._timeout) - now
        if left <= 0:
            waiter.callback(None)
            return waiter
        known.waiting.append(waiter)

        def late(*_: object) -> None:
            if known.good_until <= self._reactor.seconds():
                known.good_until = self._reactor.seconds() + (KEPT_SECONDS if fallback else KEPT_FAILURE_SECONDS)
                what = "the last answer stands in" if fallback else "it cannot be asked"
                self._log.warn("no answer from the resolver about {name} for now: {what}", name=name, what=what)

        return waiter.addTimeout(left, self._reactor, onTimeoutCancel=late)

    def _remembered(self, name: str) -> _Name:
        known = self._names[name] = self._names.get(name) or _Name()
        return known

    def _begin_next(self) -> None:
        while self._queue and self._lookups < MAX_LOOKUPS:
            self._lookups += 1
            # A lookup that hangs must not keep the process from ending.
            threading.Thread(target=self._look_up, args=self._queue.popleft(), name="lookup", daemon=True).start()

    def _look_up(self, name: str, known: _Name) -> None:
        """In a thread."""
        found: list[tuple[int, str]] | None
        try:
            listed = self._getaddrinfo(name, None, socket.AF_UNSPEC, socket.SOCK_STREAM)
            found = [(family, address[0]) for family, _, _, _, address in listed if family in _ADDRESSES]
        except socket.gaierror as error:
            found = [] if error.errno in NO_SUCH_NAME else None
        except (OSError, UnicodeError):
            found = None
        self._reactor.callFromThread(self._ended, known, found)

    def _ended(self, known: _Name, found: list[tuple[int, str]] | None) -> None:
        """@param found: None where that is no answer."""
        now = self._reactor.seconds()
        self._lookups -= 1
        known.running -= 1
        if found is not None:
            known.found, known.answered = found, now
        kept = KEPT_SECONDS if self._usable(known) else KEPT_FAILURE_SECONDS
        known.good_until = max(known.good_until, now + kept) if found is None else now + kept
        known.waiting.tell()
        self._begin_next()
