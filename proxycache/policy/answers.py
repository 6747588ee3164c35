"""Is an origin's answer what was asked for, and which bytes does its body carry?

Exact or nothing: a body is used only at the place that both the request and Content-Range name.
"""

from __future__ import annotations

from attrs import frozen

from proxycache.errors import InvalidAnswer, MalformedField, ObjectChanged

from .byterange import ContentRange, RangeSpec, Unsatisfied, parse_content_range
from .entry import Representation
from .fields import Fields
from .validators import parse_etag, strong_validator

MAX_LENGTH = 2**62
"""Bytes; no object is longer."""


@frozen
class BodyExtent:
    """The bytes of the object that a body carries: C{[start, stop)}.

    @ivar stop: None where only the end of the body will tell (chunked, or closed by connection).
    @ivar length: complete length of the object, None where the answer does not say.
    """

    start: int
    stop: int | None
    length: int | None


def body_extent(status: int, fields: Fields, asked: RangeSpec | None, body_length: int | None) -> BodyExtent:
    """Check a 200 or 206 against the range that was C{asked}.

    A 200 is the whole object, whatever was asked (RFC 9110, section 14.2). A 206 must carry one part (section
    15.3.7.1) that begins exactly where the request did; it may end earlier or later, for both are told by its
    Content-Range (section 14.4).

    @param body_length: the declared length of the body, None where the framing does not say.
    @raise InvalidAnswer: a 206 nobody asked for, several parts, no or a contradictory Content-Range.
    """
    if body_length is not None and body_length > MAX_LENGTH:
        raise InvalidAnswer("an absurd Content-Length")
    if status == 200:
        return BodyExtent(0, body_length, body_length)
    if asked is None:
        raise InvalidAnswer("206 to a request without Range")
    lines = fields.all(b"content-range")
    if len(lines) != 1:
        raise InvalidAnswer("206 without exactly one Content-Range")
    try:
        part = parse_content_range(lines[0])
    except MalformedField as error:
        raise InvalidAnswer(str(error)) from error
    if not isinstance(part, ContentRange):
        raise InvalidAnswer("206 with an unsatisfied Content-Range")
    if asked.first is not None:
        expected = asked.first
    elif part.length is not None:
        expected = max(0, part.length - (asked.last or 0))
    else:
        raise InvalidAnswer("a suffix of an unknown length")
    if part.start != expected:
        raise InvalidAnswer(f"asked for bytes from {expected}, got them from {part.start}")
    if body_length is not None and body_length != part.stop - part.start:
        raise InvalidAnswer("Content-Length contradicts Content-Range")
    return BodyExtent(part.start, part.stop, part.length)


def told_length(fields: Fields) -> int | None:
    """The complete length that the Content-Range of a 416 tells (RFC 9110, section 15.5.17), or None."""
    try:
        told = parse_content_range(fields.first(b"content-range") or b"")
    except MalformedField:
        return None
    return told.length if isinstance(told, Unsatisfied) else None


def end_told(fields: Fields, start: int) -> BodyExtent:
    """What a 416 to a request from C{start} on, of a version whose length is not known, tells: it ends right there.

    Its Content-Range gives the length (RFC 9110, section 15.5.17).

    @raise ObjectChanged: it ends earlier, or the answer does not say where.
    """
    if told_length(fields) == start:
        return BodyExtent(start, start, start)
    raise ObjectChanged("the object is shorter than it was")


def check_version(known: Representation, status: int, fields: Fields, extent: BodyExtent, response_time: float) -> None:
    """Check that a 200 or 206 carries bytes of the version we C{know}.

    Parts are joined under one strong validator (RFC 9111, section 3.4; RFC 9110, section 15.3.7.3), and in one coding
    (section 8.8.3.3); by their length alone only where the origin's policy says so, which the caller has to know.

    @raise ObjectChanged: another version.
    @raise InvalidAnswer: neither the same nor another one for certain.
    """
    if fields.members(b"content-encoding") != known.fields.members(b"content-encoding"):
        raise InvalidAnswer("the same version in another encoding")
    if known.validator is not None:
        theirs = strong_validator(fields, response_time)
        modified = fields.first(b"last-modified") if known.validator.is_date else None
        same = theirs == known.validator or (modified is not None and modified.strip() == known.validator.value)
        if not same and (theirs is not None or modified is not None or status == 200):
            raise ObjectChanged("the object changed at the origin")
        if not same:
            raise InvalidAnswer("a part without the validator of the rest")
        if extent.length is None and status == 206:
            raise InvalidAnswer("a part that does not tell the complete length")
    else:
        tags = (parse_etag(known.fields.first(b"etag")), parse_etag(fields.first(b"etag")))
        if None not in tags and tags[0] != tags[1]:
            raise ObjectChanged("the object changed at the origin")
    untold = extent.length is None and known.validator is not None
    if known.length is not None and extent.length != known.length and not untold:
        raise ObjectChanged(f"{extent.length} bytes instead of {known.length}")
