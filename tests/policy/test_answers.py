"""Is an origin's answer what was asked for (RFC 9110, sections 14.4 and 15.3.7)?"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.errors import InvalidAnswer, ObjectChanged
from proxycache.policy.answers import (
    MAX_LENGTH,
    BodyExtent,
    body_extent,
    check_version,
    confirms,
    contradicts,
    end_told,
    outdates,
)
from proxycache.policy.byterange import ByteRange, RangeSpec, format_content_range, parse_range, resolve
from proxycache.policy.fields import Fields
from proxycache.policy.validators import binding_validator

from .casefile import Case, cases
from .samples import NOW, stored


def or_none(number: int | str) -> int | None:
    return number if isinstance(number, int) else None


@cases("parts", "status", "asked", "response", "body", "extent")
def test_the_bytes_that_a_body_carries(case: Case) -> None:
    asked = parse_range(case.octets("asked"))[0] if "asked" in case else None
    body = None if case["body"] < 0 else case["body"]
    if case["extent"] == "invalid":
        with pytest.raises(InvalidAnswer):
            body_extent(case["status"], case.fields("response"), asked, body)
        return
    start, stop, length = case["extent"]
    found = body_extent(case["status"], case.fields("response"), asked, body)
    assert found == BodyExtent(start, or_none(stop), or_none(length))


def test_the_longest_body() -> None:
    assert MAX_LENGTH == 4611686018427387904, "the cases have this one, and one more"


def with_range(value: bytes) -> Fields:
    return Fields([(b"Content-Range", value)])


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


@cases("versions", "known", "status", "response", "extent", "verdict")
def test_is_it_the_version_that_is_known(case: Case) -> None:
    fields = case.fields("known")
    known = stored(*fields, length=100, validator=binding_validator(fields, 100, NOW))
    start, stop, length = case["extent"]
    extent = BodyExtent(start, or_none(stop), or_none(length))
    match case["verdict"]:
        case "same":
            check_version(known, case["status"], case.fields("response"), extent, NOW)
        case "changed" | "uncertain" as verdict:
            with pytest.raises(ObjectChanged if verdict == "changed" else InvalidAnswer):
                check_version(known, case["status"], case.fields("response"), extent, NOW)
        case verdict:
            raise AssertionError(verdict)


@cases("ends", "response", "ends")
def test_a_416_may_tell_where_the_object_ends(case: Case) -> None:
    if case["ends"]:
        assert end_told(case.fields("response"), 100) == BodyExtent(100, 100, 100)
        return
    with pytest.raises(ObjectChanged):
        end_told(case.fields("response"), 100)


@cases("contradictions", "known", "response", "contradicts")
def test_a_304_that_tells_of_another_version(case: Case) -> None:
    assert contradicts(stored(*case.fields("known")), case.fields("response"), NOW) is case["contradicts"]


@cases("confirming", "known", "response", "length", "confirms")
def test_an_answer_without_the_body_that_tells_of_the_known_version(case: Case) -> None:
    known = stored(*case.fields("known"))
    assert confirms(known, case.fields("response"), case.get("length"), NOW) is case["confirms"]


@cases("outdating", "known", "request", "status", "response", "body", "outdates")
def test_what_makes_the_known_version_out_of_date(case: Case) -> None:
    known = stored(*case.fields("known"))
    outdated = outdates(known, case.fields("request"), case["status"], case.fields("response"), case.get("body"), NOW)
    assert outdated is case["outdates"]
