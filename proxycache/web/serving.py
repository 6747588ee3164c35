"""What requests are served with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import field, frozen
from twisted.internet.interfaces import IReactorTime

from proxycache.accounts import Accounts
from proxycache.fill.chunkmanager import ChunkManager
from proxycache.interfaces import IOrigin
from proxycache.policy.addresses import Network
from proxycache.policy.altered import Refused
from proxycache.policy.failing import Failing
from proxycache.policy.origins import OriginPolicy
from proxycache.policy.refusing import AskedBeyond
from proxycache.policy.targets import Authority

from .metrics import Metrics


@frozen
class Serving:
    """Collaborators of every delivery.

    @ivar now: wall clock, seconds since the epoch.
    @ivar retry_attempts: how often a range that failed is fetched again before it is passed through.
    @ivar retry_timeout: seconds for each of these.
    @ivar pseudonym: what requests to origins tell of us, and no other process says of itself.
    @ivar hosts: what we are known as, beside the addresses of connections.
    @ivar show_key: whether Cache-Status tells the cache key.
    @ivar access: writes a line of the access log.
    @ivar unlogged: names of query parameters whose values no log tells.
    @ivar has_room: whether the process has descriptors for one more client, told the number of this one's.
    @ivar trusted_proxies: those that are believed whose requests they pass on.
    @ivar azure: names of origins whose answers were those of Azure's Blob service.
    @ivar failing: objects that failed a moment ago, each as one client asked for it.
    @ivar ends: objects about whose end the origin was asked a moment ago.
    @ivar refused: what of what we ask otherwise than clients is not to be asked of an origin.
    """

    clock: IReactorTime
    origins: Sequence[OriginPolicy]
    origin: IOrigin
    manager: ChunkManager
    accounts: Accounts
    metrics: Metrics
    now: Callable[[], float]
    retry_attempts: int
    retry_timeout: float
    access: Callable[[str], None]
    pseudonym: bytes
    hosts: frozenset[Authority] = frozenset()
    show_key: bool = False
    unlogged: frozenset[bytes] = frozenset()
    has_room: Callable[[int], bool] = lambda number: True
    trusted_proxies: Sequence[Network] = ()
    azure: set[str] = field(factory=set)
    failing: Failing = field(factory=Failing)
    ends: AskedBeyond = field(factory=AskedBeyond)
    refused: Refused = field(factory=Refused)
