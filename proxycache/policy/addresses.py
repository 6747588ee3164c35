"""Addresses and names of hosts, as header fields tell them."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from .fields import Fields, unquoted

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_HOST_AND_PORT = re.compile(r"(?:\[(?P<literal>[^\[\]]*)\]|(?P<name>[^:\[\]]*))(?::[0-9]*)?\Z")


def host_of(authority: bytes) -> str | None:
    """The host of C{uri-host [ ":" port ]} (RFC 9110, section 7.2) in lower case, an IPv6 literal without brackets."""
    match = _HOST_AND_PORT.match(authority.decode("latin-1").lower())
    if match is None:
        return None
    literal: str | None = match["literal"]
    return match["name"] if literal is None else literal


_LONGEST = len("0000:0000:0000:0000:0000:ffff:255.255.255.255")


def parse_address(host: str) -> Address | None:
    """An address of either family, None where it is none. One of IPv4 is that, also where it is told as one of IPv6.

    None has a zone: that may be any text, and means nothing on another machine.
    """
    return _parse_address(host) if len(host) <= _LONGEST else None


@lru_cache(maxsize=4096)
def _parse_address(host: str) -> Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    return None if address.scope_id is not None else address.ipv4_mapped or address


def is_ours(authority: bytes, names: Container[str]) -> bool:
    """Whether a Host is an address, C{localhost}, or one of C{names}, which are in lower case.

    Whoever owns a name can let it lead to us, and have a browser that is allowed to reach us ask under it and read the
    answer (DNS rebinding). No foreign page comes from an address or from C{localhost}.
    """
    host = host_of(authority)
    if host is None:
        return False
    return host == "localhost" or host in names or parse_address(host) is not None


_PAIR = re.compile(rb"""[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^";\\ \t]*)[ \t]*(?:;|\Z)""", re.DOTALL)


def client_address(peer: Address | None, request: Fields, trusted: Sequence[Network]) -> Address | None:
    """Whose request it is: the first hop, seen from here, that is none of the proxies that we trust.

    What a trusted proxy says of the hop before it is believed; X-Forwarded-For where there is one, else Forwarded
    (RFC 7239). Where it says nothing that is an address, nobody knows who is behind it, and it is itself the client.

    @param peer: the other end of the connection; None where it has no address.
    """

    def is_trusted(address: Address | None) -> bool:
        return address is not None and any(address in network for network in trusted)

    nearest = peer
    if is_trusted(nearest):
        for told in _hops(request):
            if told is None:
                break
            nearest = told
            if not is_trusted(nearest):
                break
    return nearest


def _hops(request: Fields) -> Iterator[Address | None]:
    """The nearest one first."""
    listed = request.members(b"x-forwarded-for")
    if listed:
        return map(_node_address, reversed(listed))
    return (_node_address(_forwarded_for(element)) for element in reversed(request.members(b"forwarded")))


def _forwarded_for(element: bytes) -> bytes:
    """The node of C{for=} in an element of Forwarded (RFC 7239, section 4); empty where that is malformed."""
    position, found = 0, b""
    while position < len(element):
        match = _PAIR.match(element, position)
        if match is None:
            return b""
        if match[1].lower() == b"for":
            found = unquoted(match[2])
        position = match.end()
    return found


def _node_address(node: bytes) -> Address | None:
    """An address with or without a port, an IPv6 one with or without brackets (RFC 7239, section 6)."""
    whole = parse_address(node.decode("latin-1"))
    if whole is not None:
        return whole
    host = host_of(node)
    return None if host is None else parse_address(host)
