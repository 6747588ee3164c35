"""The origin: an nginx that serves files, and says of each location something else about freshness and validators."""

from dataclasses import dataclass
from pathlib import Path

from tests.servers.nginx import DOCUMENTED_LISTEN

HIT = "hit"
VALIDATED = "fwd-status=304"
NOT_STORED = "detail=no-store"


@dataclass(frozen=True)
class Location:
    """A path's first segment, and the directives that hold below it."""

    name: str
    directives: str
    cache_status: str
    """What the second of two plain requests for all of it has in Cache-Status."""
    etag: bool = True

    @property
    def unasked(self) -> bool:
        """Whether a stored response may be used without asking, so that a new version is seen only on request."""
        return self.cache_status == HIT

    def block(self) -> str:
        """Its block of the configuration."""
        return f"location /{self.name}/ {{ {self.directives} }}"


LOCATIONS = (
    Location("fresh", 'add_header Cache-Control "max-age=3600";', HIT),
    Location("expires", "expires 1h;", HIT),
    Location("silent", "", HIT),
    Location("dated", 'etag off; add_header Cache-Control "max-age=3600";', HIT, etag=False),
    Location("stale", 'add_header Cache-Control "max-age=0";', VALIDATED),
    Location("expired", "expires epoch;", VALIDATED),
    Location("dated-stale", 'etag off; add_header Cache-Control "max-age=0";', VALIDATED, etag=False),
    Location("unstored", 'add_header Cache-Control "no-store";', NOT_STORED),
)

CONTENT_TYPES = {"mp4": "video/mp4", "txt": "text/plain", "bin": "application/octet-stream"}
"""Media types by a file's suffix."""


def server_block(root: Path) -> str:
    """The server block of an origin for files below a directory.

    nginx's own preference is to compare If-Modified-Since for equality; section 13.1.3 asks for order.
    """
    types = " ".join(f"{media_type} {suffix};" for suffix, media_type in CONTENT_TYPES.items())
    lines = [
        "server {",
        DOCUMENTED_LISTEN,
        f"root {root};",
        f"types {{ {types} }}",
        "if_modified_since before;",
        *(location.block() for location in LOCATIONS),
        "}",
    ]
    return "\n".join(lines) + "\n"
