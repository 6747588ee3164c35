"""Directives for caches of our kind alone: CDN-Cache-Control (RFC 9213) and Surrogate-Control."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import http_sf

from .fields import parse_delta_seconds, split_list

DEVICE = b"proxycache"
"""Our name, by which Surrogate-Control may single us out."""

SURROGATE_CAPABILITY = (b"Surrogate-Capability", DEVICE + b'="Surrogate/1.0"')
"""What tells an origin that Surrogate-Control is understood here."""

_NUMBERS = frozenset({"max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"})


def parse_targeted(value: bytes | None) -> dict[str, bytes | None] | None:
    """CDN-Cache-Control, a Dictionary of RFC 8941: None where it is absent, empty or does not parse.

    A member whose value is of a type that its directive does not have is passed over; the field is in force all the
    same (RFC 9213, section 2.1).
    """
    if not value:
        return None
    try:
        members: Any = http_sf.parse(value, tltype="dictionary")
    except ValueError:
        return None
    if not members:
        return None
    found: dict[str, bytes | None] = {}
    for name, (argument, _) in members.items():
        if name in _NUMBERS:
            if isinstance(argument, int) and not isinstance(argument, bool) and argument >= 0:
                found[name] = b"%d" % argument
        elif argument is not False:
            found[name] = None if argument is True else str(argument).encode("utf-8")
    return found


def parse_surrogate(values: Iterable[bytes]) -> dict[str, bytes | None]:
    """Surrogate-Control: what names another device is for that one, what names ours goes before what names none."""
    general: dict[str, bytes | None] = {}
    ours: dict[str, bytes | None] = {}
    for value in values:
        for member in split_list(value):
            directive, _, device = member.partition(b";")
            name, equals, argument = directive.strip(b" \t").partition(b"=")
            if device and device.strip(b" \t") != DEVICE:
                continue
            found = ours if device else general
            if name.lower() == b"max-age":
                # "3600+600": fresh for the one, and usable stale for the other.
                fresh, plus, stale = argument.partition(b"+")
                if parse_delta_seconds(fresh) is not None:
                    found.setdefault("max-age", fresh)
                    if plus and parse_delta_seconds(stale) is not None:
                        found.setdefault("stale-if-error", stale)
            elif name.lower() == b"no-store" and not equals:
                found.setdefault("no-store", None)
    return {**general, **ours}
