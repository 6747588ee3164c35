"""Validators, preconditions and If-Range (RFC 9110, sections 8.8 and 13)."""

from __future__ import annotations

import re
from enum import Enum, auto

from attrs import frozen

from .fields import Fields, Line, parse_date

LAST_MODIFIED_STRONG_SECONDS = 60
"""How much older than Date a Last-Modified must be to serve as a strong validator.

Section 8.8.2.2 asks for a second where both come from one clock, and for enough to make do with two otherwise.
"""

_ETAG = re.compile(rb'(W/)?("[\x21\x23-\x7e\x80-\xff]*")\Z')
_ETAG_IN_LIST = re.compile(rb'[ \t]*(?:(W/)?("[\x21\x23-\x7e\x80-\xff]*"))?[ \t]*(?:,|\Z)')


@frozen
class ETag:
    """An entity tag, its opaque part with the quotes (section 8.8.3)."""

    opaque: bytes
    weak: bool = False

    def strongly_equals(self, other: ETag | None) -> bool:
        """Section 8.8.3.2, strong comparison."""
        return other is not None and not self.weak and not other.weak and self.opaque == other.opaque

    def weakly_equals(self, other: ETag | None) -> bool:
        """Section 8.8.3.2, weak comparison."""
        return other is not None and self.opaque == other.opaque


@frozen
class Validator:
    """What binds the parts of one version together: a strong entity tag, or a Last-Modified that may serve as one.

    Sections 8.8.1 and 8.8.2.2.

    @ivar value: the field's value, as If-Range sends it.
    """

    value: bytes
    is_date: bool = False


def parse_etag(value: bytes | None) -> ETag | None:
    """One entity tag (section 8.8.3), or None where C{value} is none."""
    match = _ETAG.match(value.strip(b" \t")) if value is not None else None
    return None if match is None else ETag(match[2], match[1] is not None)


def parse_etag_list(value: bytes) -> list[ETag] | None:
    """The tags of If-Match or If-None-Match (sections 13.1.1 and 13.1.2); None where it is no such list.

    Commas inside quotes are respected.
    """
    tags: list[ETag] = []
    position = 0
    while position < len(value):
        match = _ETAG_IN_LIST.match(value, position)
        if match is None or match.end() == position:
            return None
        if match[2] is not None:
            tags.append(ETag(match[2], match[1] is not None))
        position = match.end()
    return tags


def strong_validator(fields: Fields, now: float) -> Validator | None:
    """The strong validator of a response: its entity tag, else its Last-Modified where section 8.8.2.2 allows.

    A weak entity tag says that two versions may share it, so Last-Modified does not help beside it.
    """
    tag = parse_etag(fields.first(b"etag"))
    if tag is not None:
        return None if tag.weak else Validator(tag.opaque)
    return _strong_date(fields, now)


def _strong_date(fields: Fields, now: float) -> Validator | None:
    """The Last-Modified of a response where it may serve as a strong validator (section 8.8.2.2)."""
    raw = fields.first(b"last-modified")
    modified = parse_date(raw, now)
    date = parse_date(fields.first(b"date"), now)
    if raw is None or modified is None or date is None or date - modified < LAST_MODIFIED_STRONG_SECONDS:
        return None
    return Validator(raw.strip(b" \t"), is_date=True)


def bound_by_date(fields: Fields, length: int | None, now: float) -> bool:
    """Whether a version is told by its Last-Modified and its length, whatever tag stands beside them.

    A date that may serve as a strong validator is none the weaker for a weak tag that agrees (section 8.8.2.2).

    @param length: complete length in bytes, None where it is not known.
    """
    return length is not None and not fields.members(b"content-encoding") and _strong_date(fields, now) is not None


def binding_validator(fields: Fields, length: int | None, now: float) -> Validator | None:
    """What other answers may be joined to this one under: its strong validator, else what L{bound_by_date}.

    Where that is a date beside a weak tag, the lengths and the tags have to agree as well.
    """
    validator = strong_validator(fields, now)
    return _strong_date(fields, now) if validator is None and bound_by_date(fields, length, now) else validator


def if_range(validator: Validator | None, fields: Fields) -> tuple[Line, ...]:
    """The condition under which a part of a version is asked for; none where there is none that may be sent.

    A date may not where there is a tag as well (section 13.1.5): what comes is compared in any case.

    @param fields: those of the version.
    """
    if validator is None or (validator.is_date and parse_etag(fields.first(b"etag")) is not None):
        return ()
    return ((b"If-Range", validator.value),)


