"""What is configured for an origin, and how a request's target maps onto it: key and source URL.

By configuration alone, so that the source URL is known even when the database is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from urllib.parse import unquote_to_bytes, urlsplit

from attrs import field, frozen

from proxycache.errors import BadTarget, NoSuchOrigin

from .cookies import SetCookie
from .fields import Fields
from .forwarding import is_configured
from .freshness import Ttls
from .signatures import end_of, is_signed
from .targets import Authority, normalized, origin_form


@frozen
class OriginPolicy:
    """One configured origin.

    @ivar prefix: path prefix, beginning and ending with a slash, matched byte for byte.
    @ivar url: base URL, ending with a slash.
    @ivar host: what the origin is called in Host, and calls itself, where that is not the authority of C{url}.
    @ivar ttls: freshness where the origin says nothing.
    @ivar stale_if_error: seconds for which a stale response may stand in for an origin that fails; None: as that says.
    @ivar ignore_query: names of query parameters that are left out of the key.
    @ivar methods: what clients may ask by; all but GET, HEAD and OPTIONS is forwarded.
    @ivar redirect_hosts: to which redirects are followed; C{*.example} stands for all names below C{example}.
    @ivar keep_hop_fields: names in lower case of fields of redirects that stay with the answer; see
        L{proxycache.policy.hops.is_kept}.
    @ivar set_cookie: what becomes of answers that set cookies.
    @ivar normalize: whether spellings of one URL are one object; see L{normalized}.
    @ivar trust_length: whether parts of equal length are joined where there is no strong validator.
    @ivar always_partial: whether every GET is answered with 206.
    @ivar type: what it speaks beside HTTP: C{"azure"}, or None.
    @ivar weak_if_range: whether a weak tag counts in If-Range.
    @ivar underscores: whether request fields go along whose names hold more than letters, digits and hyphens.
    @ivar headers: fields added to every request to this origin's own host.
    """

    name: str
    prefix: bytes
    url: bytes
    host: bytes | None = None
    ttls: Ttls = field(factory=Ttls)
    stale_if_error: float | None = None
    ignore_query: frozenset[bytes] = frozenset()
    methods: tuple[str, ...] = ("GET", "HEAD", "OPTIONS")
    redirect_hosts: frozenset[str] = frozenset()
    keep_hop_fields: tuple[str, ...] = ()
    set_cookie: SetCookie = SetCookie.AUTO
    normalize: bool = False
    trust_length: bool = False
    always_partial: bool = False
    weak_if_range: bool = False
    type: str | None = None
    underscores: bool = False
    headers: Fields = field(factory=Fields)


@frozen
class ObjectTarget:
    """A client's target, resolved.

    @ivar key: the cache key; see L{object_key}.
    @ivar source_url: where the bytes are, as the client asked: path and query byte for byte.
    """

    origin: OriginPolicy
    key: bytes
    source_url: bytes

    @property
    def ends(self) -> float | None:
        """When the client's address ends, in seconds since the epoch; None where it is not signed."""
        return end_of(self.source_url)

    def goes_as_it_came(self, request: Fields) -> bool:
        """Whether the origin gets a client's request as he made it: method, range and conditions may be signed.

        What is configured takes the place of the client's Authorization.
        """
        name = b"authorization"
        authorized = request.first(name) is not None and not is_configured(name, self.origin.headers)
        return authorized or is_signed(self.source_url)

    def has_ended(self, now: float) -> bool:
        """Whether the client's address gives no right any more.

        @param now: seconds since the epoch.
        """
        return (ends := self.ends) is not None and now >= ends


def _refuse_traversal(path: bytes) -> None:
    for segment in re.split(rb"[/\\]", unquote_to_bytes(path)):
        if segment == b"..":
            raise BadTarget("the path climbs out of its folder with '..'")
        if b"\0" in segment:
            raise BadTarget("the path holds a NUL")


def object_key(origin: OriginPolicy, source_url: bytes) -> bytes:
    """The cache key of what is at a URL of C{origin}: the origin's name, and that URL less the ignored parameters.

    With the C{host} that it is asked by, where that is another one: one address may be many sites.

    Where the origin's configuration says so, spellings of one URL (RFC 3986, section 6.2.2) have one key.

    The name tells origins apart that have one URL and send different credentials; the URL, that what was stored before
    the origin was given another one is not used.
    """
    path, mark, query = source_url.partition(b"?")
    if mark and origin.ignore_query:
        kept = _key_query(query, origin.ignore_query)
        mark = b"?" if kept or not query else b""
        query = kept
    url = path + mark + query
    name = origin.name.encode() if origin.host is None else b"%s@%s" % (origin.name.encode(), origin.host)
    return b"%s:%s" % (name, normalized(url) if origin.normalize else url)


def _key_query(query: bytes, ignored: frozenset[bytes]) -> bytes:
    """The query less the ignored parameters; none of them is one that an origin might split at its semicolons."""
    kept = [
        parameter
        for parameter in query.split(b"&")
        if b";" in parameter or unquote_to_bytes(parameter.partition(b"=")[0].replace(b"+", b" ")) not in ignored
    ]
    return b"&".join(kept)


def _nobody(_: Authority) -> bool:
    return False


def resolve_target(
    target: bytes, origins: Sequence[OriginPolicy], ours: Callable[[Authority], bool] = _nobody
) -> ObjectTarget:
    """Map a request target in origin or absolute form (RFC 9112, section 3.2) onto the longest matching prefix.

    @param ours: whether an authority is one of ours; see L{origin_form}.
    @raise BadTarget: not a path, not a URI's bytes, or one that climbs with C{..}, also encoded.
    @raise MisdirectedTarget: an absolute form for somebody else.
    @raise NoSuchOrigin: no prefix matches.
    """
    target = origin_form(target, ours)
    path = target.partition(b"?")[0]
    _refuse_traversal(path)
    matching = [origin for origin in origins if path.startswith(origin.prefix)]
    if not matching:
        raise NoSuchOrigin("no origin is configured for this path")
    origin = max(matching, key=lambda candidate: len(candidate.prefix))
    source_url = origin.url + target[len(origin.prefix) :]
    return ObjectTarget(origin, object_key(origin, source_url), source_url)


def same_host(one: bytes, other: bytes) -> bool:
    """Whether two URLs name the same scheme, host and port, so that credentials may travel."""
    return _authority(one) == _authority(other)


def _authority(url: bytes) -> tuple[bytes, bytes | None, int | None]:
    """Scheme, host and port as they compare (RFC 9110, section 4.2.3). C{ValueError} for a port that is none."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {b"http": 80, b"https": 443}.get(parts.scheme)
