"""Where a redirect leads, who goes there, we or the client, and under which path of ours the client finds it.

References are resolved byte for byte (RFC 3986, section 5): what an origin signed must come back as it was. Python's
C{urljoin} drops empty path segments and a bare C{?}.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from proxycache.errors import BadTarget, NoSuchOrigin

from .fields import Fields
from .origins import ObjectTarget, OriginPolicy, resolve_target, same_host
from .targets import URI_BYTES

MAX_REDIRECTS = 5

REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})

REFERENCES = frozenset({b"location", b"content-location"})
"""Fields whose value is one URI reference (RFC 9110, sections 8.7 and 10.2.2)."""

_UNENCODED = re.compile(rb"[ \x80-\xff]")

_PARTS = re.compile(rb"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(\?[^#]*)?(#.*)?")
"""Scheme, authority, path, query with its mark, fragment with its mark (RFC 3986, appendix B)."""


def _parts(uri: bytes) -> tuple[bytes | None, bytes | None, bytes, bytes | None, bytes | None]:
    match = _PARTS.fullmatch(uri)
    assert match is not None, "any line matches"
    scheme, authority, path, query, fragment = match.groups()
    return scheme, authority, path, query, fragment


def _without_dots(path: bytes) -> bytes:
    """RFC 3986, section 5.2.4, of a path that begins with a slash."""
    kept: list[bytes] = []
    segments = path.split(b"/")[1:]
    for segment in segments:
        if segment == b"..":
            del kept[-1:]
        elif segment != b".":
            kept.append(segment)
    if segments[-1] in (b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept)


def resolve_reference(reference: bytes, base: bytes) -> bytes:
    """The URI that C{reference} means in an answer of C{base} (RFC 3986, section 5.2.2), with its fragment.

    @return: C{reference} itself where that is no relative one.
    """
    scheme, authority, path, query, fragment = _parts(reference)
    if scheme is not None:
        return reference
    base_scheme, base_authority, base_path, base_query, _ = _parts(base)
    if authority is None:
        authority = base_authority
        if not path:
            path = base_path
            query = base_query if query is None else query
        elif not path.startswith(b"/"):
            path = base_path[: base_path.rfind(b"/") + 1] + path
    path = _without_dots(path if path.startswith(b"/") else b"/" + path)
    return b"%s://%s%s%s%s" % (base_scheme, authority, path, query or b"", fragment or b"")


def _percent_encoded(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % ord(found[0])


def _encoded(reference: bytes) -> bytes | None:
    """With what clients encode by themselves, spaces and bytes beyond ASCII; None where it is no reference even so."""
    encoded = _UNENCODED.sub(_percent_encoded, reference)
    return encoded if URI_BYTES.match(encoded) else None


def with_absolute_references(fields: Fields, url: bytes) -> Fields:
    """The fields of an answer of C{url}, their relative references resolved against it."""
    if not any(name.lower() in REFERENCES for name, _ in fields):
        return fields
    return Fields(
        (name, resolve_reference(_encoded(value) or value, url) if name.lower() in REFERENCES else value)
        for name, value in fields
    )


def redirect_goal(fields: Fields, origin: OriginPolicy) -> bytes | None:
    """The absolute http or https URL that a redirect leads to, less its fragment; None where there is no usable one.

    @param origin: see L{at_address}.
    """
    goal = _encoded((fields.first(b"location") or b"").partition(b"#")[0])
    if goal is None or _site(goal) is None:
        return None
    goal = at_address(goal, origin)
    scheme, authority, path, query, _ = _parts(goal)
    return b"%s://%s%s%s" % (scheme, authority, path or b"/", query or b"")


def _site(url: bytes) -> tuple[bytes, int | None] | None:
    """Host, and port unless that is its scheme's default, so that http and https of one host are alike.

    None for what is no URL of http or https, or names a user.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in (b"http", b"https") or not parts.hostname or b"@" in parts.netloc:
        return None
    return parts.hostname, None if port == (443 if parts.scheme == b"https" else 80) else port


def _own_site(origin: OriginPolicy) -> tuple[bytes, int | None] | None:
    """What an origin calls itself where that is not the site of its URL."""
    return None if origin.host is None else _site(b"http://" + origin.host)


def at_address(url: bytes, origin: OriginPolicy) -> bytes:
    """C{url} as it is asked for: where it names C{origin} as that calls itself, by the authority of C{origin.url}."""
    if origin.host is None or _site(url) is None or _site(url) != _own_site(origin):
        return url
    return _with_authority_of(origin.url, url)


def by_name(url: bytes, origin: OriginPolicy) -> bytes:
    """C{url} as C{origin} knows it: what it is asked by its address names it as it calls itself."""
    if origin.host is None or not same_host(url, origin.url):
        return url
    return _with_authority_of(b"%s://%s/" % (_parts(origin.url)[0], origin.host), url)


