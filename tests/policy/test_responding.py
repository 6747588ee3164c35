"""Answers out of a stored response (RFC 9110, sections 13 to 15)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.policy.byterange import ByteRange, resolve
from proxycache.policy.fields import Fields, Line
from proxycache.policy.responding import Answer, answer, requested_ranges

from .casefile import Case, cases
from .samples import NOW, http_date, stored

BOUNDARY = b"0123456789abcdef"
LINES: tuple[Line, ...] = (
    (b"Content-Type", b"video/mp4"),
    (b"Content-Language", b"en"),
    (b"Cache-Control", b"max-age=60"),
    (b"ETag", b'"a"'),
    (b"Last-Modified", http_date(NOW - 3600)),
    (b"Date", http_date(NOW)),
    (b"Age", b"7"),
    (b"Vary", b"Accept"),
    (b"X-Other", b"x"),
)


def ask(
    *request: Line,
    method: str = "GET",
    length: int | None = 1000,
    status: int = 200,
    always_partial: bool = False,
    lines: tuple[Line, ...] = LINES,
) -> Answer:
    representation = stored(*lines, status=status, length=length)
    return answer(representation, Fields(request), method, NOW, always_partial=always_partial, boundary=BOUNDARY)


def spans(found: Answer) -> list[tuple[int, int] | None]:
    return [None if part.span is None else (part.span.start, part.span.stop) for part in found.parts]


def body_length(found: Answer) -> int:
    return sum(len(part.head) + len(part.span or ()) for part in found.parts) + len(found.tail)


def test_the_whole() -> None:
    found = ask()
    assert (found.status, spans(found), found.length, found.tail) == (200, [(0, 1000)], 1000, b"")
    assert found.fields.all(b"accept-ranges") == [b"bytes"]
    assert found.fields.all(b"age") == [b"7"]
    assert found.fields.first(b"content-length") is None
    assert found.fields.first(b"x-other") == b"x"


def test_the_length_is_ours_to_tell() -> None:
    found = ask(lines=(*LINES, (b"Content-Length", b"5"), (b"Accept-Ranges", b"none")))
    assert found.length == 1000
    assert found.fields.all(b"content-length") == []
    assert found.fields.all(b"accept-ranges") == [b"bytes"]


@cases(
    "responses",
    "method",
    "request",
    "status",
    "length",
    "always_partial",
    "answer",
    "spans",
    "content_range",
    "content_length",
)
def test_answers(case: Case) -> None:
    length = case.get("length", 1000)
    found = ask(
        *case.fields("request"),
        method=case.get("method", "GET"),
        length=None if length < 0 else length,
        status=case.get("status", 200),
        always_partial=case.get("always_partial", False),
    )
    expected = [None] if case["spans"] == "all" else [tuple(span) for span in case["spans"]]
    assert (found.status, spans(found), found.tail) == (case["answer"], expected, b"")
    told = case.get("content_length", body_length(found))
    assert found.length == (None if told < 0 else told)
    content_range = case.octets_or_none("content_range")
    assert found.fields.all(b"content-range") == ([] if content_range is None else [content_range])
    if case.get("method") == "HEAD" and found.status == 200:
        assert found == ask(method="HEAD", length=found.length), "Range means nothing to HEAD"
    names = sorted(name.lower() for name, _ in found.fields)
    match found.status:
        case 304:
            assert names == sorted([b"cache-control", b"etag", b"last-modified", b"date", b"vary", b"age"])
        case 412 | 416:
            assert b"content-type" not in names
        case _:
            assert found.fields.all(b"content-type") == [b"video/mp4"]
            assert {b"etag", b"age", b"x-other"} <= set(names)
            assert (b"accept-ranges" in names) is (found.status in (200, 206) and length >= 0)


def test_a_304_carries_what_a_200_would_have_of_these() -> None:
    """RFC 9110, section 15.4.5."""
    lines = (*LINES, (b"Expires", http_date(NOW)), (b"Content-Location", b"/x"), (b"Set-Cookie", b"a=b"))
    found = ask((b"If-None-Match", b'"a"'), lines=lines)
    kept = (
        b"cache-control",
        b"etag",
        b"last-modified",
        b"date",
        b"vary",
        b"expires",
        b"content-location",
        b"set-cookie",
        b"age",
    )
    assert [name.lower() for name, _ in found.fields] == list(kept)


@pytest.mark.parametrize(
    ("value", "content_range"),
    [(b"bytes=0-9", [b"bytes 0-9/1000"]), (b"bytes=5000-", [b"bytes */1000"]), (b"bytes=500-509,0-9", [])],
)
def test_a_content_range_that_was_stored_with_a_200_is_not_that_of_a_part(
    value: bytes, content_range: list[bytes]
) -> None:
    """RFC 9110, section 14.4."""
    found = ask((b"Range", value), lines=(*LINES, (b"Content-Range", b"bytes 3-4/5")))
    assert found.fields.all(b"content-range") == content_range


MESSAGE: tuple[Line, ...] = ((b"Content-MD5", b"a"), (b"content-digest", b"b"), (b"X-Amz-Checksum-SHA256", b"c"))


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ((), 200),
        (((b"Range", b"bytes=0-9"),), 206),
        (((b"Range", b"bytes=0-"),), 206),
        (((b"Range", b"bytes=0-9,50-59"),), 206),
        (((b"Range", b"bytes=5000-"),), 416),
        (((b"If-Match", b'"other"'),), 412),
        (((b"If-None-Match", b'"a"'),), 304),
    ],
)
def test_digests_of_the_whole_are_on_the_whole_alone(asked: tuple[Line, ...], status: int) -> None:
    found = ask(*asked, lines=(*LINES, *MESSAGE, (b"Repr-Digest", b"d")))
    assert found.status == status
    assert [line for line in found.fields if line in MESSAGE] == (list(MESSAGE) if status == 200 else [])
    assert (found.fields.first(b"repr-digest") is None) is (status == 304)


def test_several_ranges() -> None:
    found = ask((b"Range", b"bytes=500-509,0-9"))
    assert (found.status, spans(found)) == (206, [(500, 510), (0, 10)])
    assert found.fields.all(b"content-type") == [b"multipart/byteranges; boundary=" + BOUNDARY]
    assert found.fields.all(b"content-range") == []
    assert [part.head.partition(b"--")[2] for part in found.parts] == [
        BOUNDARY + b"\r\nContent-Type: video/mp4\r\nContent-Range: bytes 500-509/1000\r\n\r\n",
        BOUNDARY + b"\r\nContent-Type: video/mp4\r\nContent-Range: bytes 0-9/1000\r\n\r\n",
    ]
    assert found.tail == b"\r\n--" + BOUNDARY + b"--\r\n"
    assert body_length(found) == found.length


def test_parts_without_a_type_have_none() -> None:
    found = ask((b"Range", b"bytes=500-509,0-9"), lines=())
    assert all(b"Content-Type" not in part.head for part in found.parts)
    assert body_length(found) == found.length


def test_as_many_ranges_as_are_asked() -> None:
    ranges = b",".join(b"%d-%d" % (n * 100, n * 100) for n in range(5_000))
    found = ask((b"Range", b"bytes=" + ranges), length=10**6)
    assert (found.status, spans(found)) == (206, [(n * 100, n * 100 + 1) for n in range(5_000)])
    assert body_length(found) == found.length


@pytest.mark.parametrize("always_partial", [False, True])
def test_ranges_that_are_more_than_all_are_ignored(always_partial: bool) -> None:
    """As if nothing had been asked (RFC 9110, section 14.2)."""
    found = ask((b"Range", b"bytes=0-,0-"), always_partial=always_partial)
    assert (found.status, spans(found), found.length) == (206 if always_partial else 200, [(0, 1000)], 1000)


@pytest.mark.parametrize("lines", [LINES, (*LINES, (b"Accept-Ranges", b"none"))])
def test_head_has_the_fields_of_get(lines: tuple[Line, ...]) -> None:
    assert sorted(ask(method="HEAD", lines=lines).fields) == sorted(ask(lines=lines).fields)


range_members = st.one_of(
    st.tuples(st.integers(0, 1200), st.integers(0, 300)).map(lambda t: b"%d-%d" % (t[0], t[0] + t[1])),
    st.integers(0, 1200).map(lambda first: b"%d-" % first),
    st.integers(0, 1200).map(lambda last: b"-%d" % last),
)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(
    st.lists(range_members, max_size=6).map(lambda members: b"bytes=" + b",".join(members)),
    st.integers(1, 1000),
    st.booleans(),
    st.sampled_from(["GET", "HEAD"]),
)
def test_content_length_is_the_sum_of_what_is_sent(
    value: bytes, length: int, always_partial: bool, method: str
) -> None:
    request: Line = (b"Range", value)
    found = ask(request, length=length, always_partial=always_partial, method=method)
    if method == "HEAD":
        assert (found.status, found.parts, found.length) == (200, (), length)
        return
    assert found.length == body_length(found)
    asked = [part for spec in requested_ranges(Fields([request])) if (part := resolve(spec, length)) is not None]
    sent = [part.span for part in found.parts if part.span is not None]
    assert len(sent) == len(found.parts)
    if found.status == 206 and asked:
        assert {byte for part in asked for byte in range(part.start, part.stop)} <= {
            byte for part in sent for byte in range(part.start, part.stop)
        }
    elif found.status == 416:
        assert not asked
    else:
        assert sent == [ByteRange(0, length)]
        assert not asked or sum(map(len, asked)) > length
