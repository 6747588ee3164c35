"""Entity tags, strong validators and If-Range (RFC 9110, sections 8.8 and 13.1.5)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.policy.fields import Fields
from proxycache.policy.validators import (
    ETag,
    Validator,
    parse_etag,
    parse_etag_list,
    range_applies,
    strong_validator,
)

from .samples import NOW, http_date


@pytest.mark.parametrize(
    ("one", "other", "strong", "weak"),
    [
        (b'W/"1"', b'W/"1"', False, True),
        (b'W/"1"', b'W/"2"', False, False),
        (b'W/"1"', b'"1"', False, True),
        (b'"1"', b'W/"1"', False, True),
        (b'"1"', b'"1"', True, True),
        (b'"1"', b'"2"', False, False),
    ],
)
def test_comparisons_of_section_8_8_3_2(one: bytes, other: bytes, strong: bool, weak: bool) -> None:
    first, second = parse_etag(one), parse_etag(other)
    assert first is not None
    assert first.strongly_equals(second) is strong
    assert first.weakly_equals(second) is weak


def test_nothing_equals_no_tag() -> None:
    assert not ETag(b'"1"').strongly_equals(None)
    assert not ETag(b'"1"').weakly_equals(None)


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        (b'"xyzzy"', ETag(b'"xyzzy"')),
        (b'W/"xyzzy"', ETag(b'"xyzzy"', weak=True)),
        (b'""', ETag(b'""')),
        (b' "a,b" ', ETag(b'"a,b"')),
        (b'"\\"', ETag(b'"\\"')),
        (b'"\xff"', ETag(b'"\xff"')),
        (None, None),
        (b"", None),
        (b"xyzzy", None),
        (b"'xyzzy'", None),
        (b'"xyzzy', None),
        (b'xyzzy"', None),
        (b'w/"xyzzy"', None),
        (b'W/ "xyzzy"', None),
        (b'"a" "b"', None),
        (b'"a b"', None),
        (b'"a"b"', None),
        (b'"a\n"', None),
        (b'"a"\n', None),
        (b"*", None),
    ],
)
def test_entity_tags(value: bytes | None, tag: ETag | None) -> None:
    assert parse_etag(value) == tag


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        (b"", []),
        (b'"a"', [ETag(b'"a"')]),
        (b'"a", W/"b"', [ETag(b'"a"'), ETag(b'"b"', weak=True)]),
        (b'"a,b","c"', [ETag(b'"a,b"'), ETag(b'"c"')]),
        (b',, "a" ,', [ETag(b'"a"')]),
        (b'"a" "b"', None),
        (b'"a", b', None),
        (b"*", None),
        (b'"a", *', None),
        (b'"a', None),
    ],
)
def test_lists_of_entity_tags(value: bytes, tags: list[ETag] | None) -> None:
    assert parse_etag_list(value) == tags


opaque = st.text("abc,;/W *", max_size=6).map(lambda text: b'"%s"' % text.replace(" ", "").encode())


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.lists(st.builds(ETag, opaque, st.booleans()), min_size=1), st.sampled_from([b",", b" , ", b",,"]))
def test_a_list_of_tags_reads_back(tags: list[ETag], comma: bytes) -> None:
    assert parse_etag_list(comma.join((b"W/" if tag.weak else b"") + tag.opaque for tag in tags)) == tags


@settings(deadline=None, max_examples=500, derandomize=True)
@given(st.one_of(st.binary(max_size=30), st.text('W/", *ab', max_size=30).map(str.encode)))
def test_arbitrary_bytes_are_never_an_error(value: bytes) -> None:
    parse_etag(value)
    parse_etag_list(value)
    request = Fields([(b"If-Range", value)])
    assert range_applies(request, Fields([(b"ETag", value)]), NOW) in (True, False)


MODIFIED, WELL_BEFORE, JUST_BEFORE = http_date(NOW - 3600), http_date(NOW - 60), http_date(NOW - 59)
DATE = http_date(NOW)


@pytest.mark.parametrize(
    ("lines", "validator"),
    [
        ([], None),
        ([(b"ETag", b'"a"')], Validator(b'"a"')),
        ([(b"ETag", b' "a" ')], Validator(b'"a"')),
        ([(b"ETag", b'W/"a"')], None),
        ([(b"ETag", b'W/"a"'), (b"Last-Modified", MODIFIED), (b"Date", DATE)], None),
        ([(b"ETag", b'"a"'), (b"Last-Modified", MODIFIED), (b"Date", DATE)], Validator(b'"a"')),
        ([(b"Last-Modified", MODIFIED), (b"Date", DATE)], Validator(MODIFIED, is_date=True)),
        ([(b"Last-Modified", WELL_BEFORE), (b"Date", DATE)], Validator(WELL_BEFORE, is_date=True)),
        ([(b"Last-Modified", JUST_BEFORE), (b"Date", DATE)], None),
        ([(b"Last-Modified", MODIFIED)], None),
        ([(b"Last-Modified", b"yesterday"), (b"Date", DATE)], None),
        ([(b"Last-Modified", MODIFIED), (b"Date", b"today")], None),
        ([(b"Last-Modified", DATE), (b"Date", MODIFIED)], None),
        (
            [(b"ETag", b"unquoted"), (b"Last-Modified", MODIFIED), (b"Date", DATE)],
            Validator(MODIFIED, is_date=True),
        ),
    ],
)
def test_strong_validators(lines: list[tuple[bytes, bytes]], validator: Validator | None) -> None:
    assert strong_validator(Fields(lines), NOW) == validator


STRONG = Fields([(b"ETag", b'"a"'), (b"Last-Modified", MODIFIED), (b"Date", DATE)])
WEAK = Fields([(b"ETag", b'W/"a"'), (b"Last-Modified", DATE), (b"Date", DATE)])
BARE = Fields([(b"Date", DATE)])


@pytest.mark.parametrize(
    ("if_range", "stored", "applies"),
    [
        (None, STRONG, True),
        (None, BARE, True),
        (b'"a"', STRONG, True),
        (b'"b"', STRONG, False),
        (b'W/"a"', STRONG, False),
        (b'"a"', WEAK, False),
        (b'W/"a"', WEAK, False),
        (b'"a"', BARE, False),
        (b'"a", "b"', STRONG, False),
        (b"*", STRONG, False),
        (b"a", STRONG, False),
        (MODIFIED, STRONG, True),
        (http_date(NOW - 3599), STRONG, False),
        (http_date(NOW - 3601), STRONG, False),
        (DATE, STRONG, False),
        (DATE, WEAK, False),
        (MODIFIED, BARE, False),
        (b"yesterday", STRONG, False),
        (b"", STRONG, False),
    ],
)
def test_if_range(if_range: bytes | None, stored: Fields, applies: bool) -> None:
    request = Fields([] if if_range is None else [(b"If-Range", if_range)])
    assert range_applies(request, stored, NOW) is applies


def test_a_date_without_date_beside_it_is_no_strong_validator() -> None:
    stored = Fields([(b"Last-Modified", MODIFIED)])
    assert not range_applies(Fields([(b"If-Range", MODIFIED)]), stored, NOW)
