"""Requests that ask for a part, or for a form, by fields that are not HTTP's own.

What these select is for the origin to know: such a request goes out as it came, and neither is answered from what is
stored nor stored itself. Azure's is the exception: there C{x-ms-range} is a Range.
"""

from __future__ import annotations

import re

from proxycache.errors import MalformedField

from .byterange import parse_range
from .fields import Fields

AZURE_RANGE = b"x-ms-range"
"""What Azure's clients send in place of Range; it goes before that."""

_KNOWN = frozenset({b"if-range", b"content-range"})

_SELECTING = frozenset(
    {
        # DLNA: a stretch of time.
        b"timeseekrange.dlna.org",
        # Azure: a body in frames of its own, or sums of the very bytes that are asked for.
        b"x-ms-structured-body",
        b"x-ms-range-get-content-md5",
        b"x-ms-range-get-content-crc64",
    }
)

_RANGE = re.compile(rb"[-_]range\Z")


def _selects(name: bytes) -> bool:
    name = name.lower()
    return name in _SELECTING or (name not in _KNOWN and _RANGE.search(name) is not None)


def is_foreign(request: Fields) -> bool:
    """Whether a request asks for something by a field other than Range that this cache cannot answer by."""
    return any(_selects(name) for name, _ in request)


def is_azure(response: Fields) -> bool:
    """Whether an answer is one of Azure's Blob service, or of what speaks like it."""
    return response.first(b"x-ms-version") is not None


def as_azure_reads(request: Fields) -> Fields | None:
    """A request with Range in place of C{x-ms-range}; None where it asks for more than that can say.

    Azure knows C{bytes=first-last} and C{bytes=first-} there.
    """
    asked = request.all(AZURE_RANGE)
    left = request.without({AZURE_RANGE, b"range"})
    if len(asked) != 1 or is_foreign(left):
        return None
    try:
        specs = parse_range(asked[0])
    except MalformedField:
        return None
    if len(specs) != 1 or specs[0].first is None:
        return None
    return left.adding((b"Range", asked[0]))
