"""What the clients speak to, and the content behind it."""

from dataclasses import dataclass
from pathlib import Path

from tests.servers.origin import Body, Fault, Origin
from tests.servers.proxycache import Proxycache

PARTIAL = "partial/"
"""The prefix of the configured origin that is `always_partial`; its objects are the same."""


@dataclass(frozen=True)
class Front:
    """proxycache before an origin, or the origin alone."""

    origin: Origin
    proxy: Proxycache | None

    @property
    def url(self) -> str:
        """Where the clients go."""
        return self.origin.url if self.proxy is None else self.proxy.url

    def put(self, path: str, body: bytes | Body, *, content_type: str = "application/octet-stream") -> str:
        """Register an object at the origin; its URL for clients."""
        self.origin.put(path, body, content_type=content_type)
        return self.url + path

    def put_partial(self, path: str, body: bytes) -> str:
        """The same, but every GET is answered with 206."""
        if self.proxy is not None:
            self.origin.put(path, body)
            return self.url + PARTIAL + path
        self.origin.put(PARTIAL + path, body)
        whole = f"bytes 0-{len(body) - 1}/{len(body)}"
        partial = Fault(status=206, content_range=whole)
        self.origin.fault(PARTIAL + path, partial, None, when=lambda served: served.range is None)
        return self.url + PARTIAL + path

    def assert_sent_once(self, path: str, length: int, cut_off: int = 0) -> None:
        """Fail if the origin sent more, or less, than each byte once. Without a proxy nothing is asked.

        C{cut_off}: bytes that may be in the sockets' buffers when an answer is cut off.
        """
        if self.proxy is not None:
            sent = self.origin.body_bytes(path)
            asked = [(served.range, served.status, served.sent) for served in self.origin.requests(path)]
            assert length <= sent <= length + cut_off, f"the origin sent {sent} bytes of {length}: {asked}"


@dataclass(frozen=True)
class Film:
    """A film on disk."""

    file: Path
    content_type: str
    seconds: float

    @property
    def name(self) -> str:
        """The file's name."""
        return self.file.name

    @property
    def content(self) -> bytes:
        """The file's bytes."""
        return self.file.read_bytes()
