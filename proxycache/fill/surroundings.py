"""What every generation works with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import field, frozen
from twisted.internet.interfaces import IReactorTime

from proxycache.accounts import Accounts
from proxycache.interfaces import IMetadataStore, IOrigin
from proxycache.policy.altered import Refused
from proxycache.store.space import Space


@frozen
class Surroundings:
    """Collaborators of a generation.

    @ivar linger: seconds that a fill outlives its last reader.
    @ivar unusable: called with a generation that is not to be reused: the object changed, or it can never be
        complete.
    @ivar idle: called with a generation that nobody has read for C{linger} seconds.
    @ivar since_boot: seconds by a clock that nobody sets and that goes on while the machine sleeps.
    @ivar refused: what is not to be asked of an origin.
    """

    clock: IReactorTime
    origin: IOrigin
    metadata: IMetadataStore
    space: Space
    accounts: Accounts
    linger: float
    unusable: Callable[[Any], None]
    idle: Callable[[Any], None]
    since_boot: Callable[[], float]
    refused: Refused = field(factory=Refused)
