"""Who has left, of the clients from whom nothing is read for now and to whom nothing is written.

The kernel tells who watches a socket for nothing else when the other end is gone (C{EPOLLHUP}, C{EPOLLERR}). The
reactor can only be asked for what can be read or written: what is unread, or the end of a client's half of the
connection, would be told again and again.
"""

from __future__ import annotations

import select
from collections.abc import Callable

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer


@implementer(IReadDescriptor)
class Departures:
    """Watches connections. It holds a descriptor while there are any."""

    def __init__(self, reactor: IReactorFDSet) -> None:
        self._reactor = reactor
        self._watched: dict[int, tuple[Callable[[], None], Callable[[], None]]] = {}
        self._epoll: select.epoll | None = None

    def watch(self, number: int, ended: Callable[[], None], gone: Callable[[], None]) -> None:
        """Watch the connection with this descriptor, until L{forget}.

        @param ended: called once, when the client has ended its half of it, read or unread.
        @param gone: called once, when it is gone.
        """
        if number in self._watched:
            return
        if self._epoll is None:
            self._epoll = select.epoll()
            self._reactor.addReader(self)
        self._epoll.register(number, select.EPOLLRDHUP | select.EPOLLET)
        self._watched[number] = ended, gone

    def forget(self, number: int) -> None:
        """Watch it no more; it may be closed by now."""
        if self._watched.pop(number, None) is None or self._epoll is None:
            return
        try:
            self._epoll.unregister(number)
        except OSError:
            pass
        if not self._watched:
            self._reactor.removeReader(self)
            self._epoll.close()
            self._epoll = None

    def doRead(self) -> None:
        """Something has changed."""
        for number, events in [] if self._epoll is None else self._epoll.poll(0):
            if number in self._watched:
                ended, gone = self._watched[number]
                gone() if events & (select.EPOLLHUP | select.EPOLLERR) else ended()

    def fileno(self) -> int:
        """That of the watch."""
        return -1 if self._epoll is None else self._epoll.fileno()

    def logPrefix(self) -> str:
        """For Twisted's log."""
        return "departures"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor ends."""
