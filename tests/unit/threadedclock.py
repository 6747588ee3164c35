"""A clock that only tests move, in a reactor whose threads are real."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from zope.interface import implementer

from proxycache.interfaces import IDiskReactor

from .asynchronous import reactor


@implementer(IDiskReactor)
class ThreadedClock(Clock):
    """Time stands still until it is advanced; results of threads arrive through the real reactor.

    @ivar triggers: what is to be called when the reactor shuts down.
    """

    def __init__(self) -> None:
        super().__init__()
        self.triggers: list[tuple[object, ...]] = []

    def callFromThread(self, callable: Callable[..., object], *args: object, **kwargs: object) -> None:
        """See L{IReactorFromThreads.callFromThread}."""
        reactor.callFromThread(callable, *args, **kwargs)

    def callWhenRunning(self, call: Callable[..., object], *args: object) -> None:
        """It runs already."""
        call(*args)

    def addSystemEventTrigger(self, phase: str, event: str, call: Callable[..., object], *args: Any) -> object:
        """Remember a trigger."""
        trigger = (phase, event, call, args)
        self.triggers.append(trigger)
        return trigger

    def removeSystemEventTrigger(self, trigger: tuple[object, ...]) -> None:
        """Forget it."""
        self.triggers.remove(trigger)
