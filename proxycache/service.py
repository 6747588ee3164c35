"""Puts the parts together; the only place that names the concrete classes."""

from __future__ import annotations

import secrets
import signal
import sys
import time
from functools import partial
from typing import Any

from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import MultiService, Service
from twisted.application.strports import service as strports_service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Factory
from twisted.internet.task import LoopingCall, deferLater
from twisted.python.failure import Failure

from proxycache.accounts import Accounts
from proxycache.config import Configuration
from proxycache.errors import MetadataUnavailable
from proxycache.fill.chunkmanager import ChunkManager
from proxycache.fill.stock import drop_useless, take_stock
from proxycache.fill.surroundings import Surroundings
from proxycache.log import make_logger
from proxycache.origin.client import OriginClient
from proxycache.origin.protocol import ExactPool
from proxycache.origin.slots import Slots
from proxycache.origin.timeouts import Timeouts
from proxycache.policy.altered import Refused
from proxycache.policy.cachestatus import NAME
from proxycache.store.cachefile import CacheFiles
from proxycache.store.database import Database
from proxycache.store.descriptors import Descriptors, descriptor_limit
from proxycache.store.disk import Disk
from proxycache.store.linefile import LineFile
from proxycache.store.metadata import CHUNK_ROOM, MetadataStore
from proxycache.store.space import Space, SpaceLimits
from proxycache.web.admin import Admin, AdminSite, Checks
from proxycache.web.departures import Departures
from proxycache.web.metrics import Metrics
from proxycache.web.resource import PublicSite
from proxycache.web.serving import Serving
from proxycache.web.site import ObjectSite

DISK_THREADS = 4
"""Threads for the disk alone."""

STOCK_SECONDS = 2.0
"""How long chunks wait to be written until it is known what is on the disk from before."""

SWEEP_SECONDS = 600.0
"""Between two looks for entries that are good for nothing."""

OWN_DESCRIPTORS = 32
"""Beside those of clients, origins and cache files: the database, listeners, logs, files that a thread works on."""


class CacheService(Service):
    """What lives as long as the process: threads, database, chunk manager, connections to origins."""

    def __init__(self, reactor: Any, configuration: Configuration) -> None:
        cache, fetch, now = configuration.cache, configuration.fetch, time.time
        self._reactor = reactor
        self._log = make_logger()
        self.accounts = Accounts()
        self._disk = Disk(reactor, DISK_THREADS)
        # It opens and closes, each in a thread for as long as that takes; queries have their own.
        self._database_disk = Disk(reactor, 1)
        self._log_disk = Disk(reactor, 1)
        self._stock_taken = False
        self._now = now
        self._sweeping = LoopingCall(self._sweep)
        self._sweeping.clock = reactor
        self._patience: IDelayedCall | None = None
        descriptors = Descriptors(descriptor_limit(), fetch.connections + OWN_DESCRIPTORS)
        self.files = CacheFiles(cache.directory, self._disk, time.time_ns, descriptors, cache.database_path())
        self._database = Database(
            reactor, cache.database_path(), self._database_disk, self.accounts, now, self._database_opened
        )
        self.metadata = MetadataStore(reactor, self._database, now)
        self._pool = ExactPool(reactor, persistent=True)
        self._pool.maxPersistentPerHost = fetch.connections_per_origin
        self._pool.keepalive_time = fetch.keepalive_time
        origins = tuple(origin.policy() for origin in configuration.origin)
        self.origin = OriginClient(
            reactor,
            self._pool,
            Slots(fetch.connections, fetch.connections_per_origin, fetch.connections_per_client),
            Timeouts(
                fetch.resolve_timeout,
                fetch.connect_timeout,
                fetch.first_byte_timeout,
                fetch.idle_timeout,
                upload_rate=int(fetch.upload_rate),
            ),
            self.accounts,
            now,
            origins,
        )
        min_free, fraction = cache.free_bytes_and_fraction()
        self.space = Space(
            reactor,
            self.files,
            SpaceLimits(int(cache.max_size), min_free, fraction),
            self.accounts,
            lambda name: self.manager.in_use(name),
            lambda name: self.manager.evict(name),
            CHUNK_ROOM,
        )
        refused = Refused()
        self.manager = ChunkManager(
            lambda manager: Surroundings(
                clock=reactor,
                origin=self.origin,
                metadata=self.metadata,
                space=self.space,
                accounts=self.accounts,
                linger=fetch.linger,
                unusable=manager.unusable,
                idle=manager.idle,
                since_boot=partial(time.clock_gettime, time.CLOCK_BOOTTIME),
                refused=refused,
            ),
            self.files,
            int(cache.chunk_size),
            now,
        )
        log = configuration.server.access_log
        self._lines = None if log is None else LineFile(reactor, log, self._log_disk, self.accounts)
        self.metrics = Metrics(self.accounts, lambda: (self.space.used, self.space.limit))
        self.serving = Serving(
            clock=reactor,
            origins=origins,
            origin=self.origin,
            manager=self.manager,
            accounts=self.accounts,
            metrics=self.metrics,
            now=now,
            retry_attempts=fetch.retry_attempts,
            retry_timeout=fetch.retry_timeout,
            pseudonym=NAME + b"-" + secrets.token_hex(4).encode("ascii"),
            hosts=configuration.server.authorities(),
            access=self._log_access if self._lines is None else self._lines.write,
            show_key=configuration.server.cache_status_key,
            unlogged=frozenset[bytes]().union(*(origin.ignore_query for origin in origins)),
            has_room=descriptors.has_room,
            trusted_proxies=configuration.server.networks(),
            refused=refused,
        )

    def startService(self) -> None:
        """Open the database and take stock of what is on the disk; neither keeps anybody from being served."""
        Service.startService(self)
        self._disk.start()
        self._database_disk.start()
        self._log_disk.start()
        # Without a handler it would end the process; logrotate may send it whatever is configured.
        signal.signal(signal.SIGUSR1, self._usr1)
        # A database that is away, or slow to tell what is on the disk, must not hold up the streams.
        self._patience = self._reactor.callLater(STOCK_SECONDS, self.space.begin)
        self._database.start()
        if self._database.state() is not None:
            self.space.begin()

    def _log_access(self, line: str) -> None:
        self._log.info("{line}", line=line)

    def _usr1(self, number: int, frame: object) -> None:
        if self._lines is not None:
            self._reactor.callFromThread(self._lines.reopen)

    def _database_opened(self, fresh: bool) -> None:
        if fresh:
            self.manager.save_all()
            self.space.retain(self.manager.known_ids())
        self.metadata.flush()
        if fresh or not self._stock_taken:
            stock = take_stock(self.metadata, self.files, self.space, self.manager, self._turn)
            Deferred.fromCoroutine(stock).addCallbacks(self._stocked, self._no_stock)

    def _turn(self) -> Deferred[None]:
        return deferLater(self._reactor, 0, lambda: None)

    def _stocked(self, _: None) -> None:
        self._stock_taken = True
        if not self._sweeping.running:
            self._sweeping.start(SWEEP_SECONDS)

    def _sweep(self) -> Deferred[None]:
        sweep = drop_useless(self.metadata, self.files, self.manager, self._now())
        return Deferred.fromCoroutine(sweep).addErrback(self._not_swept)

    def _not_swept(self, failure: Failure) -> None:
        if not failure.check(MetadataUnavailable):
            self._log.failure("dropping what is good for nothing failed", failure)

    def _no_stock(self, failure: Failure) -> None:
        """It is tried again when the database is opened again."""
        self.space.begin()
        if not failure.check(MetadataUnavailable, OSError):
            self._log.failure("taking stock of the cache failed", failure)

    async def _stop(self) -> None:
        self.manager.stop()
        if self._sweeping.running:
            self._sweeping.stop()
        if self._patience is not None and self._patience.active():
            self._patience.cancel()
        # What is on its way to the disk is recorded, too.
        await self._disk.settle()
        await self.metadata.stop()
        await self._pool.closeCachedConnections()
        self._database.stop()
        await self._disk.stop()
        await self._database_disk.stop()
        await (self._log_disk if self._lines is None else self._lines).stop()

    def stopService(self) -> Deferred[None]:
        """Stop fetching, write what is recorded, close."""
        Service.stopService(self)

        return Deferred.fromCoroutine(self._stop())

    def checks(self) -> Checks:
        """What readiness depends on."""
        return Checks(self.metadata.state, self.files.usable, self.origin.last_errors)


