"""The public listener: one Klein route for every object."""

from __future__ import annotations

from klein import Klein

from .account import account_for_refusal
from .channel import StrictChannel
from .deliver import Delivery
from .departures import Departures
from .request import StrictRequest
from .serving import Serving
from .site import ObjectSite


class Objects:
    """The Klein resource in front of the cache."""

    app = Klein()

    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    @app.route("/", branch=True)
    async def deliver(self, request: StrictRequest) -> bytes:
        """Answer any method for any object; the target is read raw."""
        await Delivery(self._serving, request).run()
        return b""


class PublicSite(ObjectSite):
    """The site of the public listener."""

    def __init__(self, serving: Serving, departures: Departures) -> None:
        super().__init__(
            Objects(serving).app.resource(),
            has_room=serving.has_room,
            departures=departures,
            reactor=serving.clock,
        )
        self._serving = serving

    def refused(self, channel: StrictChannel, status: int, sent: int) -> None:
        """See L{ObjectSite.refused}."""
        account_for_refusal(self._serving, channel, status, sent)
