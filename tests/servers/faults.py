"""What a broken origin does in place of the right answer."""

from dataclasses import dataclass
from typing import Literal

from tests.servers.pattern import Body

Framing = Literal["length", "close", "chunked", "chunked-truncated", "chunked-bad"]


@dataclass(frozen=True)
class Change:
    """The object is replaced by another version."""

    after: int
    """Body bytes of this answer to send before; the answer ends there."""
    body: bytes | Body
    etag: str | None


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One departure from the right answer, or several at once: `Fault(delay=0.2, cut_after=1000)`.

    Counts of bytes are counts of body bytes of this answer, whatever its range.
    """

    # Before the answer.
    refuse: bool = False
    """Close the connection without an answer; with `reset`, by RST."""
    delay: float = 0.0
    """Seconds before the first byte of the answer."""
    interim: tuple[int, ...] = ()
    """Interim answers to send first, such as (100,) or (103,)."""
    raw: bytes | None = None
    """Send exactly this and close."""

    # The head.
    status: int | None = None
    """This status. The planned body goes with a 2xx, no body with any other, unless `body` is given."""
    headers: tuple[tuple[str, str], ...] = ()
    """Fields to add, in place of those of the same name."""
    without: tuple[str, ...] = ()
    """Names of fields to leave out."""
    redirect: str | None = None
    """The Location of a redirect, 302 unless `status` says otherwise."""
    content_encoding: str | None = None
    """A Content-Encoding that the body does not have."""
    ignore_range: bool = False
    """The whole object as 200, as if there were neither Range nor If-Range."""
    content_range: str | None = None
    """This Content-Range, true or not. A lie, unless `body_range` says so too."""
    tags_of_parts: bool = False
    """An entity tag of its own for each range, as if made out of the bytes of the answer; If-Range is not heeded."""

    # The body.
    body: bytes | None = None
    """This body, with its own length."""
    body_range: tuple[int, int] | None = None
    """Send this half-open part of the object, whatever was asked; Content-Length tells its size."""
    framing: Framing = "length"
    """How the end is told. "chunked-truncated" ends without the last chunk, "chunked-bad" in a chunk size
    that is no number."""
    extra: bytes = b""
    """Bytes after the end of the body, on the same connection, which then stays open for more requests."""
    cut_after: int | None = None
    """End the connection after this many bytes: by FIN, so that it is a short body with a clean close, ..."""
    reset: bool = False
    """... or by RST, once the peer's kernel has everything that was sent before."""
    stall_after: int | None = None
    """Send nothing more after this many bytes, until `Origin.release` is set or the peer hangs up."""
    change_after: Change | None = None
    """Replace the object in the middle of the answer."""
