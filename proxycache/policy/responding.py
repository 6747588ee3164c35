"""Status, fields and ranges of the answer that a stored response gives to a request (RFC 9110, sections 13 to 15)."""

from __future__ import annotations

from attrs import frozen

from proxycache.errors import MalformedField, UnsatisfiableRange

from .byterange import ByteRange, RangeSpec, format_content_range, parse_range, select
from .entry import Representation
from .fields import Fields
from .freshness import current_age
from .integrity import without_message_digests
from .validators import Verdict, bound_by_date, evaluate_preconditions, range_applies

NOT_MODIFIED_FIELDS = frozenset(
    {
        b"cache-control",
        b"content-location",
        b"date",
        b"etag",
        b"expires",
        b"vary",
        b"last-modified",
        b"age",
        b"set-cookie",
    }
)
"""What a 304 carries (RFC 9110, section 15.4.5), the age, since it comes from a cache, and the client's own cookie."""


@frozen
class Part:
    """A stretch of the body.

    @ivar head: bytes that precede it, empty but for multipart.
    @ivar span: the bytes of the representation; None: all of it, whose end is not known yet.
    """

    head: bytes
    span: ByteRange | None

    @property
    def start_and_stop(self) -> tuple[int, int | None]:
        """Its bytes; None for an end that is not known yet."""
        return (0, None) if self.span is None else (self.span.start, self.span.stop)


@frozen
class Answer:
    """The head of a response, and what its body consists of.

    @ivar tail: bytes after the last part.
    @ivar length: Content-Length, None where it is not known yet.
    """

    status: int
    fields: Fields
    parts: tuple[Part, ...]
    tail: bytes
    length: int | None


def requested_ranges(request: Fields) -> tuple[RangeSpec, ...]:
    """The ranges that a GET asks for; none where the field is absent or to be ignored (section 14.2)."""
    values = request.all(b"range")
    if len(values) != 1:
        return ()
    try:
        return parse_range(values[0])
    except MalformedField:
        return ()


def answer(
    representation: Representation,
    request: Fields,
    method: str,
    now: float,
    *,
    always_partial: bool,
    boundary: bytes,
    weak_if_range: bool = False,
) -> Answer:
    """Answer a GET or HEAD from a stored response.

    Preconditions first (section 13.2.2), then ranges, if If-Range lets them (sections 13.1.5 and 14.2); Age is that of
    now (RFC 9111, sections 4 and 5.1).

    @param always_partial: answer a GET without Range with 206 all the same, for players that only then seek.
    @param boundary: separates the parts of a multipart answer; must not occur in them.
    @param weak_if_range: whether a weak tag counts in If-Range.
    """
    age = (b"Age", b"%d" % int(current_age(representation, now)))
    fields = representation.fields.without({b"age", b"content-length"}).adding(age)
    length = representation.length
    head = method == "HEAD"
    if representation.status == 200:
        bound = bound_by_date(representation.fields, length, now)
        conditional = conditional_answer(request, fields, now, bound=bound)
        if conditional is not None:
            return conditional
    if representation.status == 200 and length is not None:
        fields = fields.without({b"accept-ranges"}).adding((b"Accept-Ranges", b"bytes"))
    if representation.status == 200 and length is not None and not head:
        applies = range_applies(request, representation.fields, now, weak=weak_if_range)
        specs = requested_ranges(request) if applies else ()
        if length == 0 and any(spec.first == 0 or (spec.first is None and spec.last) for spec in specs):
            # A suffix of nothing is all of it (section 14.1.2), and no Content-Range can say so. What begins at its
            # start is no part of it either, but who asks so wants what there is, and servers answer him.
            specs = ()
        try:
            ranges = select(specs, length) if specs else ()
        except UnsatisfiableRange:
            return _bare(416, fields.without({b"content-range"}).adding((b"Content-Range", b"bytes */%d" % length)))
        if always_partial and not ranges and length:
            ranges = (ByteRange(0, length),)
        if ranges:
            return _partial(fields, ranges, length, boundary)
    parts = () if head or length == 0 else (Part(b"", None if length is None else ByteRange(0, length)),)
    return Answer(representation.status, fields, parts, b"", length)


def conditional_answer(request: Fields, fields: Fields, now: float, *, bound: bool = False) -> Answer | None:
    """What the preconditions of a GET or HEAD make of a response; None where they hold (section 13.2.2).

    @param bound: see L{evaluate_preconditions}.
    """
    match evaluate_preconditions(request, fields, now, bound=bound):
        case Verdict.FAILED:
            return _bare(412, fields)
        case Verdict.NOT_MODIFIED:
            kept = Fields(line for line in fields if line[0].lower() in NOT_MODIFIED_FIELDS)
            return Answer(304, kept, (), b"", None)
        case Verdict.PROCEED:
            return None


def _bare(status: int, fields: Fields) -> Answer:
    fields = without_message_digests(fields.without({b"content-type", b"content-encoding"}))
    return Answer(status, fields, (), b"", 0)


def _partial(fields: Fields, ranges: tuple[ByteRange, ...], length: int, boundary: bytes) -> Answer:
    fields = without_message_digests(fields.without({b"content-range"}))
    if len(ranges) == 1:
        (span,) = ranges
        fields = fields.adding((b"Content-Range", format_content_range(span, length)))
        return Answer(206, fields, (Part(b"", span),), b"", len(span))
    media_type = fields.first(b"content-type")
    typed = b"" if media_type is None else b"Content-Type: %s\r\n" % media_type
    parts = tuple(
        Part(
            b"\r\n--%s\r\n%sContent-Range: %s\r\n\r\n" % (boundary, typed, format_content_range(span, length)),
            span,
        )
        for span in ranges
    )
    tail = b"\r\n--%s--\r\n" % boundary
    total = sum(len(part.head) + len(part.span or ()) for part in parts) + len(tail)
    multipart = (b"Content-Type", b"multipart/byteranges; boundary=" + boundary)
    return Answer(206, fields.without({b"content-type"}).adding(multipart), parts, tail, total)
