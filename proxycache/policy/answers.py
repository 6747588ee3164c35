"""Is an origin's answer what was asked for, and which bytes does its body carry?

Exact or nothing: a body is used only at the place that both the request and Content-Range name.
"""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

from proxycache.errors import InvalidAnswer, MalformedField, ObjectChanged

from .byterange import ContentRange, RangeSpec, Unsatisfied, parse_content_range
from .entry import Representation
from .fields import Fields, parse_date
from .foreign import is_foreign
from .storing import is_personal
from .validators import Validator, Verdict, evaluate_preconditions, parse_etag, strong_validator

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


class Versioned(Protocol):
    """An answer as far as it tells of which version it is."""

    @property
    def fields(self) -> Fields:
        """Its fields."""

    @property
    def length(self) -> int | None:
        """Complete length in bytes, None where it is not known."""

    @property
    def validator(self) -> Validator | None:
        """What its parts are joined under; None forbids joining."""

    @property
    def response_time(self) -> float:
        """Seconds since the epoch at which it came."""


@frozen
class Version:
    """See L{Versioned}."""

    fields: Fields
    length: int | None
    validator: Validator | None
    response_time: float


def unasked_whole(request: Fields, status: int, response: Fields, body_length: int | None) -> bool:
    """Whether a 206 that nobody asked for is the whole, and so a 200: some servers answer every GET so.

    @param body_length: the declared length of the body, None where the framing does not say, or there is none.
    """
    if status != 206 or request.first(b"range") is not None or is_foreign(request):
        return False
    part = sole_part(response)
    if part is None:
        return False
    return part.start == 0 and part.stop == part.length and body_length in (None, part.length)


def sole_part(fields: Fields) -> ContentRange | None:
    """Which bytes the one Content-Range of an answer names; None where there is not one, or it is malformed."""
    lines = fields.all(b"content-range")
    part = _content_range(lines[0]) if len(lines) == 1 else None
    return part if isinstance(part, ContentRange) else None


def _content_range(value: bytes | None) -> ContentRange | Unsatisfied | None:
    """A Content-Range (RFC 9110, section 14.4); None for what is none."""
    try:
        return parse_content_range(value or b"")
    except MalformedField:
        return None


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
    told = _content_range(fields.first(b"content-range"))
    return told.length if isinstance(told, Unsatisfied) else None


def end_told(fields: Fields, start: int) -> BodyExtent:
    """What a 416 to a request from C{start} on, of a version whose length is not known, tells: it ends right there.

    Its Content-Range gives the length (RFC 9110, section 15.5.17).

    @raise ObjectChanged: it ends earlier, or the answer does not say where.
    """
    if told_length(fields) == start:
        return BodyExtent(start, start, start)
    raise ObjectChanged("the object is shorter than it was")


def _changed_since(known: Versioned, fields: Fields, now: float) -> bool:
    """Whether an answer tells of a change after what we know was told, whatever its entity tag says.

    Some servers keep a strong tag when the file is replaced. Replicas of one version may have other dates under one
    tag, but all of them lie before the first answer.
    """
    modified = parse_date(fields.first(b"last-modified"), now)
    if modified is None or modified == parse_date(known.fields.first(b"last-modified"), now):
        return False
    date = parse_date(known.fields.first(b"date"), now)
    return modified >= (int(known.response_time) if date is None else date)


def contradiction(known: Versioned, fields: Fields, now: float) -> str | None:
    """How an answer contradicts what we know, whatever validator it bears; None where it does not."""
    if _changed_since(known, fields, now):
        return "the object changed at the origin, and kept its entity tag"
    if _has_other_tag(known, fields):
        return "the object changed at the origin, within the second of its date"
    return None


def _has_other_tag(known: Versioned, fields: Fields) -> bool:
    """Whether an answer bears another tag than that which stands, a weak one, beside the date that binds a version.

    Compared byte for byte.
    """
    tag = fields.first(b"etag")
    mine = known.fields.first(b"etag")
    return _is_weak(known) and tag is not None and mine is not None and tag.strip() != mine.strip()


def _is_weak(known: Versioned) -> bool:
    tag = parse_etag(known.fields.first(b"etag"))
    return known.validator is not None and known.validator.is_date and tag is not None and tag.weak


