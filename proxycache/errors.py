"""Typed errors of the data path. What each becomes in HTTP is decided in one place, L{proxycache.web.answers}."""

from __future__ import annotations

from typing import ClassVar


class ProxycacheError(Exception):
    """Base of everything this package raises on purpose."""


class ConfigurationError(ProxycacheError):
    """A configuration that cannot be used: one line that names file, key and expectation."""


class UnusablePlace(ProxycacheError):
    """Cache files or database cannot be where the configuration wants them: one line that names key and reason."""


class PlaceInUse(ProxycacheError):
    """Cache files or database belong to another process that runs: one line."""


class MalformedField(ProxycacheError):
    """A header field whose value does not follow its grammar."""


class UnsatisfiableRange(ProxycacheError):
    """No range of the request overlaps the representation (RFC 9110, section 14.1.2)."""


class BadTarget(ProxycacheError):
    """A request target that cannot be mapped onto an origin without leaving its prefix."""


class MisdirectedTarget(ProxycacheError):
    """A request target in absolute form whose host is none of ours: somebody takes us for a proxy."""


class NoSuchOrigin(ProxycacheError):
    """No configured origin has a prefix of the request's path."""


class MetadataUnavailable(ProxycacheError):
    """The database did not answer. C{cause} is the token that Cache-Status shows.

    @ivar cause: for example C{database-unavailable}.
    """

    def __init__(self, cause: str, reason: str) -> None:
        super().__init__(reason)
        self.cause = cause


class UnknownSchema(ProxycacheError):
    """The database was written by a version that this one does not know."""


class CacheReadFailed(ProxycacheError):
    """Bytes that the database vouches for cannot be had from the cache file.

    @ivar chunk: index of the chunk that has to be fetched again.
    @ivar lost_from: where the file is missing or cut short, the first byte that is gone with all after it.
    @ivar transient: it says nothing of the bytes: no descriptor was free, or the disk is slow.
    """

    def __init__(self, chunk: int, reason: str, lost_from: int | None = None, transient: bool = False) -> None:
        super().__init__(f"chunk {chunk}: {reason}")
        self.chunk = chunk
        self.lost_from = lost_from
        self.transient = transient


class DamagedChunk(CacheReadFailed):
    """The bytes are there and are not those that were recorded: short, or of another checksum."""


class CacheWriteFailed(ProxycacheError):
    """Bytes could not be written; they exist in memory only.

    @ivar full: whether it was for want of space.
    @ivar files: whether there was no file to write to, rather than no room in it.
    """

    def __init__(self, reason: str, full: bool = False, files: bool = False) -> None:
        super().__init__(reason)
        self.full = full
        self.files = files


class OriginError(ProxycacheError):
    """The origin did not give what was asked.

    @cvar kind: one word for metrics.
    @ivar retry_after: seconds after which another try makes sense, where the origin said so.
    """

    kind: ClassVar[str] = "failed"
    retry_after: float | None = None


class OriginUnreachable(OriginError):
    """No connection, or one that ended before a complete header section.

    @ivar kept: it was a connection kept from an earlier request, on which no byte came: it may have been closed
        meanwhile.
    """

    kind = "unreachable"

    def __init__(self, reason: str, kept: bool = False) -> None:
        super().__init__(reason)
        self.kept = kept


class OriginTimeout(OriginError):
    """No progress within the deadline: connecting, first byte, or between two bytes."""

    kind = "timeout"


class OriginSilent(OriginTimeout):
    """No connection, or no answer on one, within the deadline: it is not asked again for a client that has nothing yet.

    @ivar kept: see L{OriginUnreachable}: such a connection may lead nowhere any more.
    """

    def __init__(self, reason: str, kept: bool = False) -> None:
        super().__init__(reason)
        self.kept = kept


class OriginStatus(OriginError):
    """The origin answered with a status that carries no bytes of the object.

    @ivar status: the status code, 100 to 599.
    @ivar refused: whether it wants to be left alone: who has nothing yet is told at once.
    """

    def __init__(self, status: int, retry_after: float | None = None, refused: bool = False) -> None:
        super().__init__(f"origin answered {status}")
        self.status = status
        self.retry_after = retry_after
        self.refused = refused


class PersonalAnswer(OriginError):
    """Bytes of the right version, in an answer that may not be kept: what others read may not come from it."""


class MalformedAnswer(OriginError):
    """An answer that is no HTTP, or larger before its body than any may be: not worth asking for again."""

    kind = "malformed"


class InvalidAnswer(OriginError):
    """An answer that contradicts the request or itself; none of its bytes may be used."""


class BodyBroken(OriginError):
    """The body ended before its declared end, or the connection failed in the middle of it."""


class UnframedEnd(BodyBroken):
    """The body ended with the connection, which alone delimited it: nothing tells whether it is complete."""


class UploadBroken(OriginError):
    """The body of a request did not come to its end: its client left, or sent it too slowly."""


class OriginBusy(OriginError):
    """No connection to the origin became free in time."""


class FillPreempted(OriginError):
    """A more urgent request took the connection."""


class ObjectChanged(ProxycacheError):
    """The origin no longer serves the version that this response began with."""
