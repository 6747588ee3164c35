"""One piece of work in a thread, for somebody who does not wait for ever.

His patience counts from when he asked, for he does not care why there is no answer. The deadline of the work counts
from when a thread took it up: what waited its turn is late because others came before it, and says nothing of what it
is to work on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

T = TypeVar("T")


class Job(Generic[T]):
    """See the module.

    @param deadline: seconds at work after which it hangs, for as long as it is not over.
    @param hangs: called with the job then, in the reactor's thread; not while somebody still waits for it.
    @param droppable: whether it need not be done once nobody waits for it.
    @ivar told: fires with the result of the work. Cancelling it lets go of that.
    @ivar began: when a thread took it up, by the clock's seconds; None before.
    """

    def __init__(
        self,
        clock: IReactorTime,
        deadline: float = 0.0,
        hangs: Callable[[Job[T]], None] | None = None,
        droppable: bool = True,
    ) -> None:
        self.told: Deferred[T] = Deferred(lambda _: self._let_go())
        self.began: float | None = None
        self._clock = clock
        self._deadline = deadline
        self._hangs = hangs
        self._droppable = droppable
        self._dropped = False
        self._over = False
        self._look: IDelayedCall | None = None

    def begin(self) -> None:
        """To be called in the thread, before the work.

        @raise CancelledError: it need not be done any more.
        """
        # Noted before it looks, as L{_let_go} notes before it looks: one of them sees the other.
        self.began = self._clock.seconds()
        if self._dropped:
            raise CancelledError

    def finish(self, result: T | Failure) -> None:
        """To be called in the reactor's thread, after the work."""
        self._over = True
        if self._look is not None and self._look.active():
            self._look.cancel()
        self.tell(result)

    def tell(self, result: T | Failure) -> None:
        """Tell who waits for it, unless he was told, or left."""
        if not self.told.called:
            self.told.callback(result)

    def give_up(self, error: Exception) -> None:
        """Tell who waits for it that he need not."""
        self._let_go()
        self.tell(Failure(error))

    def hurry(self, patience: float, why: Callable[[float], Exception]) -> Deferred[T]:
        """Let who waits for it wait no longer than C{patience} seconds from now; C{why} makes the error.

        @return: C{told}.
        """
        return self.told.addTimeout(patience, self._clock, onTimeoutCancel=lambda value, seconds: Failure(why(seconds)))

    def at_work(self, seconds: float) -> bool:
        """Whether it has been at work for as long as that."""
        return self.began is not None and not self._over and self._clock.seconds() - self.began >= seconds

    def _let_go(self) -> None:
        self._dropped = self._droppable
        if self.began is not None or not self._dropped:
            self._watch()

    def _watch(self) -> None:
        if self._over or self._hangs is None:
            return
        now = self._clock.seconds()
        left = self._deadline if self.began is None else self.began + self._deadline - now
        if left > 0:
            self._look = self._clock.callLater(left, self._watch)
        else:
            self._hangs(self)
