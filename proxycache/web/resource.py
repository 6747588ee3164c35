"""The public listener: one Klein route for every object."""

from __future__ import annotations

from klein import Klein
from twisted.web.resource import IResource

from .deliver import Delivery
from .protocol import ObjectSite, StrictRequest
from .serving import Serving


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


def object_site(serving: Serving) -> ObjectSite:
    """The site of the public listener."""
    objects = Objects(serving)
    resource: IResource = objects.app.resource()
    return ObjectSite(resource, has_room=serving.has_room, reactor=serving.clock)