def _with_authority_of(other: bytes, url: bytes) -> bytes:
    scheme, authority, *_ = _parts(other)
    _, _, path, query, fragment = _parts(url)
    return b"%s://%s%s%s%s" % (scheme, authority, path, query or b"", fragment or b"")


def is_followed(
    origin: OriginPolicy,
    source_url: bytes,
    goal: bytes,
    origins: Sequence[OriginPolicy],
    *,
    joins: bool,
    tells: bool = False,
) -> bool:
    """Whether we go where a redirect leads, in place of the client.

    The client goes where we may not, and where that is at an origin of ours, unless its base stays: it could not know
    what relative references in the answer mean. What only signs or resolves, by another last segment or query, is ours.

    @param source_url: what the client asked for, at the origin.
    @param goal: see L{redirect_goal}.
    @param origins: all that are configured.
    @param joins: the answer goes beside bytes that are here, so the client cannot go anywhere.
    @param tells: the redirect tells of the object. To another host it is not followed by clients who want to know; to
        one path of ours from another it would be, and they would not find it where that leads.
    """
    if not _may_follow(origin, goal):
        return False
    if tells and not same_host(goal, origin.url):
        return True
    return joins or _base(goal) == _base(source_url) or _covered(goal, origin, origins) is None


def _may_follow(origin: OriginPolicy, goal: bytes) -> bool:
    """Allowed are the origin's own scheme, host and port, and C{redirect_hosts}.

    C{host} there stands for the default ports of http and https, C{host:port} for that one; C{*.example} for any host
    below C{example}.
    """
    site = _site(goal)
    if site is None:
        return False
    if same_host(goal, origin.url):
        return True
    host, port = site[0].decode("ascii"), site[1]
    if ":" in host:
        host = f"[{host}]"
    allowed = {allowed.lower() for allowed in origin.redirect_hosts}
    labels = host.split(".")
    names = {host, *(".".join(["*", *labels[above:]]) for above in range(1, len(labels)))}
    default = 443 if goal.lower().startswith(b"https:") else 80
    with_port = {f"{name}:{default if port is None else port}" for name in names}
    return not allowed.isdisjoint(with_port if port is not None else names | with_port)


def _base(url: bytes) -> tuple[object, bytes]:
    """What relative references are resolved against: the site, and the path to its last slash."""
    path = _parts(url)[2]
    return _site(url), path[: path.rfind(b"/") + 1] or b"/"


def _covered(uri: bytes, own: OriginPolicy, origins: Sequence[OriginPolicy]) -> tuple[bytes, ObjectTarget] | None:
    """The path under which clients find C{uri} here, and what that resolves to; None where no origin covers it.

    An origin of the very scheme is preferred, then C{own}, then the one that says most of the path.
    """

    def rank(origin: OriginPolicy) -> tuple[bool, bool, int]:
        return same_host(origin.url, uri) or _own_site(origin) == site, origin is own, len(origin.url)

    site = _site(uri)
    _, _, path, query, _ = _parts(uri)
    for origin in sorted(origins, key=rank, reverse=True) if site is not None else ():
        beneath = _parts(origin.url)[2]
        if site not in (_site(origin.url), _own_site(origin)) or not (path or b"/").startswith(beneath):
            continue
        target = origin.prefix + (path or b"/")[len(beneath) :] + (query or b"")
        try:
            resolved = resolve_target(target, origins)
        except (BadTarget, NoSuchOrigin):
            continue
        # Another origin's longer prefix may be in the way.
        if resolved.origin is origin:
            return target, resolved
    return None


def with_own_references(fields: Fields, target: ObjectTarget, origins: Sequence[OriginPolicy]) -> Fields:
    """The fields of an answer to C{target}, for the client: references to what our origins cover become our own paths.

    They name no host, since it is not known under which name a client knows us.
    """
    if not any(name.lower() in REFERENCES for name, _ in fields):
        return fields
    return Fields(
        (name, _own_reference(value, target, origins) if name.lower() in REFERENCES else value)
        for name, value in fields
    )


def _own_reference(value: bytes, target: ObjectTarget, origins: Sequence[OriginPolicy]) -> bytes:
    uri, mark, fragment = (_encoded(value) or b"").partition(b"#")
    covered = _covered(uri, target.origin, origins)
    if covered is None:
        return value
    path, found = covered
    if found.source_url == target.source_url and urlsplit(uri).scheme != urlsplit(found.source_url).scheme:
        # From http to https of the same: here it would lead back for ever.
        return value
    if path.startswith(b"//"):
        path = b"/." + path  # RFC 3986, section 4.2: else what follows would be an authority
    return path + mark + fragment
