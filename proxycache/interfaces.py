"""What the layers ask of each other."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from enum import IntEnum

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.web.iweb import IBodyProducer
from zope.interface import Attribute, Interface

from proxycache.policy.byterange import RangeSpec
from proxycache.policy.entry import Representation, StoredRepresentation
from proxycache.policy.fields import Fields
from proxycache.policy.origins import OriginPolicy
from proxycache.policy.retrying import MAX_ATTEMPTS


class Priority(IntEnum):
    """Order in which requests to an origin get a connection; the lowest number first."""

    CRITICAL = 0
    """A client waits for this byte."""
    HIGH = 1
    """Read-ahead of a playing client; retries."""
    MEDIUM = 2
    """Asked for by warming."""
    LOW = 3
    """Completing what was begun."""


class IRequestBody(IBodyProducer):
    """The body of a request, on its way from a client."""

    complete = Attribute("whether all of it has arrived")


@frozen
class OriginRequest:
    """A request to an origin.

    @ivar url: absolute URL, sent byte for byte.
    @ivar resolved: where its redirects led a moment ago: that is asked, and C{url} where that is good no longer.
    @ivar fields: request fields beside those the origin's configuration adds.
    @ivar asked: the range that C{fields} asks for, None for the whole.
    @ivar attempts: how often to try while there is no answer, at most L{MAX_ATTEMPTS}.
    @ivar patient: whether an answer that is a failure is worth as many attempts.
    @ivar dispensable: what is stored stands in for a failure: it need not go where one is to be expected.
    @ivar exact: it goes out as its client made it, for it may be signed; no other is to be made on his behalf, unless
        what he was promised breaks off.
    @ivar joins: its answer goes beside bytes that are here, so that no redirect can go to the client.
    @ivar begun: the client has begun to receive: it is worth every attempt, also where others failed a moment ago.
    @ivar body: the request's own body; it can be sent once, so there is one attempt.
    @ivar client: address of the client on whose behalf it is; None: on nobody's in particular.
    @ivar interim: called with status and fields of every interim response (RFC 9110, section 15.2).
    """

    origin: OriginPolicy
    url: bytes
    method: str
    fields: Fields
    resolved: bytes | None = None
    asked: RangeSpec | None = None
    attempts: int = MAX_ATTEMPTS
    patient: bool = True
    dispensable: bool = False
    exact: bool = False
    joins: bool = False
    begun: bool = False
    body: IRequestBody | None = None
    client: str | None = None
    interim: Callable[[int, Fields], None] | None = None


class IBodyReceiver(Interface):
    """Takes the body of an origin's response."""

    def received(data: bytes) -> None:
        """The next bytes. May call the response's C{pause} or C{abort}."""

    def ended(error: Exception | None) -> None:
        """No more bytes: None where the framing says that the body is complete.

        Called once, and not after C{abort}.
        """


class IOriginResponse(Interface):
    """A final response whose body has not been read yet. It holds a connection until its body ends or C{abort}."""

    url = Attribute("where it came from, redirects followed")
    status = Attribute("the status code")
    fields = Attribute("the fields as they came, nothing decoded; references in them are absolute")
    body_length = Attribute("declared length of the body, None where unknown")
    request_time = Attribute("seconds since the epoch")
    response_time = Attribute("seconds since the epoch")
    fresh_for = Attribute("seconds from then for which the redirects that led to it are fresh; None without any")

    def deliver(receiver: IBodyReceiver) -> None:
        """Begin to deliver the body."""

    def pause() -> None:
        """Stop reading from the connection. The idle deadline stops with it."""

    def resume() -> None:
        """Read on."""

    def abort() -> None:
        """Drop the body and the connection. Idempotent; C{ended} is not called."""

    def reprioritise(priority: Priority) -> None:
        """Change how easily a more urgent request may take this connection."""

    def stall(stalled: bool) -> None:
        """The client takes nothing for now, and could not be given the rest by another response; or it takes again.

        Where many do, and somebody waits for a connection, whoever has taken nothing for longest loses his.
        """


class IOrigin(Interface):
    """Requests to origins."""

    def fetch(request: OriginRequest, priority: Priority) -> Deferred[IOriginResponse]:
        """Send a request and wait for the head of its final response; redirects that are ours to follow are followed.

        Cancelling gives up the connection, or the place in the queue.

        @return: fires with the response; fails with an L{OriginError}.
        """

    def urge(pending: Deferred[IOriginResponse], priority: Priority) -> None:
        """Change how urgent a fetch is that was not answered yet: its place in the queue, or how easily it may be taken
        its connection.
        """

    def withdraw(pending: Deferred[IOriginResponse]) -> bool:
        """Cancel a fetch that has no connection at present, be it queued or between two attempts.

        @return: whether it had none. One that has goes on.
        """


@frozen
class ChunkSpan:
    """Where a recorded chunk lies, and what its bytes must hash to.

    @ivar start: its first byte.
    @ivar stop: one past its last byte.
    @ivar checksum: xxh3_64 of all of it, unsigned.
    """

    chunk: int
    start: int
    stop: int
    checksum: int


