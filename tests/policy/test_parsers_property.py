"""Whatever an origin or a client sends, a parser answers: with a value, with None or with its typed error."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxycache.errors import MalformedField, UnsatisfiableRange
from proxycache.policy.byterange import ContentRange, Unsatisfied, parse_content_range, parse_range, resolve, select
from proxycache.policy.fields import (
    MAX_DELTA_SECONDS,
    Fields,
    parse_date,
    parse_delta_seconds,
    parse_directives,
    split_list,
)
from proxycache.policy.freshness import (
    Reuse,
    Ttls,
    current_age,
    explicit_lifetime,
    lifetime,
    may_be_stale,
    may_serve_on_error,
    remaining,
    reuse,
)
from proxycache.policy.responding import answer, requested_ranges
from proxycache.policy.retrying import is_transient
from proxycache.policy.storing import refusal, renewed_fields, storable_fields, variant_matches, variant_of
from proxycache.policy.targeted import parse_surrogate, parse_targeted
from proxycache.policy.validators import (
    ETag,
    Verdict,
    evaluate_preconditions,
    parse_etag,
    parse_etag_list,
    range_applies,
    strong_validator,
)

from .casefile import load
from .samples import NOW, stored

FEW = settings(deadline=None, max_examples=200, derandomize=True)


def valid(file: str, key: str = "value") -> list[bytes]:
    """The values of the cases of a file, which are good and bad."""
    return [value for case in load(file) if (value := case.octets_or_none(key)) is not None]


@st.composite
def damaged(draw: st.DrawFn, values: list[bytes]) -> bytes:
    """A value with a stretch of it replaced: by octets, by a stretch of another one, or by a repetition of itself."""
    value = draw(st.sampled_from(values))
    start = draw(st.integers(0, len(value)))
    stop = draw(st.integers(start, min(len(value), start + 4)))
    other = draw(st.sampled_from(values))
    middle = draw(st.one_of(st.binary(max_size=3), st.just(other), st.just(value[start:stop] * 3)))
    return value[:start] + middle + value[stop:]


def octets_like(values: list[bytes]) -> st.SearchStrategy[bytes]:
    return st.one_of(st.binary(max_size=40), st.sampled_from(values), damaged(values))


@FEW
@given(octets_like(valid("ranges") + valid("range-selection")), st.integers(0, 5000))
@example(b"bytes=" + b"9" * 5000 + b"-", 10)
@example(b"bytes=" + b"0-," * 5000, 10)
def test_range(value: bytes, length: int) -> None:
    try:
        specs = parse_range(value)
    except MalformedField:
        assert requested_ranges(Fields([(b"Range", value)])) == ()
        return
    assert specs
    assert all(spec.first is not None or spec.last is not None for spec in specs)
    try:
        sent = select(specs, length)
    except UnsatisfiableRange:
        return
    if not sent:
        # The whole in place of ranges that ask for more.
        assert sum(len(part) for spec in specs if (part := resolve(spec, length)) is not None) > length
    assert all(0 <= part.start < part.stop <= length for part in sent)
    assert sum(len(part) for part in sent) <= length


@FEW
@given(octets_like(valid("content-range")))
@example(b"bytes 0-" + b"9" * 5000 + b"/*")
def test_content_range(value: bytes) -> None:
    try:
        part = parse_content_range(value)
    except MalformedField:
        return
    if isinstance(part, Unsatisfied):
        assert part.length >= 0
    else:
        assert isinstance(part, ContentRange)
        assert 0 <= part.start < part.stop
        assert part.length is None or part.stop <= part.length


@FEW
@given(octets_like(valid("dates")), st.integers(0, 2**33))
def test_dates(value: bytes, now: int) -> None:
    seconds = parse_date(value, now)
    assert seconds is None or type(seconds) is int


@FEW
@given(octets_like(valid("delta-seconds")))
@example(b"9" * 5000)
def test_delta_seconds(value: bytes) -> None:
    seconds = parse_delta_seconds(value)
    assert (seconds is not None) == (value != b"" and all(48 <= octet <= 57 for octet in value))
    assert seconds is None or 0 <= seconds <= MAX_DELTA_SECONDS


DIRECTIVES = [b'max-age=60, no-cache="a, b", public', b"s-maxage=5,stale-if-error=7", b'x="a\\"b"', b"private;x"]


@FEW
@given(octets_like(DIRECTIVES + valid("lists")))
def test_lists_and_directives(value: bytes) -> None:
    members = split_list(value)
    assert all(member and member == member.strip(b" \t") for member in members)
    assert split_list(b",".join(members)) == members
    for name, argument in parse_directives([value]).items():
        assert name == name.lower()
        assert argument is None or isinstance(argument, bytes)


TARGETED = [
    b'max-age=60, no-cache="a, b", public',
    b'a=:YWI=:, b=@1659578233, c=%"f%c3%bc", d=(1 2);e, f=?0',
    b"s-maxage=1.5, x=-5;y, z=*a/b",
    b"max-age=3600+600;proxycache, no-store;other",
]


@FEW
@given(octets_like(TARGETED))
@example(b"a=@999999999999999")
@example(b"a=@-999999999999999")
@example(b"a=:" + b"=" * 9 + b":")
def test_targeted_fields(value: bytes) -> None:
    for found in (parse_targeted(value), parse_surrogate([value])):
        for name, argument in (found or {}).items():
            assert isinstance(name, str)
            assert argument is None or isinstance(argument, bytes)


@FEW
@given(octets_like(valid("etags") + valid("etag-lists") + valid("if-range", "if_range")))
def test_entity_tags(value: bytes) -> None:
    tag, tags = parse_etag(value), parse_etag_list(value)
    for each in [tag, *(tags or [])]:
        if each is not None:
            assert parse_etag((b"W/" if each.weak else b"") + each.opaque) == each
    if tag is not None:
        assert tags == [tag] == [ETag(tag.opaque, tag.weak)]
    applies = range_applies(Fields([(b"If-Range", value)]), Fields([(b"ETag", value), (b"Last-Modified", value)]), NOW)
    assert applies in (True, False)
    assert not applies or tag is not None


NAMES = [
    b"Age", b"Authorization", b"Cache-Control", b"CDN-Cache-Control", b"Connection", b"Content-Range", b"Date", b"ETag",
    b"Expires", b"If-Match", b"If-Modified-Since", b"If-None-Match", b"If-Range", b"If-Unmodified-Since",
    b"Last-Modified", b"Pragma", b"Range", b"Set-Cookie", b"Surrogate-Control", b"Vary",
]  # fmt: skip

VALUES = sorted(
    {
        *DIRECTIVES, *TARGETED, *valid("dates")[:6], *valid("etags")[:6], *valid("ranges")[:6], b"*", b"Accept, *", b"",
        b"max-age=1, must-understand, no-store", b"min-fresh=5, max-stale", b"no-cache", b"stale-while-revalidate=9",
    }
)  # fmt: skip

lines = st.lists(
    st.tuples(st.sampled_from(NAMES), st.one_of(st.sampled_from(VALUES), damaged(VALUES), st.binary(max_size=12))),
    max_size=6,
).map(Fields)

seconds = st.one_of(st.none(), st.floats(0, 1e6))
ttls = st.builds(Ttls, seconds, seconds)


@FEW
@given(lines, lines, st.sampled_from([200, 206, 299, 404, 500, 599]), ttls, seconds, st.integers(-100, 10**6))
def test_decisions_about_arbitrary_fields(
    response: Fields, request: Fields, status: int, ttls: Ttls, allowed: float | None, resident: int
) -> None:
    moment = NOW - resident
    representation = stored(*response, status=status, request_time=moment - 1, response_time=moment)
    stated = explicit_lifetime(response, NOW)
    assert stated is None or stated >= 0
    assert lifetime(representation, ttls) >= 0
    assert current_age(representation, NOW) >= max(0, resident)
    assert type(remaining(representation, ttls, NOW)) is int
    decision = reuse(representation, request, ttls, NOW)
    assert decision in Reuse
    assert may_be_stale(response) or decision is not Reuse.STALE_WHILE_REVALIDATE
    for cut in (False, True):
        on_error = may_serve_on_error(representation, request, ttls, NOW, disconnected=cut, stale_if_error=allowed)
        assert may_be_stale(response) or not on_error
    refused = refusal(status, request, response, ttls, NOW)
    assert refused is None or isinstance(refused, str)
    assert is_transient(status, response) in (True, False)


@FEW
@given(lines, lines, lines, st.sampled_from(["GET", "HEAD"]), st.one_of(st.none(), st.integers(0, 500)))
def test_answers_out_of_arbitrary_fields(
    response: Fields, request: Fields, newer: Fields, method: str, length: int | None
) -> None:
    assert evaluate_preconditions(request, response, NOW) in Verdict
    validator = strong_validator(response, NOW)
    assert validator is None or validator.value
    assert variant_matches(variant_of(response, request), request)
    kept = storable_fields(206, response)
    assert storable_fields(206, kept) == kept
    assert renewed_fields(renewed_fields(kept, newer), newer) == renewed_fields(kept, newer)
    found = answer(stored(*response, length=length), request, method, NOW, always_partial=False, boundary=b"x")
    assert found.status in (200, 206, 304, 412, 416)


PARSERS: list[Callable[[bytes], Any]] = [
    parse_range,
    parse_content_range,
    lambda value: parse_date(value, NOW),
    parse_delta_seconds,
    split_list,
    lambda value: parse_directives([value]),
    parse_targeted,
    lambda value: parse_surrogate([value]),
    parse_etag,
    parse_etag_list,
]


@pytest.mark.parametrize("parse", PARSERS)
def test_every_octet_alone(parse: Callable[[bytes], Any]) -> None:
    for octet in range(256):
        try:
            parse(bytes((octet,)))
        except MalformedField:
            pass
