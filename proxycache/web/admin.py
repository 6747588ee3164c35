"""The admin listener: health, readiness, metrics. Never on the public one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import cast
from urllib.parse import unquote_to_bytes

from attrs import frozen
from klein import Klein
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IRequest

from proxycache.policy.addresses import is_ours

from .metrics import Metrics
from .request import StrictRequest
from .site import StrictSite


@frozen
class Checks:
    """What readiness depends on: each gives None, or the reason why not."""

    database: Callable[[], str | None]
    disk: Callable[[], Deferred[str | None]]
    origins: Callable[[], dict[str, str]]


class Admin:
    """The Klein resource of the admin listener."""

    app = Klein()
    # A path is what it is: no redirect to one that looks like it.
    app.url_map.merge_slashes = False

    def __init__(self, metrics: Metrics, checks: Checks) -> None:
        self._metrics = metrics
        self._checks = checks

    @app.route("/healthz", methods=["GET", "HEAD"])
    def healthz(self, request: IRequest) -> bytes:
        """The process lives."""
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        return b"ok\n"

    @app.route("/readyz", methods=["GET", "HEAD"])
    async def readyz(self, request: IRequest) -> bytes:
        """503 where the cache cannot do its work, with the reasons. An origin that fails is told, and no reason."""
        try:
            disk = await self._checks.disk()
        except OSError as error:
            disk = str(error)
        database = self._checks.database()
        ready = disk is None and database is None
        request.setResponseCode(200 if ready else 503)
        request.setHeader(b"content-type", b"application/json")
        state = {
            "ready": ready,
            "database": database or "ok",
            "disk": disk or "ok",
            "origins": self._checks.origins() or "ok",
        }
        return json.dumps(state).encode("utf-8") + b"\n"

    @app.route("/metrics", methods=["GET", "HEAD"])
    def metrics(self, request: IRequest) -> bytes:
        """Prometheus' text format."""
        request.setHeader(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
        return self._metrics.render()


class AdminRequest(StrictRequest):
    """One that names us, asks for a path and brings no body; others are refused before anything of a body is read."""

    def examine(self) -> None:
        """See L{StrictRequest.examine}."""
        host = self.requestHeaders.getRawHeaders(b"host", [b"localhost"])[0]
        if not is_ours(host, cast(AdminSite, self.channel.site).names):
            self.channel.refuse(421, b"Host is neither an address nor localhost nor listed in server.admin_hosts")
        elif not _is_path(self.channel._path):
            self.channel.refuse(400, b"the target is not a path")

    def gotLength(self, length: int | None) -> None:
        """See L{StrictRequest.gotLength}."""
        super().gotLength(0)
        if length != 0:
            self.channel.refuse(413, b"a body is not accepted here")


def _is_path(target: bytes) -> bool:
    try:
        unquote_to_bytes(target.partition(b"?")[0]).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return target.startswith(b"/")


class AdminSite(StrictSite):
    """The site of the admin listener.

    @ivar names: hosts under which it answers, beside addresses and C{localhost}; in lower case.
    """

    def __init__(self, admin: Admin, names: frozenset[str], reactor: IReactorTime) -> None:
        super().__init__(admin.app.resource(), AdminRequest, reactor=reactor)
        self.names = names
