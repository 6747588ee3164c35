"""Header lines, lists and directives."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.policy.fields import (
    HOP_BY_HOP,
    Fields,
    parse_content_length,
    parse_delta_seconds,
    parse_directives,
    split_list,
)

from .casefile import Case, cases, octets

SAMPLE = Fields([(b"ETag", b'"a"'), (b"X-List", b"one, two"), (b"x-list", b'"three, four",, five ')])


def test_names_compare_without_case() -> None:
    assert SAMPLE.all(b"X-LIST") == [b"one, two", b'"three, four",, five ']
    assert SAMPLE.first(b"eTag") == b'"a"'
    assert SAMPLE.first(b"x-list") == b"one, two"
    assert SAMPLE.first(b"absent") is None


def test_joined_and_members() -> None:
    assert SAMPLE.joined(b"x-list") == b'one, two, "three, four",, five '
    assert SAMPLE.joined(b"absent") is None
    assert SAMPLE.members(b"x-list") == [b"one", b"two", b'"three, four"', b"five"]


def test_order_and_duplicates_are_kept() -> None:
    lines = [(b"B", b"1"), (b"A", b"2"), (b"B", b"1")]
    assert list(Fields(lines)) == lines
    assert list(Fields(lines).adding((b"A", b"3"))) == [*lines, (b"A", b"3")]


def test_without() -> None:
    assert list(SAMPLE.without({b"x-list"})) == [(b"ETag", b'"a"')]
    assert SAMPLE.without({b"absent"}) == SAMPLE


def test_end_to_end_drops_what_belongs_to_the_connection() -> None:
    fields = Fields(
        [
            (b"Connection", b"close, X-Hop"),
            (b"connection", b'"quoted, X-Kept", x-other'),
            (b"X-Hop", b"1"),
            (b"X-Other", b"2"),
            (b"X-Kept", b"3"),
            *((name.title(), b"4") for name in sorted(HOP_BY_HOP - {b"connection"})),
            (b"Content-Type", b"video/mp4"),
        ]
    )
    assert list(fields.end_to_end()) == [(b"X-Kept", b"3"), (b"Content-Type", b"video/mp4")]


@pytest.mark.parametrize(
    "name",
    [b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade"],
)
def test_fields_of_section_7_6_1_are_hop_by_hop(name: bytes) -> None:
    assert name in HOP_BY_HOP


def test_newer_fields_take_the_place_of_all_their_namesakes() -> None:
    newer = Fields([(b"X-LIST", b"six"), (b"x-list", b"seven"), (b"Date", b"now")])
    assert list(SAMPLE.updated(newer)) == [(b"ETag", b'"a"'), *newer]


@cases("lists", "value", "members")
def test_split_list(case: Case) -> None:
    assert split_list(case.octets("value")) == [octets(member) for member in case["members"]]


plain_member = st.text("abcXYZ019=-_*/\\ ", min_size=1).map(str.strip).filter(bool).map(str.encode)
quoted_member = st.text('abc,; \\"', max_size=8).map(
    lambda text: b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'
)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.lists(st.one_of(plain_member, quoted_member)), st.sampled_from([b",", b", ", b" ,,\t"]))
def test_a_joined_list_splits_into_its_members(members: list[bytes], comma: bytes) -> None:
    assert split_list(comma.join(members)) == members


@cases("directives", "values", "directives")
def test_directives(case: Case) -> None:
    found = parse_directives(octets(value) for value in case["values"])
    assert found == {
        name: None if argument is True else octets(argument) for name, argument in case["directives"].items()
    }


@cases("delta-seconds", "value", "seconds")
def test_delta_seconds(case: Case) -> None:
    assert parse_delta_seconds(case.octets_or_none("value")) == case.outcome("seconds")


@cases("content-length", "value", "bytes")
def test_content_length(case: Case) -> None:
    assert parse_content_length(case.octets_or_none("value")) == case.outcome("bytes")
