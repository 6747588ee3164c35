"""The target of a request (RFC 9112, section 3.2): which form it has, and whether it is for us."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

from attrs import frozen

from proxycache.errors import BadTarget, MisdirectedTarget

DEFAULT_PORTS = {"http": 80, "https": 443}

URI_BYTES = re.compile(rb"[\x21-\x7e]+\Z")

_ABSOLUTE = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)


_STRAY = re.compile(rb"%(?![0-9A-Fa-f]{2})")

_SPELLED = re.compile(rb"%[0-9A-Fa-f]{2}|[^A-Za-z0-9._~!$&'()*+,;=:@/?%-]")
"""Octets that are percent-encoded, and those that should be: neither path nor query may hold them as they are."""


@frozen
class Authority:
    """Whom a URI is for, as it compares (RFC 9110, sections 4.2.3 and 7.1).

    @ivar scheme: C{http} or C{https}.
    @ivar host: in lower case; an address as L{ipaddress} writes it, without brackets.
    """

    scheme: str
    host: str
    port: int


def _compared(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.lower()
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def authority_of(url: str) -> Authority:
    """The authority of an absolute http or https URI.

    @raise ValueError: no host, a port that is none, or a user (RFC 9110, section 4.2.4).
    """
    parts = urlsplit(url)
    if not parts.hostname or "@" in parts.netloc:
        raise ValueError("not an authority")
    port = DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    return Authority(parts.scheme, _compared(parts.hostname), port)


def named_authorities(name: str) -> frozenset[Authority]:
    """Those that C{host} or C{host:port} stands for; without a port, that of either scheme.

    @raise ValueError: it is neither.
    """
    if urlsplit(f"http://{name}").netloc != name:
        raise ValueError("not a host")
    return frozenset(authority_of(f"{scheme}://{name}") for scheme in DEFAULT_PORTS)


def own_authorities(scheme: str, address: str, port: int) -> frozenset[Authority]:
    """Those of a connection to C{address} and C{port} of ours: that address, and C{localhost}."""
    return frozenset(Authority(scheme, _compared(host), port) for host in (address, "localhost"))


def normalized(url: bytes) -> bytes:
    """A URL in the one spelling that all equivalent ones have (RFC 3986, sections 6.2.2.1 and 6.2.2.2).

    Digits of what is percent-encoded are capitals, unreserved characters are not encoded, and characters that a URI
    may not hold, such as brackets, are. What is reserved means one thing encoded and another one not, so it stays; dot
    segments stay, too. A URL with a C{%} that encodes nothing is no URI, and equivalent to none but itself.
    """
    if _STRAY.search(url):
        return url
    return _SPELLED.sub(lambda match: quote_from_bytes(unquote_to_bytes(match[0]), safe="").encode("ascii"), url)


def origin_form(target: bytes, ours: Callable[[Authority], bool]) -> bytes:
    """Path and query of a target in origin or absolute form (RFC 9112, sections 3.2.1 and 3.2.2).

    @param ours: whether an authority is one of ours.
    @raise BadTarget: neither form, or not a URI's bytes.
    @raise MisdirectedTarget: an absolute form for somebody else (RFC 9110, section 15.5.20).
    """
    if not URI_BYTES.match(target):
        raise BadTarget("the target holds bytes that are no URI's; percent-encode them")
    if b"#" in target:
        raise BadTarget("the target holds a fragment")
    absolute = _ABSOLUTE.match(target)
    if absolute:
        try:
            authority = authority_of(absolute[0].decode("ascii"))
        except ValueError:
            raise BadTarget("the target's host is none") from None
        if not ours(authority):
            raise MisdirectedTarget(f"not a proxy for others, nor known as {authority.host}:{authority.port}")
        target = target[absolute.end() :]
        if not target.startswith(b"/"):
            target = b"/" + target
    if not target.startswith(b"/"):
        raise BadTarget("the target is not a path")
    return target
