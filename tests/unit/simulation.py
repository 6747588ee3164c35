"""A generation between an origin, a disk and clients; who moves next is decided by chance, and by chance alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from proxycache.accounts import Accounts
from proxycache.errors import CacheReadFailed, OriginError
from proxycache.fill.generation import Generation
from proxycache.fill.reader import Reader
from proxycache.fill.surroundings import Surroundings
from proxycache.interfaces import OriginRequest
from proxycache.policy.entry import Representation
from proxycache.policy.eviction import ChunkName
from proxycache.policy.fields import Fields
from proxycache.policy.origins import OriginPolicy
from proxycache.policy.validators import Validator
from proxycache.store.cachefile import checksum
from proxycache.store.space import Space, SpaceLimits

from .filesystem import FileSystem
from .memorystore import MemoryStore
from .simulateddisk import SimulatedFile
from .simulatedorigin import NOW, TAG, Behaviour, SimulatedOrigin

URL = b"http://origin.example/film.mp4"
REQUEST = OriginRequest(OriginPolicy("films", b"/", b"http://origin.example/"), URL, "GET", Fields())
LINGER = 10.0
MAX_STEPS = 20_000
MAX_FAILURES = 200


@define
class Wish:
    """What a client wants.

    @ivar most: bytes it takes at once.
    @ivar leaves_at: it goes when it has come so far.
    """

    start: int
    stop: int
    most: int
    leaves_at: int


class Client:
    """Reads its range, trying again where the cache or the origin failed."""

    def __init__(self, world: World, wish: Wish) -> None:
        self.wish = wish
        self.received = b""
        self.failures = 0
        self.gone = False
        self._world = world
        self._waiting: Deferred[None] | Deferred[bytes] | None = None
        self._data: bytes | None = None
        self._reader: Reader | None = None

    @property
    def ready(self) -> bool:
        """Whether it can do something."""
        return not self.gone and (self._waiting is None or self._waiting.called)

    def step(self) -> None:
        """Come, read on, or go."""
        if self._reader is None:
            self._reader = self._world.generation.open_reader(self.wish.start, self.wish.stop, REQUEST)
            return
        reader = self._reader
        if reader.at_end or self.wish.start + len(self.received) >= self.wish.leaves_at:
            self.gone = True
            reader.close()
            return
        data, self._data = self._data, None
        try:
            taken = reader.take(self.wish.most) if data is None else data
        except CacheReadFailed as error:
            self._failed(Failure(error))
            return
        if isinstance(taken, bytes):
            assert taken
            assert len(taken) <= self.wish.most
            self.received += taken
            reader.moved(len(taken))
            return
        waiting = reader.wait() if taken is None else taken
        self._waiting = waiting
        waiting.addCallback(self._arrived)
        waiting.addErrback(self._failed)

    def _arrived(self, data: bytes | None) -> None:
        self._waiting = None
        self._data = data

    def _failed(self, failure: Failure) -> None:
        self._waiting = None
        failure.trap(CacheReadFailed, OriginError)
        self.failures += 1
        if isinstance(failure.value, CacheReadFailed):
            self._world.generation.invalidate(failure.value)


class World:
    """All of them.

    @ivar peak: the most chunks that were in memory at once.
    """

    def __init__(
        self,
        content: bytes,
        chunk_size: int,
        wishes: list[Wish],
        behaviour: Behaviour,
        file: SimulatedFile,
        seed: int,
        max_size: int = 1 << 40,
        rangeless: bool = False,
        cached: bool = False,
    ) -> None:
        self.clock = Clock()
        self.chance = Random(seed)
        self.origin = SimulatedOrigin(content, behaviour)
        self.file = file
        self.accounts = Accounts()
        self.metadata = MemoryStore()
        self.unusable: list[Generation] = []
        self.idle: list[Generation] = []
        self.space = Space(
            self.clock,
            FileSystem(1 << 50, 1 << 50),
            SpaceLimits(max_size),
            self.accounts,
            self._in_use,
            self._evict,
        )
        self.space.begin()
        surroundings = Surroundings(
            clock=self.clock,
            origin=self.origin,
            metadata=self.metadata,
            space=self.space,
            accounts=self.accounts,
            linger=LINGER,
            unusable=self.unusable.append,
            idle=self.idle.append,
            since_boot=self.clock.seconds,
        )
        representation = Representation(
            id="ab" * 16,
            key=b"films:http://origin.example/film.mp4",
            origin="films",
            source_url=URL,
            status=200,
            fields=Fields([(b"ETag", TAG)]),
            length=len(content),
            validator=Validator(TAG),
            request_time=NOW,
            response_time=NOW,
            vary=(),
            rangeless=rangeless,
            chunk_size=chunk_size,
        )
        present = self._cache(content, chunk_size) if cached else {}
        self.generation = Generation(representation, file, present, surroundings, trust_length=False)
        self.clients = [Client(self, wish) for wish in wishes]

    def _cache(self, content: bytes, chunk_size: int) -> dict[int, int]:
        """Have all of it on the disk; returns the checksums."""
        for start in range(0, len(content), chunk_size):
            self.file.chunks[start] = content[start : start + chunk_size]
        return {start // chunk_size: checksum(chunk) for start, chunk in self.file.chunks.items()}

    def _in_use(self, name: ChunkName) -> bool:
        return self.generation.uses(name[1])

    def _evict(self, name: ChunkName) -> Deferred[None]:
        return self.generation.contents.evict(name[1])

    def _moves(self) -> list[Callable[[], None]]:
        moves: list[Callable[[], None]] = [client.step for client in self.clients if client.ready]
        moves += [partial(body.step, self.chance) for body in self.origin.bodies if body.ready]
        moves += [partial(self.origin.respond, question, self.chance) for question in self.origin.questions]
        moves += [partial(self.file.step, work) for work in self.file.under_way]
        return moves

    def run(self) -> None:
        """Until every client has gone."""
        for _ in range(MAX_STEPS):
            if all(client.gone for client in self.clients):
                return
            assert all(client.failures < MAX_FAILURES for client in self.clients), "it never ends"
            moves = self._moves()
            if moves:
                self.chance.choice(moves)()
                continue
            calls = self.clock.getDelayedCalls()
            assert calls, "everybody waits for somebody else"
            self.clock.advance(min(call.getTime() for call in calls) - self.clock.seconds())
        raise AssertionError("it never ends")

    def settle(self) -> None:
        """Let what was begun come to its end, and the time pass after which nobody is expected back."""
        for _ in range(MAX_STEPS):
            moves = self._moves()
            if not moves:
                break
            self.chance.choice(moves)()
        self.clock.advance(LINGER + 1)
        for work in list(self.file.under_way):
            self.file.step(work)

    def check_delivered(self) -> None:
        """Every client got exactly the object's bytes, as far as it stayed."""
        for client in self.clients:
            wish = client.wish
            stop = min(wish.stop, max(wish.start, wish.start + len(client.received)))
            assert client.received == self.origin.content[wish.start : stop]
            assert len(client.received) >= min(wish.leaves_at, wish.stop) - wish.start

    def check_quiet(self) -> None:
        """Nothing goes on, nothing is counted that is not there, and what is recorded is right."""
        generation = self.generation
        assert list(generation.readers) == []
        assert generation.runs == []
        assert not generation.busy
        assert (self.accounts.running_fills, self.accounts.waiters) == (0, 0)
        assert self.clock.getDelayedCalls() == []
        assert self.idle == [generation]
        assert self.unusable == []
        assert [body for body in self.origin.bodies if not body.over] == []
        assert self.origin.questions == []
        present = generation.contents.present
        assert {index: sum for (_, index), sum in self.metadata.chunks.items()} == present
        size = generation.chunking.size
        assert {start // size for start in self.file.chunks} >= set(present)
        for start, chunk in self.file.chunks.items():
            assert chunk == self.origin.content[start : start + size]
        assert self.space.used == sum(len(self.file.chunks[index * size]) for index in present)
