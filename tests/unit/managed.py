"""A chunk manager with all that is around it in a test's hand."""

from __future__ import annotations

from random import Random

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from proxycache.accounts import Accounts
from proxycache.fill.chunkmanager import ChunkManager
from proxycache.fill.generation import Generation
from proxycache.fill.question import Answer, Obtained, Question
from proxycache.fill.reader import Reader
from proxycache.fill.surroundings import Surroundings
from proxycache.interfaces import OriginRequest
from proxycache.policy.fields import Fields, Line
from proxycache.policy.origins import ObjectTarget
from proxycache.store.space import Space, SpaceLimits

from .filesystem import FileSystem
from .memorystore import MemoryStore
from .scriptedorigin import NOW, POLICY, ScriptedOrigin, ScriptedResponse
from .simulateddisk import SimulatedFile

LINGER = 10.0


class Folder(FileSystem):
    """Cache files in memory."""

    def __init__(self) -> None:
        super().__init__(1 << 50, 1 << 50)
        self.opened: dict[str, SimulatedFile] = {}

    def open(self, id: str) -> SimulatedFile:
        return self.opened.setdefault(id, SimulatedFile(Random(0)))


class Managed:
    """The manager, and whom it asks.

    @ivar response: the origin's last answer.
    @ivar readers: of what was asked for not by HEAD.
    """

    response: ScriptedResponse

    def __init__(self, max_size: int = 1 << 40, chunk_size: int = 1 << 20) -> None:
        self.clock = Clock()
        self.accounts = Accounts()
        self.origin = ScriptedOrigin()
        self.metadata = MemoryStore()
        self.files = Folder()
        self.space = Space(
            self.clock,
            self.files,
            SpaceLimits(max_size),
            self.accounts,
            lambda name: self.manager.in_use(name),
            lambda name: self.manager.evict(name),
        )
        self.space.begin()
        self.readers: list[Reader] = []
        self.manager = ChunkManager(self._around, self.files, chunk_size, lambda: NOW + self.clock.seconds())

    def _around(self, manager: ChunkManager) -> Surroundings:
        return Surroundings(
            clock=self.clock,
            origin=self.origin,
            metadata=self.metadata,
            space=self.space,
            accounts=self.accounts,
            linger=LINGER,
            unusable=manager.unusable,
            idle=manager.idle,
            since_boot=self.clock.seconds,
        )

    def target(self, name: str) -> ObjectTarget:
        """An object."""
        url = POLICY.url + name.encode()
        return ObjectTarget(POLICY, b"films:" + url, url)

    def request(self, name: str, *lines: Line) -> OriginRequest:
        """A client's request for it."""
        return OriginRequest(POLICY, self.target(name).source_url, "GET", Fields(lines))

    def ask(
        self, name: str, *lines: Line, head: bool = False, stale: Generation | None = None, length: int | None = None
    ) -> list[Answer]:
        """Begin to ask the origin for an object, to read its first bytes; the answer, once it is there."""
        heard: list[Answer] = []
        target, request = self.target(name), self.request(name, *lines)

        def answered(answer: Answer) -> None:
            heard.append(answer)
            if length and isinstance(answer, Obtained):
                self.readers.append(answer.generation.open_reader(0, length, request))

        self.manager.obtain(Question(target, request, None, stale, head)).addCallback(answered)
        return heard

    def obtain(
        self,
        name: str,
        *lines: Line,
        head: bool = False,
        length: int = 100,
        vary: bytes | None = None,
        etag: bytes = b'"v1"',
        fields: tuple[Line, ...] = (),
    ) -> Generation:
        """Ask the origin, which answers, and sends no body yet; unless by HEAD, somebody begins to read it."""
        heard = self.ask(name, *lines, head=head, length=None if head else length)
        about = list(fields or ((b"ETag", etag), (b"Cache-Control", b"max-age=60")))
        about.append((b"Content-Length", b"%d" % length))
        if vary is not None:
            about.append((b"Vary", vary))
        self.response = self.origin.last.respond(200, *about, body_length=length)
        (answer,) = heard
        assert isinstance(answer, Obtained)
        return answer.generation

    def lookup(self, name: str, *lines: Line) -> Generation | None:
        """What a client would be answered with."""
        found: Deferred[Generation | None] = self.manager.lookup(self.target(name), Fields(lines))
        heard: list[Generation | None] = []
        found.addCallback(heard.append)
        return heard[0]
