"""The admin listener: health, readiness, metrics. Never on the public one."""

from __future__ import annotations

import json
from collections.abc import Callable

from attrs import frozen
from klein import Klein
from twisted.internet.defer import Deferred
from twisted.web.iweb import IRequest

from .metrics import Metrics


@frozen
class Checks:
    """What readiness depends on: each gives None, or the reason why not."""

    database: Callable[[], str | None]
    disk: Callable[[], Deferred[str | None]]
    origins: Callable[[], dict[str, str]]


class Admin:
    """The Klein resource of the admin listener."""

    app = Klein()

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
