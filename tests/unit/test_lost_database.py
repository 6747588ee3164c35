"""A database whose connection is lost, as PostgreSQL's may be, simulated at the interface."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest_twisted
from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.threads import deferToThread
from zope.interface.verify import verifyObject

from proxycache.accounts import Accounts
from proxycache.errors import MetadataUnavailable
from proxycache.fill.chunkmanager import ChunkManager
from proxycache.fill.surroundings import Surroundings
from proxycache.interfaces import IMetadataStore
from proxycache.origin.client import OriginClient
from proxycache.origin.protocol import ExactPool
from proxycache.origin.slots import Slots
from proxycache.origin.timeouts import Timeouts
from proxycache.policy.entry import StoredRepresentation
from proxycache.policy.origins import OriginPolicy
from proxycache.store.cachefile import CacheFiles
from proxycache.store.descriptors import Descriptors
from proxycache.store.disk import Disk
from proxycache.store.space import Space, SpaceLimits
from proxycache.web.departures import Departures
from proxycache.web.metrics import Metrics
from proxycache.web.resource import PublicSite
from proxycache.web.serving import Serving
from tests.servers.fetch import fetch, same
from tests.servers.origin import Origin, Pattern

from .memorystore import MemoryStore

reactor: Any = installed


class LosingStore(MemoryStore):
    """Loses its connection, and has it again once C{lost} is false."""

    lost = True

    def load(self, key: bytes) -> Deferred[Sequence[StoredRepresentation]]:
        if self.lost:
            return fail(MetadataUnavailable("database-unavailable", "server closed the connection unexpectedly"))
        return super().load(key)

    def state(self) -> str | None:
        return "server closed the connection unexpectedly" if self.lost else None


def test_the_fake_is_a_metadata_store() -> None:
    verifyObject(IMetadataStore, LosingStore())


@pytest_twisted.ensureDeferred
async def test_served_from_the_origin_until_the_connection_is_back(tmp_path: Path) -> None:
    accounts, store = Accounts(), LosingStore()
    disk = Disk(reactor, 2)
    disk.start()
    pool = ExactPool(reactor)
    files = CacheFiles(tmp_path, disk, time.time_ns, Descriptors(64))
    origin_client = OriginClient(reactor, pool, Slots(8, 8), Timeouts(), accounts, time.time, ())
    space = Space(reactor, files, SpaceLimits(1 << 30), accounts, lambda name: False, lambda name: succeed(None))
    space.begin()
    manager = ChunkManager(
        lambda manager: Surroundings(
            reactor, origin_client, store, space, accounts, 0.0, manager.unusable, manager.idle, time.monotonic
        ),
        files,
        1 << 20,
        time.time,
    )
    with Origin() as origin:
        content = Pattern(3_000_000, seed=5)
        origin.put("a.bin", content)
        policy = OriginPolicy("files", b"/", origin.url.encode())
        metrics = Metrics(accounts, lambda: (0, 0))
        serving = Serving(
            reactor, (policy,), origin_client, manager, accounts, metrics, time.time, 1, 30.0, lambda line: None, b"us"
        )
        port = reactor.listenTCP(0, PublicSite(serving, Departures(reactor)), interface="127.0.0.1")
        url = f"http://127.0.0.1:{port.getHost().port}/a.bin"
        try:
            for _ in range(2):
                answer = await deferToThread(fetch, url)
                assert (answer.status, answer.complete) == (200, True)
                same(content, 0, answer.body)
                assert answer.cache_status == "proxycache; fwd=bypass; detail=database-unavailable"
            store.lost = False
            first = await deferToThread(fetch, url)
            second = await deferToThread(fetch, url)
            same(content, 0, second.body)
            assert first.cache_status == "proxycache; fwd=uri-miss; stored"
            assert second.cache_status == "proxycache; hit"
        finally:
            await port.stopListening()
            manager.stop()
            await pool.closeCachedConnections()
            await disk.stop()