class ICacheFile(Interface):
    """One generation's bytes: a sparse file."""

    def read(span: ChunkSpan, start: int, stop: int, by: Hashable = None) -> bytes | Deferred[bytes]:
        """Bytes C{[start, stop)}, within one chunk, vouched for by its checksum.

        At once where the pages are in memory, else through the disk's thread pool.

        @param by: who reads. What was verified for him a moment ago need not be read again for his next piece.
        @raise CacheReadFailed: in either form: missing, short, damaged or unreadable.
        """

    def write(start: int, data: bytes | bytearray, length: int | None) -> Deferred[int]:
        """Write a complete chunk whose first byte is C{start}; fires with its checksum.

        The file is made C{length} bytes long, where that is known. Fails with L{CacheWriteFailed}.
        """

    def punch(start: int, stop: int) -> Deferred[None]:
        """Give the space of C{[start, stop)} back. Never fails; fires when it was tried."""

    def close() -> None:
        """Close the descriptor; the next read or write opens it again."""

    def unlink() -> Deferred[None]:
        """Remove the file. Descriptors that are open keep the bytes. Never fails."""


@frozen
class StoredFile:
    """A generation's file as it lies on the disk.

    @ivar size: one past its last byte.
    @ivar allocated: bytes that it takes up; less than C{size} where it has holes.
    """

    id: str
    size: int
    allocated: int


@frozen
class FileSystemSpace:
    """Bytes.

    @ivar total: of the file system.
    @ivar free: of it, free to us.
    @ivar beside: what we take up beside cache files and records: folders, the database's log.
    """

    total: int
    free: int
    beside: int = 0


class ICacheFiles(Interface):
    """The directory of cache files."""

    block_size = Attribute("bytes that a file takes at least, and in multiples of which it grows")
    punches = Attribute("whether a part of a file can be given back; else files go as a whole")

    def open(id: str) -> ICacheFile:
        """The file of a generation, the same one for all who hold it; it need not exist yet."""

    def usable() -> Deferred[str | None]:
        """Whether files can be written: None, or the reason why not."""

    def space() -> Deferred[FileSystemSpace]:
        """Look at the file system."""

    def list_files() -> Deferred[list[StoredFile]]:
        """The generations that have a file."""


@frozen
class StoredEntry:
    """What is recorded of one entry, as the order of eviction wants it.

    @ivar room: bytes that its own record counts for.
    @ivar count: of its chunks.
    @ivar size: bytes that all of it counts for: record, chunks in whole blocks, and their records.
    @ivar packed: index and size of each chunk, as C{index:size}, with commas between.
    """

    id: str
    chunk_size: int
    room: int
    count: int
    size: int
    packed: str | None

    def chunks(self) -> dict[int, int]:
        """Bytes of each chunk, by index, in order."""
        pairs = (pair.split(":") for pair in self.packed.split(",")) if self.packed else ()
        return dict(sorted((int(index), int(size)) for index, size in pairs))


class IMetadataStore(Interface):
    """The facts, across restarts."""

    def load(key: bytes) -> Deferred[Sequence[StoredRepresentation]]:
        """All variants stored under C{key}; fails with L{MetadataUnavailable}."""

    def save(representation: Representation) -> None:
        """Record or renew a generation, in place of another one of its key and variant. Batched; never fails."""

    def record_chunk(id: str, chunk: int, checksum: int, size: int) -> None:
        """Record a complete chunk. Batched; never fails."""

    def forget_chunks(id: str, chunks: Sequence[int]) -> None:
        """Forget chunks. Batched; never fails."""

    def remove_key(key: bytes) -> None:
        """Forget all that is recorded under a key by now. Batched; never fails."""

    def remove(id: str) -> None:
        """Forget a generation and its chunks. Batched; never fails."""

    def used(id: str, when: float) -> None:
        """A generation was read, at C{when} seconds since the epoch. Batched; never fails."""

    def room(representation: Representation) -> int:
        """Bytes that its record counts for: about as many as the database needs at most."""

    def stock(block: int) -> Deferred[list[StoredEntry]]:
        """Every recorded generation, the least recently used first; fails with L{MetadataUnavailable}.

        @param block: bytes that a file takes at least, and in multiples of which it grows.
        """

    def useless(now: float, block: int) -> Deferred[list[StoredEntry]]:
        """Some of those that are good for nothing at C{now}; as L{stock}."""

    def known_ids() -> Deferred[set[str]]:
        """The id of every recorded generation; fails with L{MetadataUnavailable}."""

    def sync() -> Deferred[None]:
        """Fires once what was recorded by now was written, or could not be in a second; never fails."""

    def state() -> str | None:
        """None where the database answers and takes records, else the reason why not."""

    def is_unwritten(id: str) -> bool:
        """Whether the database has not yet learned of a generation what L{save} was told last."""


class IDiskReactor(IReactorTime, IReactorFromThreads):
    """What work in the disk's threads needs of the reactor."""
