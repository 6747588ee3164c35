"""Header lines, lists and directives."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.policy.fields import (
    HOP_BY_HOP,
    MAX_DELTA_SECONDS,
    Fields,
    parse_delta_seconds,
    parse_directives,
    split_list,
)

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


@pytest.mark.parametrize(
    ("value", "members"),
    [
        (b"", []),
        (b" , ,\t", []),
        (b"a", [b"a"]),
        (b"a,b", [b"a", b"b"]),
        (b" a\t, b c ,", [b"a", b"b c"]),
        (b'"a,b",c', [b'"a,b"', b"c"]),
        (rb'"a\",b",c', [rb'"a\",b"', b"c"]),
        (rb'"a\\",b', [rb'"a\\"', b"b"]),
        (b'x="1,2", y', [b'x="1,2"', b"y"]),
        (b'"open, b', [b'"open, b']),
    ],
)
def test_split_list(value: bytes, members: list[bytes]) -> None:
    assert split_list(value) == members


plain_member = st.text("abcXYZ019=-_*/\\ ", min_size=1).map(str.strip).filter(bool).map(str.encode)
quoted_member = st.text('abc,; \\"', max_size=8).map(
    lambda text: b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'
)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.lists(st.one_of(plain_member, quoted_member)), st.sampled_from([b",", b", ", b" ,,\t"]))
def test_a_joined_list_splits_into_its_members(members: list[bytes], comma: bytes) -> None:
    assert split_list(comma.join(members)) == members


@settings(deadline=None, max_examples=500, derandomize=True)
@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_never_an_error(value: bytes) -> None:
    members = split_list(value)
    assert all(member and member == member.strip(b" \t") for member in members)
    assert split_list(b",".join(members)) == members
    for name, argument in parse_directives([value]).items():
        assert name == name.lower()
        assert argument is None or isinstance(argument, bytes)
    seconds = parse_delta_seconds(value)
    assert seconds is None or 0 <= seconds <= MAX_DELTA_SECONDS


@pytest.mark.parametrize(
    ("values", "directives"),
    [
        ([], {}),
        ([b""], {}),
        ([b"no-cache"], {"no-cache": None}),
        ([b"Max-Age=60, PUBLIC"], {"max-age": b"60", "public": None}),
        ([b"max-age=60", b"no-store"], {"max-age": b"60", "no-store": None}),
        ([b"max-age=1, max-age=2"], {"max-age": b"1"}),
        ([b'max-age="60"'], {"max-age": b"60"}),
        ([b'no-cache="set-cookie, x", a'], {"no-cache": b"set-cookie, x", "a": None}),
        ([rb'x="a\"b"'], {"x": b'a"b'}),
        ([b"max-age="], {"max-age": b""}),
        ([b"max-age =60"], {}),
        ([b"=60, (bad), ok"], {"ok": None}),
        ([b"max-age=1=2"], {"max-age": b"1=2"}),
        ([b"ext=\xff"], {"ext": b"\xff"}),
    ],
)
def test_directives(values: list[bytes], directives: dict[str, bytes | None]) -> None:
    assert parse_directives(values) == directives


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"0", 0),
        (b"60", 60),
        (b"007", 7),
        (b"2147483647", 2**31 - 1),
        (b"2147483648", 2**31),
        (b"2147483649", 2**31),
        (b"99999999999", 2**31),
        (b"0" * 50 + b"1", 1),
        (b"9" * 5000, 2**31),
        (None, None),
        (b"", None),
        (b"-1", None),
        (b"+1", None),
        (b"1.5", None),
        (b"1e3", None),
        (b" 1", None),
        (b"1 ", None),
        (b"1, 2", None),
        (b"0x10", None),
        (b"one", None),
        ("\N{ARABIC-INDIC DIGIT ONE}".encode(), None),
    ],
)
def test_delta_seconds(value: bytes | None, seconds: int | None) -> None:
    assert parse_delta_seconds(value) == seconds
