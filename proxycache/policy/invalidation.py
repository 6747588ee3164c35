"""What a request makes out of date (RFC 9111, section 4.4)."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from proxycache.errors import BadTarget, NoSuchOrigin

from .fields import Fields
from .origins import ObjectTarget, resolve_target, same_host

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH"})
"""Methods that change nothing (RFC 9110, section 9.2.1, and the registry of methods)."""


def invalidated_targets(method: str, target: ObjectTarget, status: int, response: Fields) -> list[ObjectTarget]:
    """The targets whose stored responses may not be reused without asking the origin.

    That of the request, and those that Location and Content-Location name, where they are of the same origin, after a
    request that was not safe and did not fail. A method whose safety is not known is taken for an unsafe one.
    """
    if method in SAFE_METHODS or not 200 <= status < 400:
        return []
    found = [target]
    for name in (b"location", b"content-location"):
        for value in response.all(name):
            named = _named(value, target)
            if named is not None and named.key not in {other.key for other in found}:
                found.append(named)
    return found


def _named(reference: bytes, target: ObjectTarget) -> ObjectTarget | None:
    """The target that a reference in a response names, resolved against the source URL."""
    try:
        url = urljoin(target.source_url.decode("ascii"), reference.decode("ascii")).partition("#")[0].encode("ascii")
        if not same_host(url, target.source_url):
            return None
        # Scheme and host compare without case, and a port may be left out (RFC 9110, section 4.2.3).
        theirs, own = (b"://".join(urlsplit(each)[:2]) for each in (url, target.source_url))
        url = own + url[len(theirs) :]
        if url.startswith(target.origin.url):
            prefix = target.origin.prefix
            return resolve_target(prefix + url.removeprefix(target.origin.url), [target.origin])
    except (ValueError, BadTarget, NoSuchOrigin):
        pass
    return None
