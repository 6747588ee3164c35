"""Entity tags and strong validators (RFC 9110, section 8.8)."""

from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.policy.validators import (
    ETag,
    Validator,
    binding_validator,
    if_range,
    parse_etag,
    parse_etag_list,
    revalidating_fields,
    strong_validator,
)

from .casefile import Case, cases, octets
from .samples import NOW


@cases("etag-comparison", "one", "other", "strong", "weak")
def test_comparisons(case: Case) -> None:
    one, other = parse_etag(case.octets("one")), parse_etag(case.octets_or_none("other"))
    assert one is not None
    assert one.strongly_equals(other) is case["strong"]
    assert one.weakly_equals(other) is case["weak"]


@cases("etags", "value", "opaque", "weak")
def test_entity_tags(case: Case) -> None:
    opaque = case.octets_or_none("opaque")
    expected = None if opaque is None else ETag(opaque, case.get("weak", False))
    assert parse_etag(case.octets_or_none("value")) == expected


def written(tag: ETag) -> bytes:
    return (b"W/" if tag.weak else b"") + tag.opaque


@cases("etag-lists", "value", "tags")
def test_lists_of_entity_tags(case: Case) -> None:
    tags = parse_etag_list(case.octets("value"))
    expected = case.outcome("tags")
    assert (None if tags is None else [written(tag) for tag in tags]) == (expected and [*map(octets, expected)])


opaque = st.text("abc,;/W*", max_size=6).map(lambda text: b'"%s"' % text.encode())


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.lists(st.builds(ETag, opaque, st.booleans()), min_size=1, max_size=5), st.sampled_from([b",", b" , ", b",,"]))
def test_a_list_of_tags_reads_back(tags: list[ETag], comma: bytes) -> None:
    assert parse_etag_list(comma.join(map(written, tags))) == tags


@cases("strong-validators", "response", "validator", "date")
def test_strong_validators(case: Case) -> None:
    value = case.octets_or_none("validator")
    expected = None if value is None else Validator(value, is_date=case.get("date", False))
    assert strong_validator(case.fields("response"), NOW) == expected


@cases("binding-validators", "response", "length", "validator", "if_range")
def test_binding_validators(case: Case) -> None:
    response, length = case.fields("response"), case.get("length", 1000)
    found = binding_validator(response, None if length < 0 else length, NOW)
    assert (found and found.value) == case.octets_or_none("validator")
    condition = ((b"If-Range", found.value),) if found is not None and case["if_range"] else ()
    assert if_range(found, response) == condition


@cases("conditions", "stored", "asked")
def test_what_a_stored_response_is_asked_about_with(case: Case) -> None:
    assert revalidating_fields(case.fields("stored"), NOW) == case.fields("asked").lines
