"""Addresses and names of hosts, as header fields tell them."""

from __future__ import annotations

import re
from collections.abc import Container
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address

_HOST_AND_PORT = re.compile(r"(?:\[(?P<literal>[^\[\]]*)\]|(?P<name>[^:\[\]]*))(?::[0-9]*)?\Z")


def host_of(authority: bytes) -> str | None:
    """The host of C{uri-host [ ":" port ]} (RFC 9110, section 7.2) in lower case, an IPv6 literal without brackets."""
    match = _HOST_AND_PORT.match(authority.decode("latin-1").lower())
    if match is None:
        return None
    literal: str | None = match["literal"]
    return match["name"] if literal is None else literal


def parse_address(host: str) -> Address | None:
    """An address of either family, None where it is none."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def is_ours(authority: bytes, names: Container[str]) -> bool:
    """Whether a Host is an address, C{localhost}, or one of C{names}, which are in lower case.

    Whoever owns a name can let it lead to us, and have a browser that is allowed to reach us ask under it and read the
    answer (DNS rebinding). No foreign page comes from an address or from C{localhost}.
    """
    host = host_of(authority)
    if host is None:
        return False
    return host == "localhost" or host in names or parse_address(host) is not None
