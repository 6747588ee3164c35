"""Signed addresses: the right to what is there that an address carries in its query, and until when it goes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

_VENDOR_DATE = re.compile(r"(x-[a-z]+-)date\Z")
"""Signature Version 4 of Amazon, and all that copied it: C{X-Amz-Date} and C{X-Amz-Expires}, C{X-Goog-}, C{x-oss-}."""

_SIGNATURE = re.compile(r"(?:x-[a-z]+-)?signature\Z|sig\Z")
"""C{X-Amz-Signature} and its copies, C{Signature} of Version 2 and CloudFront, C{sig} of Azure and others."""

_MAX_PARAMETERS = 100


def is_signed(url: bytes) -> bool:
    """Whether an address carries a signature, which may be one of the method and of fields as well."""
    return any(_SIGNATURE.match(name) and value for name, value in _parameters(url).items())


def _parameters(url: bytes) -> dict[str, str]:
    """Those of the query, their names in lower case; the first of two of one name counts."""
    query = url.partition(b"#")[0].partition(b"?")[2]
    if b"=" not in query:
        return {}
    try:
        pairs = parse_qsl(query.decode("ascii", "replace"), max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        return {}
    return {name.lower(): value for name, value in reversed(pairs)}


def end_of(url: bytes) -> float | None:
    """When a signed address ends, in seconds since the epoch; None for one that is not signed, or does not say."""
    parameters = _parameters(url)
    ends = [*_ends_by_date(parameters), _end_by_moment(parameters), _end_by_seconds(parameters)]
    return min((end for end in ends if end is not None), default=None)


def _ends_by_date(parameters: Mapping[str, str]) -> list[float]:
    ends = []
    for name, value in parameters.items():
        match = _VENDOR_DATE.match(name)
        seconds = _seconds(parameters.get(f"{match[1]}expires")) if match is not None else None
        if seconds is not None:
            try:
                begun = datetime.strptime(value, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
                ends.append((begun + timedelta(seconds=seconds)).timestamp())
            except (ValueError, OverflowError):
                continue
    return ends


def _end_by_moment(parameters: Mapping[str, str]) -> float | None:
    """That of a shared access signature of Azure: C{se}, in UTC, of the day alone or with hours and minutes."""
    value = parameters.get("se", "")
    if not re.match(r"\d{4}-\d\d-\d\d", value):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _end_by_seconds(parameters: Mapping[str, str]) -> float | None:
    """That of Amazon's Version 2, of CloudFront and of all that copied them: C{Expires} beside C{Signature}."""
    if "signature" not in parameters:
        return None
    seconds = _seconds(parameters.get("expires"))
    return None if seconds is None else float(seconds)


def _seconds(value: str | None) -> int | None:
    return int(value) if value is not None and re.fullmatch(r"[0-9]{1,12}", value) else None
