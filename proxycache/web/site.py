"""A listener's site: its connections, and whether there is room for one more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.web.http import Request as HTTPRequest
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from proxycache.log import make_logger

from .channel import StrictChannel
from .closing import Connections
from .departures import Departures
from .request import StrictRequest

_log = make_logger()


class StrictSite(Site):
    """A site of such connections.

    @ivar departures: finds out which clients have left while nothing is read from them; None: they are not found out.
    """

    protocol: Any = StrictChannel

    def __init__(
        self,
        resource: IResource,
        requestFactory: Any = StrictRequest,
        has_room: Callable[[int], bool] = lambda number: True,
        departures: Departures | None = None,
        **arguments: object,
    ) -> None:
        Site.__init__(self, resource, requestFactory=requestFactory, parsePOSTFormSubmission=False, **arguments)
        self.departures = departures
        self._has_room = has_room
        self._crowded = False
        self.connections = Connections()

    def admits(self, number: int) -> bool:
        """Whether there are descriptors for a client who was given this one."""
        crowded = not self._has_room(number)
        if crowded and not self._crowded:
            _log.warn("no descriptors left for clients: new ones are turned away for now; raise the limit (ulimit -n)")
        self._crowded = crowded
        return not crowded

    def log(self, request: HTTPRequest) -> None:
        """Who answers writes a line of his own, or none."""

    def refused(self, channel: StrictChannel, status: int, sent: int) -> None:
        """A connection was refused with so many bytes of body: whoever keeps accounts is told here."""


class ObjectSite(StrictSite):
    """A site in which the path is no matter of routing: it names an object of an origin, byte for byte."""

    def getResourceFor(self, request: Request) -> IResource:
        """The one resource, whatever the path."""
        request.site = self
        cast(StrictRequest, request).sitepath = []
        request.prepath = []
        request.postpath = [b""]
        resource: IResource = self.resource
        return resource
