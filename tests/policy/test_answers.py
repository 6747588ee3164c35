"""Is an origin's answer what was asked for (RFC 9110, sections 14.4 and 15.3.7)?"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.errors import InvalidAnswer, ObjectChanged
from proxycache.policy.answers import MAX_LENGTH, BodyExtent, body_extent, check_version, end_told
from proxycache.policy.byterange import ByteRange, RangeSpec, format_content_range, resolve
from proxycache.policy.entry import Representation
from proxycache.policy.fields import Fields, Line
from proxycache.policy.validators import Validator

from .samples import NOW, http_date, stored

FIRST_TEN, FROM_TEN, LAST_TEN = RangeSpec(0, 9), RangeSpec(10, None), RangeSpec(None, 10)


def with_range(*values: bytes) -> Fields:
    return Fields((b"Content-Range", value) for value in values)


@pytest.mark.parametrize("asked", [None, FIRST_TEN, FROM_TEN, LAST_TEN])
@pytest.mark.parametrize("length", [None, 0, 100])
def test_a_200_is_the_whole_object(asked: RangeSpec | None, length: int | None) -> None:
    assert body_extent(200, Fields(), asked, length) == BodyExtent(0, length, length)


@pytest.mark.parametrize("status", [200, 206])
def test_an_absurd_length_is_none(status: int) -> None:
    with pytest.raises(InvalidAnswer):
        body_extent(status, with_range(b"bytes 0-9/100"), FIRST_TEN, MAX_LENGTH + 1)
    assert body_extent(200, Fields(), None, MAX_LENGTH).length == MAX_LENGTH


def test_content_range_on_a_200_is_a_field_like_any_other() -> None:
    assert body_extent(200, with_range(b"bytes 10-19/100"), FROM_TEN, 90) == BodyExtent(0, 90, 90)


@pytest.mark.parametrize(
    ("asked", "content_range", "body_length", "extent"),
    [
        (FIRST_TEN, b"bytes 0-9/100", 10, BodyExtent(0, 10, 100)),
        (FIRST_TEN, b"bytes 0-9/100", None, BodyExtent(0, 10, 100)),
        (FIRST_TEN, b"bytes 0-9/*", 10, BodyExtent(0, 10, None)),
        (FIRST_TEN, b"bytes 0-4/100", 5, BodyExtent(0, 5, 100)),
        (FIRST_TEN, b"bytes 0-99/100", 100, BodyExtent(0, 100, 100)),
        (FROM_TEN, b"bytes 10-99/100", 90, BodyExtent(10, 100, 100)),
        (FROM_TEN, b"bytes 10-10/100", 1, BodyExtent(10, 11, 100)),
        (LAST_TEN, b"bytes 90-99/100", 10, BodyExtent(90, 100, 100)),
        (LAST_TEN, b"bytes 0-4/5", 5, BodyExtent(0, 5, 5)),
    ],
)
def test_parts_that_fit(asked: RangeSpec, content_range: bytes, body_length: int | None, extent: BodyExtent) -> None:
    assert body_extent(206, with_range(content_range), asked, body_length) == extent


@pytest.mark.parametrize(
    ("asked", "fields", "body_length"),
    [
        (None, with_range(b"bytes 0-9/100"), 10),
        (FIRST_TEN, Fields(), 10),
        (FIRST_TEN, Fields([(b"Content-Type", b"multipart/byteranges; boundary=x")]), 100),
        (FIRST_TEN, with_range(b"bytes 0-9/100", b"bytes 0-9/100"), 10),
        (FIRST_TEN, with_range(b"bytes 0-9/100, bytes 20-29/100"), 20),
        (FIRST_TEN, with_range(b"bytes */100"), 10),
        (FIRST_TEN, with_range(b"bytes 0-9/5"), 10),
        (FIRST_TEN, with_range(b"rubbish"), 10),
        (FIRST_TEN, with_range(b"bytes 1-9/100"), 9),
        (FIRST_TEN, with_range(b"bytes 0-9/100"), 9),
        (FIRST_TEN, with_range(b"bytes 0-9/100"), 100),
        (FROM_TEN, with_range(b"bytes 0-99/100"), 100),
        (FROM_TEN, with_range(b"bytes 9-99/100"), 91),
        (FROM_TEN, with_range(b"bytes 11-99/100"), 89),
        (LAST_TEN, with_range(b"bytes 90-99/*"), 10),
        (LAST_TEN, with_range(b"bytes 89-99/100"), 11),
        (LAST_TEN, with_range(b"bytes 91-99/100"), 9),
    ],
)
def test_parts_that_do_not(asked: RangeSpec | None, fields: Fields, body_length: int) -> None:
    with pytest.raises(InvalidAnswer):
        body_extent(206, fields, asked, body_length)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.integers(1, 50), st.integers(0, 60), st.one_of(st.none(), st.integers(0, 60)))
def test_a_server_that_follows_the_section_is_understood(length: int, first: int, size: int | None) -> None:
    asked = RangeSpec(first, None if size is None else first + size)
    part = resolve(asked, length)
    if part is None:
        return
    fields = with_range(format_content_range(part, length))
    assert body_extent(206, fields, asked, len(part)) == BodyExtent(part.start, part.stop, length)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.integers(1, 50), st.data())
def test_a_body_is_never_put_at_another_place_than_asked(length: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, length - 1))
    stop = data.draw(st.integers(start + 1, length))
    asked = RangeSpec(data.draw(st.integers(0, length)), None)
    fields = with_range(format_content_range(ByteRange(start, stop), length))
    if start == asked.first:
        assert body_extent(206, fields, asked, stop - start).start == asked.first
    else:
        with pytest.raises(InvalidAnswer):
            body_extent(206, fields, asked, stop - start)


MODIFIED, DATE = http_date(NOW - 3600), http_date(NOW)
TAGGED = stored((b"ETag", b'"a"'), length=100, validator=Validator(b'"a"'))
DATED = stored((b"Last-Modified", MODIFIED), length=100, validator=Validator(MODIFIED, is_date=True))
ZIPPED = stored((b"ETag", b'"a"'), (b"Content-Encoding", b"gzip"), length=100, validator=Validator(b'"a"'))
BARE = stored(length=100)
WEAK = stored((b"ETag", b'W/"a"'), length=100)
WHOLE, PART = BodyExtent(0, 100, 100), BodyExtent(10, 20, 100)


@pytest.mark.parametrize(
    ("known", "status", "lines", "extent"),
    [
        (TAGGED, 206, [(b"ETag", b'"a"')], PART),
        (TAGGED, 200, [(b"ETag", b'"a"')], WHOLE),
        (ZIPPED, 206, [(b"ETag", b'"a"'), (b"Content-Encoding", b"gzip")], PART),
        (DATED, 206, [(b"Last-Modified", MODIFIED), (b"Date", DATE)], PART),
        (DATED, 206, [(b"Last-Modified", MODIFIED)], PART),
        (BARE, 206, [], PART),
        (BARE, 206, [(b"ETag", b'"a"')], PART),
        (WEAK, 206, [(b"ETag", b'W/"a"')], PART),
        (TAGGED, 200, [(b"ETag", b'"a"')], BodyExtent(0, None, None)),
    ],
)
def test_the_same_version(known: Representation, status: int, lines: list[Line], extent: BodyExtent) -> None:
    check_version(known, status, Fields(lines), extent, NOW)


@pytest.mark.parametrize(
    ("known", "status", "lines", "extent", "error"),
    [
        (TAGGED, 206, [(b"ETag", b'"b"')], PART, ObjectChanged),
        (TAGGED, 200, [(b"ETag", b'"b"')], WHOLE, ObjectChanged),
        (TAGGED, 200, [], WHOLE, ObjectChanged),
        (TAGGED, 206, [(b"ETag", b'"a"')], BodyExtent(10, 20, 101), ObjectChanged),
        (TAGGED, 206, [(b"ETag", b'"a"')], BodyExtent(10, 20, None), InvalidAnswer),
        (TAGGED, 206, [], PART, InvalidAnswer),
        (TAGGED, 206, [(b"ETag", b'W/"a"')], PART, InvalidAnswer),
        (TAGGED, 206, [(b"ETag", b'"a"'), (b"Content-Encoding", b"gzip")], PART, InvalidAnswer),
        (ZIPPED, 206, [(b"ETag", b'"a"')], PART, InvalidAnswer),
        (DATED, 206, [(b"Last-Modified", DATE), (b"Date", DATE)], PART, ObjectChanged),
        (DATED, 206, [], PART, InvalidAnswer),
        (BARE, 206, [], BodyExtent(10, 20, 101), ObjectChanged),
        (BARE, 200, [], BodyExtent(0, None, None), ObjectChanged),
        (WEAK, 206, [(b"ETag", b'W/"b"')], PART, ObjectChanged),
        (WEAK, 206, [(b"ETag", b'"a"')], PART, ObjectChanged),
    ],
)
def test_another_version_or_no_certainty(
    known: Representation, status: int, lines: list[Line], extent: BodyExtent, error: type[Exception]
) -> None:
    with pytest.raises(error):
        check_version(known, status, Fields(lines), extent, NOW)


def test_a_416_may_tell_where_the_object_ends() -> None:
    assert end_told(Fields([(b"Content-Range", b"bytes */100")]), 100) == BodyExtent(100, 100, 100)


@pytest.mark.parametrize("value", [None, b"bytes */99", b"bytes */101", b"bytes */*", b"bytes 0-99/100", b"100"])
def test_a_416_that_does_not_tell(value: bytes | None) -> None:
    with pytest.raises(ObjectChanged):
        end_told(Fields([] if value is None else [(b"Content-Range", value)]), 100)
