"""All who wait for one thing to be known, be it good or bad."""

from __future__ import annotations

from twisted.internet.defer import Deferred


class Crowd(list[Deferred[None]]):
    """One Deferred for each of them. Whoever has left is in it still, his Deferred called."""

    def tell(self) -> None:
        """It is known now."""
        told = list(self)
        self.clear()
        for waiter in told:
            if not waiter.called:
                waiter.callback(None)
