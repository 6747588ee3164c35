"""What others send, as it stands in a log: nothing in it ends a line or a quoted value, and it ends itself."""

from __future__ import annotations

import re
from collections.abc import Container
from urllib.parse import unquote_to_bytes

MAX_SHOWN = 1024
"""Characters of one value."""

_UNSAFE = re.compile(rb'[\x00-\x1f"\\\x7f-\xff]')

_USER_INFO = re.compile(rb"\A([A-Za-z][A-Za-z0-9+.-]*://|(?!/))[^/?#]*@")

_HIDDEN = b"***"


def escaped(value: bytes, most: int = MAX_SHOWN) -> str:
    """C{value} in printable ASCII, other octets, quotes and backslashes as C{\\xHH}; cut with dots at C{most}."""
    shown = _UNSAFE.sub(lambda match: b"\\x%02X" % ord(match[0]), value[: most + 1]).decode("ascii")
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."


def redacted(target: bytes, names: Container[bytes]) -> bytes:
    """A request target or URL without its user, and without the values of the query parameters that C{names} hold.

    It is read as any origin might read it: parameters also end at semicolons, and hiding goes on to the next C{&}.
    """
    target = _USER_INFO.sub(rb"\1", target)
    path, mark, query = target.partition(b"?")
    if not query:
        return target
    return path + mark + b"&".join(_without_value(parameter, names) for parameter in query.split(b"&"))


def _without_value(parameter: bytes, names: Container[bytes]) -> bytes:
    pieces = parameter.split(b";")
    for number, piece in enumerate(pieces):
        name, equals, _ = piece.partition(b"=")
        if equals and unquote_to_bytes(name.replace(b"+", b" ")) in names:
            return b";".join([*pieces[:number], name + equals + _HIDDEN])
    return parameter


def loggable(target: bytes, names: Container[bytes]) -> str:
    """A target or URL as it is logged: L{redacted}, then L{escaped}."""
    return escaped(redacted(target, names))
