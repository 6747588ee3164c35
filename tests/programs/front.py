"""What the clients speak to."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.servers.proxycache import Proxycache

DIRECT = "PROXYCACHE_CLIENTS_DIRECT"
"""Set, clients speak to the server itself: so it is told whether a failure is the product's or the test's."""


@dataclass(frozen=True)
class Front:
    """proxycache before a server, or the server alone."""

    url: str
    """Where the clients go; ends with a slash."""
    proxy: Proxycache | None

    @property
    def fetched(self) -> float:
        """Bytes of bodies that came from the server so far."""
        return 0.0 if self.proxy is None else self.proxy.metrics()["proxycache_origin_bytes_total"]


class Before:
    """Starts a proxycache before a server, with what its origin is to be configured with."""

    def __init__(self, running: ExitStack, directories: pytest.TempPathFactory) -> None:
        self._running = running
        self._directories = directories

    def __call__(self, url: str, **origin: object) -> Front:
        """Start one; `origin` are keys of its table."""
        if os.environ.get(DIRECT):
            return Front(url, None)
        proxy = Proxycache(self._directories.mktemp("proxycache"), url, config={"origin": dict(origin)})
        self._running.callback(proxy.assert_clean_log)
        self._running.enter_context(proxy)
        return Front(proxy.url, proxy)
