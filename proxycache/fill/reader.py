"""A reader: one client's way through a generation."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from twisted.internet.defer import Deferred

from proxycache.errors import CacheReadFailed
from proxycache.interfaces import OriginRequest, Priority
from proxycache.policy.chunking import Chunking
from proxycache.policy.readahead import Streak, first_window, sequential_extension


class Readable(Protocol):
    """What a reader needs of the generation it reads."""

    @property
    def chunking(self) -> Chunking:
        """Where chunks begin."""

    @property
    def length(self) -> int | None:
        """Complete length, None while it is not known."""

    def take(self, reader: Reader, most: int) -> bytes | Deferred[bytes] | None:
        """Bytes at the cursor."""

    def wait(self, reader: Reader) -> Deferred[None]:
        """Wait for the byte at the cursor."""

    def advanced(self, reader: Reader, count: int) -> None:
        """The cursor moved by C{count} bytes."""

    def foresee(self, reader: Reader) -> None:
        """It is about to begin."""

    def closed(self, reader: Reader) -> None:
        """It leaves."""

    def invalidate(self, error: CacheReadFailed) -> None:
        """Bytes turned out bad."""

    def changed(self) -> None:
        """The origin serves another version."""


class Reader:
    """One client's way through a generation.

    @ivar start: first byte wanted.
    @ivar position: next byte to read.
    @ivar stop: one past the last byte wanted; None: to the end.
    @ivar streak: what came before it in a row.
    @ivar sparse: for one of many pieces: no more is fetched for it than it reads.
    @ivar distrusts_freshest: fetch from the client's own URL: another client's, though fresher, was refused.
    @ivar waiter: what it waits by for its next byte, None while it does not.
    @ivar token: stands for it where it must not be kept alive, or for whoever has several.
    @ivar source: where the last bytes came from: C{cache} or C{fill}.
    @ivar waited: whether a byte was not there yet when it came to it.
    """

    def __init__(
        self,
        generation: Readable,
        start: int,
        stop: int | None,
        request: OriginRequest,
        priority: Priority,
        streak: Streak,
        sparse: bool = False,
        token: Hashable = None,
    ) -> None:
        self.generation = generation
        self.start = start
        self.position = start
        self.stop = stop
        self.request = request
        self.priority = priority
        self.streak = streak
        self.sparse = sparse
        self.window = first_window(streak)
        self.source = "cache"
        self.waited = False
        self.distrusts_freshest = False
        self.last_chunk = -1
        self.token = token or object()
        self.waiter: Deferred[None] | None = None
        self._consumed = 0

    @property
    def at_end(self) -> bool:
        """Whether everything wanted was read."""
        stop = self.generation.length if self.stop is None else self.stop
        return stop is not None and self.position >= stop

    @property
    def waiting(self) -> bool:
        """Whether it waits for its next byte."""
        return self.waiter is not None

    def limit(self, position: int) -> int:
        """C{position}, but no farther than what is wanted."""
        return position if self.stop is None else min(position, self.stop)

    def ahead(self) -> int:
        """How far to fetch: the window, and beyond what is wanted where earlier requests went on."""
        wanted = self.generation.length if self.stop is None else self.stop
        if wanted is not None and self.streak.requests and not self.sparse:
            wanted += sequential_extension(self.streak, self.generation.chunking.size)
            if self.generation.length is not None:
                wanted = min(wanted, self.generation.length)
        return self.window.stop(self.position, wanted)

    def take(self, most: int) -> bytes | Deferred[bytes] | None:
        """At most C{most} bytes at the cursor; None where there are none yet. Move with L{moved} once they are used.

        @raise CacheReadFailed: at once or by the Deferred.
        """
        return self.generation.take(self, most)

    def moved(self, count: int) -> None:
        """C{count} bytes were used."""
        self.position += count
        self._consumed += count
        if self._consumed >= self.window.size:
            self._consumed = 0
            self.window = self.window.grown()
        self.generation.advanced(self, count)

    def wait(self) -> Deferred[None]:
        """Wait for the byte at the cursor, or for the end. Fails with what keeps it away."""
        self.waited = True
        waiter = self.waiter = self.generation.wait(self)

        def over(result: object) -> object:
            self.waiter = None
            return result

        return waiter.addBoth(over)

    def foresee(self) -> None:
        """Have the first bytes on their way, behind those that a client waits for, until it is begun with."""
        self.priority = Priority.HIGH
        self.generation.foresee(self)

    def begin(self) -> None:
        """Now a client waits for them."""
        self.priority = Priority.CRITICAL

    def close(self) -> None:
        """Leave."""
        if self.waiter is not None:
            self.waiter.cancel()
        self.generation.closed(self)