class RootService(MultiService):
    """All of it.

    @param stop_timeout: seconds that answers get to finish when it stops.
    """

    def __init__(self, reactor: Any, stop_timeout: float) -> None:
        MultiService.__init__(self)
        self._reactor = reactor
        self._stop_timeout = stop_timeout
        self._public: list[tuple[StreamServerEndpointService, ObjectSite]] = []
        self._log = make_logger()

    def listen(self, endpoint: str, site: ObjectSite) -> None:
        """Add a public listener."""
        listener: StreamServerEndpointService = strports_service(endpoint, site, self._reactor)
        listener.setServiceParent(self)
        self._public.append((listener, site))

    def privilegedStartService(self) -> None:
        """Listen. A port that cannot be had stops the start, with one line."""
        try:
            MultiService.privilegedStartService(self)
        except (CannotListenError, OSError) as error:
            # By now twistd has put its log in the place of stderr.
            print(f"proxycache: {error}", file=sys.__stderr__)
            raise SystemExit(1) from None

    def stopService(self) -> Deferred[None]:
        """Take no more requests, finish the answers that were begun, then stop all else."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        # All at once: the time is for all of them.
        closing = [Deferred.fromCoroutine(self._close(listener, site)) for listener, site in self._public]
        late = sum([await each for each in closing])
        if late:
            self._log.warn(
                "{late} answers cut off: they took more than {seconds:g} s", late=late, seconds=self._stop_timeout
            )
        await MultiService.stopService(self)

    async def _close(self, listener: StreamServerEndpointService, site: ObjectSite) -> int:
        await listener.stopService()
        return await site.connections.finish(self._reactor, self._stop_timeout)


def make_service(reactor: Any, configuration: Configuration) -> MultiService:
    """The whole of it, not started. A listener whose port cannot be had stops the start."""
    # Twisted would log two lines for every connection to an origin.
    Factory.noisy = False
    cache = CacheService(reactor, configuration)
    root = RootService(reactor, configuration.server.stop_timeout)
    cache.setServiceParent(root)
    departures = Departures(reactor)
    for endpoint in configuration.server.listen:
        root.listen(endpoint, PublicSite(cache.serving, departures))
    admin = AdminSite(Admin(cache.metrics, cache.checks()), frozenset(configuration.server.admin_hosts), reactor)
    strports_service(configuration.server.admin, admin, reactor).setServiceParent(root)
    return root
