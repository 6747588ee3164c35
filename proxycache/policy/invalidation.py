"""What a request makes out of date (RFC 9111, section 4.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlsplit

from proxycache.errors import BadTarget, NoSuchOrigin

from .fields import Fields
from .origins import ObjectTarget, OriginPolicy, resolve_target, same_host
from .redirects import at_address, resolve_reference
from .targets import Authority, authority_of

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH"})
"""Methods that change nothing (RFC 9110, section 9.2.1, and the registry of methods)."""


def invalidated_targets(
    method: str,
    target: ObjectTarget,
    status: int,
    response: Fields,
    origins: Sequence[OriginPolicy],
    ours: Callable[[Authority], bool],
) -> list[ObjectTarget]:
    """The targets whose stored responses may not be reused without asking the origin.

    That of the request, and those that Location and Content-Location name, where they are of the same origin, after a
    request that was not safe and did not fail. A method whose safety is not known is taken for an unsafe one.

    @param ours: whether clients know us by an authority: the origin may know that name, and name things as they do.
    """
    if method in SAFE_METHODS or not 200 <= status < 400:
        return []
    found = [target]
    for name in (b"location", b"content-location"):
        for value in response.all(name):
            for named in _named(value, target, origins, ours):
                if named.key not in {other.key for other in found}:
                    found.append(named)
    return found


def _named(
    reference: bytes, target: ObjectTarget, origins: Sequence[OriginPolicy], ours: Callable[[Authority], bool]
) -> Iterator[ObjectTarget]:
    """The targets of the same origin that a reference names, there or here."""
    url = resolve_reference(reference, target.source_url).partition(b"#")[0]
    try:
        url = at_address(url, target.origin)
        parts = urlsplit(url)
        path = url[len(parts.scheme) + len("://") + len(parts.netloc) :]
        beneath = urlsplit(target.origin.url).path
        # Scheme and host compare without case, and a port may be left out (RFC 9110, section 4.2.3).
        if same_host(url, target.source_url) and path.startswith(beneath):
            yield from _resolved(target.origin.prefix + path.removeprefix(beneath), target, [target.origin])
        elif ours(authority_of(url.decode("ascii"))):
            yield from _resolved(path, target, origins)
    except (ValueError, KeyError):
        return


def _resolved(path: bytes, target: ObjectTarget, origins: Sequence[OriginPolicy]) -> Iterator[ObjectTarget]:
    try:
        resolved = resolve_target(path, origins)
    except (BadTarget, NoSuchOrigin):
        return
    if resolved.origin is target.origin:
        yield resolved
