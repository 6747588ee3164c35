"""A request of a client: its head, its body as it comes, and what goes to the client before the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.python.failure import Failure
from twisted.web.http import RESPONSES
from twisted.web.server import Request

from proxycache.policy.fields import Fields

from .requestbody import RequestBody

if TYPE_CHECKING:
    from .channel import StrictChannel

MAX_BODY = 64 * 1024
"""Bytes of the body of a GET, HEAD or OPTIONS that are read before it is handled; a longer one is refused."""


class _Content:
    """A request's body that is read before the request is handled.

    @param kept: whether anybody wants it.
    """

    def __init__(self, kept: bool) -> None:
        self.size = 0
        self.data = bytearray()
        self._kept = kept

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if self._kept:
            self.data += data

    def seek(self, offset: int, whence: int = 0) -> None:
        """Twisted rewinds the body before it hands it over."""

    def tell(self) -> int:
        return self.size

    def read(self, count: int = -1) -> bytes:
        return b""

    def close(self) -> None:
        """Nothing is held."""


class StrictRequest(Request):
    """A request whose body is streamed, or dropped as it comes.

    @ivar body: where it is streamed.
    @ivar begun: whether it is handled while its body is still to come.
    @ivar lines: the header section of the answer, less what is about the framing.
    """

    channel: StrictChannel
    content: _Content
    sitepath: list[bytes]
    body: RequestBody | None = None
    begun = False
    lines: Fields | None = None

    def fields(self) -> Fields:
        """Its header lines, as far as they have come."""
        raw = self.requestHeaders.getAllRawHeaders()
        return Fields((name, value) for name, values in raw for value in values)

    def examine(self) -> None:
        """Its head is complete and well-formed. Who does not want it calls C{channel.refuse}; no body is read then."""

    def gotLength(self, length: int | None) -> None:
        """That of a GET or HEAD is read away up to L{MAX_BODY}: Twisted would keep it. That of OPTIONS is kept."""
        self.content = _Content(kept=self.channel._command == b"OPTIONS")
        if length == 0:
            return
        if self.channel._command not in (b"GET", b"HEAD", b"OPTIONS"):
            self.body = RequestBody(length, self.channel.hold, self.channel.release)
        elif length is not None and length > MAX_BODY:
            self.channel.refuse(413, b"a body is not accepted here")

    @property
    def holds(self) -> bool:
        """Whether nothing of its body is to be read for now."""
        return self.body is not None and self.body.held

    def begin(self, method: bytes, target: bytes, version: bytes) -> None:
        """Handle it while its body is still to come."""
        self.method, self.uri, self.clientproto = method, target, version
        self.path = target.partition(b"?")[0]
        self.args = {}
        self.begun = True
        self.process()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """All of it is here."""
        if self.body is not None:
            self.body.ended()
            return
        if self.content.data:
            self.body = RequestBody.of(bytes(self.content.data))
        Request.requestReceived(self, command, path, version)

    def connectionLost(self, reason: Failure) -> None:
        """The client is gone."""
        Request.connectionLost(self, reason)
        if self.body is not None:
            self.body.lost(reason)

    def write_interim(self, status: int, fields: Fields) -> None:
        """Pass an interim response on (RFC 9110, section 15.2); 100 only to a client that waits for it."""
        expects = b"100-continue" in {value.lower() for value in self.requestHeaders.getRawHeaders(b"expect", [])}
        late = self.startedWriting or self._disconnected or self.finished or self.clientproto != b"HTTP/1.1"
        if late or (status == 100 and not expects):
            return
        self.channel.write_interim(status, RESPONSES.get(status, b"Interim"), fields)

    def handleContentChunk(self, data: bytes) -> None:
        """The same for a body without a declared length."""
        if self.body is not None:
            self.body.arrived(data)
            return
        Request.handleContentChunk(self, data)
        if self.content.size > MAX_BODY:
            self.channel.refuse(413, b"a body is not accepted here")

    def _handleStar(self) -> None:
        """C{OPTIONS *} is answered where all others are."""
        assert self.site is not None
        self.render(self.site.getResourceFor(self))

    @property
    def body_size(self) -> int:
        """Bytes of body that came and were dropped."""
        return self.content.size

    def getRequestHostname(self) -> bytes:
        """Klein builds its routing from the name and fails on odd ones; there is one route, for every name."""
        return b"proxycache"