LAST_MODIFIED_SECONDS = 2
"""How much older than Date a Last-Modified must be to be asked by: its second may have been over only half-way."""


def revalidating_fields(stored: Fields, now: float) -> tuple[Line, ...]:
    """The preconditions that ask whether a stored response is still right (RFC 9111, section 4.3.1)."""
    tag, modified = stored.first(b"etag"), stored.first(b"last-modified")
    lines: list[Line] = []
    if tag is not None:
        lines.append((b"If-None-Match", tag))
    if modified is not None:
        at, date = parse_date(modified, now), parse_date(stored.first(b"date"), now)
        if tag is not None or at is None or date is None or date - at >= LAST_MODIFIED_SECONDS:
            lines.append((b"If-Modified-Since", modified))
    return tuple(lines)


class Verdict(Enum):
    """What the preconditions of a request say (section 13.2.2)."""

    PROCEED = auto()
    NOT_MODIFIED = auto()
    FAILED = auto()


def _one_date(request: Fields, name: bytes, now: float) -> int | None:
    """The date of a precondition; None where there is none, or several (sections 13.1.3 and 13.1.4)."""
    values = request.all(name)
    return parse_date(values[0], now) if len(values) == 1 else None


def evaluate_preconditions(request: Fields, stored: Fields, now: float, *, bound: bool = False) -> Verdict:
    """Evaluate the preconditions of a GET or HEAD against a stored response, in the order of section 13.2.2.

    @param bound: whether the version is told by more than its tag (see L{bound_by_date}): then a weak one counts in
        If-Match, with or without C{W/}. It protects a client that wants no other version; it joins nothing.
    """
    tag = parse_etag(stored.first(b"etag"))
    modified = parse_date(stored.first(b"last-modified"), now)

    # Section 13.1.1, else 13.1.4
    if_match = request.joined(b"if-match")
    if if_match is not None:
        if if_match.strip() != b"*":
            tags = parse_etag_list(if_match) or []
            weakly = bound and tag is not None and tag.weak
            if not any(asked.weakly_equals(tag) if weakly else asked.strongly_equals(tag) for asked in tags):
                return Verdict.FAILED
    else:
        since = _one_date(request, b"if-unmodified-since", now)
        if since is not None and modified is not None and modified > since:
            return Verdict.FAILED

    # Section 13.1.2, else 13.1.3
    if_none_match = request.joined(b"if-none-match")
    if if_none_match is not None:
        if if_none_match.strip() == b"*":
            return Verdict.NOT_MODIFIED
        if tag is None and if_none_match.strip() == stored.first(b"etag"):
            # No tag by the grammar, for it has no quotes (bottle, WEBrick): who repeats it to the byte means it.
            return Verdict.NOT_MODIFIED
        tags = parse_etag_list(if_none_match) or []
        if any(asked.weakly_equals(tag) for asked in tags):
            return Verdict.NOT_MODIFIED
    else:
        since = _one_date(request, b"if-modified-since", now)
        # RFC 9111, section 4.3.2: Date stands in for a missing Last-Modified.
        changed = modified if modified is not None else parse_date(stored.first(b"date"), now)
        if since is not None and changed is not None and changed <= since:
            return Verdict.NOT_MODIFIED
    return Verdict.PROCEED


def range_applies(request: Fields, stored: Fields, now: float, *, weak: bool = False) -> bool:
    """Whether Range is to be honoured, given If-Range (section 13.1.5).

    @param weak: whether a weak tag counts as well, against the section: who sends it joins what comes to what he has.
    """
    raw = request.first(b"if-range")
    if raw is None:
        return True
    asked = parse_etag(raw)
    if asked is not None:
        tag = parse_etag(stored.first(b"etag"))
        return asked.weakly_equals(tag) if weak else asked.strongly_equals(tag)
    if parse_date(raw, now) is None:
        return False
    # An exact match, of a date that is a strong validator (section 8.8.2.2).
    modified = stored.first(b"last-modified")
    if modified is None or modified.strip() != raw.strip():
        return False
    date = parse_date(stored.first(b"date"), now)
    since = parse_date(modified, now)
    return date is not None and since is not None and date - since >= 1
