"""Is an origin's answer what was asked for, and which bytes does its body carry?

Exact or nothing: a body is used only at the place that both the request and Content-Range name.
"""

from __future__ import annotations

from attrs import frozen

from proxycache.errors import InvalidAnswer, MalformedField

from .byterange import ContentRange, RangeSpec, parse_content_range
from .fields import Fields


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

    A 200 is the whole object, whatever was asked (RFC 9110, section 14.2). A 206 must carry one part that
    begins exactly where the request did; it may end earlier or later, for both are told by its Content-Range.

    @param body_length: the declared length of the body, None where the framing does not say.
    @raise InvalidAnswer: a 206 nobody asked for, several parts, no or a contradictory Content-Range.
    """
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