def check_version(known: Versioned, status: int, fields: Fields, extent: BodyExtent, response_time: float) -> None:
    """Check that a 200 or 206 carries bytes of the version we C{know}.

    Parts are joined under one strong validator (RFC 9111, section 3.4; RFC 9110, section 15.3.7.3), and in one coding
    (section 8.8.3.3); by their length alone only where the origin's policy says so, which the caller has to know. All
    that is told counts: a Last-Modified may contradict an equal tag.

    @raise ObjectChanged: another version.
    @raise InvalidAnswer: neither the same nor another one for certain.
    """
    if fields.members(b"content-encoding") != known.fields.members(b"content-encoding"):
        raise InvalidAnswer("the same version in another encoding")
    why = contradiction(known, fields, response_time)
    if why is not None:
        raise ObjectChanged(why)
    if known.validator is not None:
        theirs = strong_validator(fields, response_time)
        modified = fields.first(b"last-modified") if known.validator.is_date else None
        same = theirs == known.validator or (modified is not None and modified.strip() == known.validator.value)
        if not same and (theirs is not None or modified is not None or status == 200):
            raise ObjectChanged("the object changed at the origin")
        if not same:
            raise InvalidAnswer("a part without the validator of the rest")
        if extent.length is None and (status == 206 or _is_weak(known)):
            raise InvalidAnswer("an answer that does not tell the complete length")
    else:
        tags = (parse_etag(known.fields.first(b"etag")), parse_etag(fields.first(b"etag")))
        dates = (known.fields.first(b"last-modified"), fields.first(b"last-modified"))
        other = tags[0] != tags[1] if None not in tags else None not in dates and not _same_date(*dates, response_time)
        if other:
            raise ObjectChanged("the object changed at the origin")
    untold = extent.length is None and known.validator is not None
    if known.length is not None and extent.length != known.length and not untold:
        raise ObjectChanged(f"{extent.length} bytes instead of {known.length}")


def differs_by_tag_alone(known: Versioned, fields: Fields, length: int | None, now: float) -> bool:
    """Whether a part bears another strong tag than what we know, and its date and length speak for the same version.

    Some servers make a tag out of the very bytes of each answer. One such part may be of a new version, of the same
    length and within the same second, all the same.

    @param length: the complete length that came with it.
    """
    return (
        known.length == length
        and length is not None
        and fields.first(b"last-modified") is not None
        and _same_date(known.fields.first(b"last-modified"), fields.first(b"last-modified"), now)
        and strong_validator(fields, now) not in (None, known.validator)
    )


def contradicts(known: Versioned, fields: Fields, now: float) -> bool:
    """Whether a 304 tells of another version than the one we asked about (RFC 9111, section 4.3.4).

    Its entity tag is another one, or, where not both have one, its Last-Modified is; or it tells of a change since.
    """
    if _changed_since(known, fields, now):
        return True
    mine, theirs = (parse_etag(each.first(b"etag")) for each in (known.fields, fields))
    if mine is not None and theirs is not None:
        return not mine.weakly_equals(theirs) if mine.weak or theirs.weak else mine != theirs
    modified = [each.first(b"last-modified") for each in (known.fields, fields)]
    return None not in modified and not _same_date(modified[0], modified[1], now)


def _same_date(one: bytes | None, other: bytes | None, now: float) -> bool:
    if one is None or other is None:
        return one is other
    dates = parse_date(one, now), parse_date(other, now)
    return one.strip() == other.strip() if None in dates else dates[0] == dates[1]


def confirms(known: Representation, fields: Fields, length: int | None, now: float) -> bool:
    """Whether an answer without the body tells of the very version we know (RFC 9111, section 4.3.5).

    Every validator that came is ours, and at least one came; so is the length, where it is told.

    @param length: complete length in bytes, None where it is not told.
    """
    tag, modified = fields.first(b"etag"), fields.first(b"last-modified")
    mine = known.fields.first(b"etag")
    return (
        (tag is not None or modified is not None)
        and (tag is None or (mine is not None and tag.strip() == mine.strip()))
        and (modified is None or _same_date(known.fields.first(b"last-modified"), modified, now))
        and (length is None or known.length is None or length == known.length)
    )


def outdates(
    known: Representation, request: Fields, status: int, fields: Fields, body_length: int | None, now: float
) -> bool:
    """Whether an answer that may not be stored says that what is stored is out of date.

    What one person is told is no news for others, unless it is another version.

    @param body_length: the declared length of the body, None where the framing does not say.
    """
    if status in (200, 206):
        length = body_length if status == 200 else length_of_part(fields)
        return not (is_personal(request) and confirms(known, fields, length, now))
    return status in (404, 410) and request.first(b"authorization") is None


def is_of_another(
    known: Representation, request: Fields, status: int, fields: Fields, body_length: int | None, now: float
) -> bool:
    """Whether the answer to a client's own request tells that the version we know is not there any more.

    What it does not tell of is taken to be as it was.

    @param body_length: the declared length of the body, None where the framing does not say.
    """
    if status == 412:
        return _denies(known, request, now)
    if status == 416:
        return told_length(fields) not in (None, known.length)
    if status in (200, 206):
        length = body_length if status == 200 else length_of_part(fields)
        return contradicts(known, fields, now) or (None not in (length, known.length) and length != known.length)
    return status in (404, 410) and request.first(b"authorization") is None


def _denies(known: Representation, request: Fields, now: float) -> bool:
    """Whether a 412 refuses preconditions that hold, read strictly, for the version we know."""
    if request.first(b"if-match") is None and request.first(b"if-unmodified-since") is None:
        return False
    protecting = request.without({b"if-none-match", b"if-modified-since"})
    return evaluate_preconditions(protecting, known.fields, now) is Verdict.PROCEED


def length_of_part(fields: Fields) -> int | None:
    """The complete length that the Content-Range of a 206 tells, or None."""
    part = _content_range(fields.first(b"content-range"))
    return part.length if isinstance(part, ContentRange) else None
