"""Stored responses to decide about."""

from __future__ import annotations

from datetime import UTC, datetime

from proxycache.policy.entry import Representation
from proxycache.policy.fields import Fields, Line
from proxycache.policy.storing import Variant
from proxycache.policy.validators import Validator

NOW = 1_700_000_000
"""Tue, 14 Nov 2023 22:13:20 GMT, in seconds since the epoch."""


def http_date(seconds: float) -> bytes:
    """An IMF-fixdate."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").encode("ascii")


def stored(
    *lines: Line,
    status: int = 200,
    length: int | None = 1000,
    request_time: float = NOW,
    response_time: float = NOW,
    validator: Validator | None = None,
    vary: Variant = (),
) -> Representation:
    """A stored response with these fields."""
    return Representation(
        id="0" * 32,
        key=b"films:http://origin.example/film.mp4",
        origin="films",
        source_url=b"http://origin.example/film.mp4",
        status=status,
        fields=Fields(lines),
        length=length,
        validator=validator,
        request_time=request_time,
        response_time=response_time,
        vary=vary,
        rangeless=False,
        chunk_size=1 << 20,
    )
