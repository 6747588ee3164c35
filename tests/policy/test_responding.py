"""Answers out of a stored response (RFC 9110, sections 13 to 15)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.policy.byterange import ByteRange, resolve
from proxycache.policy.fields import Fields, Line
from proxycache.policy.responding import Answer, answer, requested_ranges

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


def test_of_unknown_length() -> None:
    found = ask((b"Range", b"bytes=0-9"), length=None)
    assert (found.status, spans(found), found.length) == (200, [None], None)


def test_an_empty_object_has_no_parts() -> None:
    found = ask(length=0)
    assert (found.status, spans(found), found.length) == (200, [], 0)


@pytest.mark.parametrize(
    ("value", "span", "content_range"),
    [
        (b"bytes=0-9", (0, 10), b"bytes 0-9/1000"),
        (b"bytes=990-", (990, 1000), b"bytes 990-999/1000"),
        (b"bytes=990-5000", (990, 1000), b"bytes 990-999/1000"),
        (b"bytes=-1", (999, 1000), b"bytes 999-999/1000"),
        (b"bytes=-5000", (0, 1000), b"bytes 0-999/1000"),
        (b"bytes=0-9,10-19", (0, 20), b"bytes 0-19/1000"),
        (b"bytes=0-9,5000-", (0, 10), b"bytes 0-9/1000"),
    ],
)
def test_one_range(value: bytes, span: tuple[int, int], content_range: bytes) -> None:
    found = ask((b"Range", value))
    assert (found.status, spans(found), found.length) == (206, [span], span[1] - span[0])
    assert found.fields.all(b"content-range") == [content_range]
    assert found.fields.all(b"content-type") == [b"video/mp4"]
    assert found.fields.first(b"etag") == b'"a"'
    assert body_length(found) == found.length


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


@pytest.mark.parametrize("value", [b"bytes=1000-", b"bytes=5000-6000", b"bytes=-0", b"bytes=1000-,2000-"])
def test_unsatisfiable(value: bytes) -> None:
    found = ask((b"Range", value))
    assert (found.status, found.parts, found.tail, found.length) == (416, (), b"", 0)
    assert found.fields.all(b"content-range") == [b"bytes */1000"]
    assert found.fields.first(b"content-type") is None


def test_too_many_ranges() -> None:
    ranges = b",".join(b"%d-%d" % (n * 1000, n * 1000) for n in range(65))
    assert ask((b"Range", b"bytes=" + ranges), length=10**6).status == 416


def test_a_first_byte_of_an_empty_object_is_unsatisfiable() -> None:
    found = ask((b"Range", b"bytes=0-"), length=0)
    assert (found.status, found.fields.first(b"content-range")) == (416, b"bytes */0")


def test_a_suffix_of_an_empty_object_is_all_of_it() -> None:
    found = ask((b"Range", b"bytes=-5"), length=0)
    assert (found.status, found.parts, found.length) == (200, (), 0)


@pytest.mark.parametrize("value", [b"bytes=9-0", b"bytes", b"lines=0-9", b"bytes=0-9;", b""])
def test_a_malformed_range_is_ignored(value: bytes) -> None:
    found = ask((b"Range", value))
    assert (found.status, spans(found)) == (200, [(0, 1000)])


def test_two_range_fields_are_ignored() -> None:
    assert ask((b"Range", b"bytes=0-9"), (b"Range", b"bytes=0-9")).status == 200
    assert requested_ranges(Fields([(b"Range", b"bytes=0-9"), (b"Range", b"bytes=0-9")])) == ()


@pytest.mark.parametrize(
    ("if_range", "status"),
    [(b'"a"', 206), (b'"b"', 200), (http_date(NOW - 3600), 206), (http_date(NOW), 200)],
)
def test_if_range(if_range: bytes, status: int) -> None:
    assert ask((b"Range", b"bytes=0-9"), (b"If-Range", if_range)).status == status


def test_if_range_also_forgives_a_range_that_cannot_be_satisfied() -> None:
    assert ask((b"Range", b"bytes=5000-"), (b"If-Range", b'"b"')).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("ranges", [[], [(b"Range", b"bytes=0-9")], [(b"Range", b"bytes=5000-")]])
def test_not_modified(method: str, ranges: list[Line]) -> None:
    found = ask((b"If-None-Match", b'"a"'), *ranges, method=method)
    assert (found.status, found.parts, found.tail, found.length) == (304, (), b"", None)
    names = [name.lower() for name, _ in found.fields]
    assert sorted(names) == sorted([b"cache-control", b"etag", b"last-modified", b"date", b"vary", b"age"])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("ranges", [[], [(b"Range", b"bytes=0-9")], [(b"Range", b"bytes=5000-")]])
def test_precondition_failed(method: str, ranges: list[Line]) -> None:
    found = ask((b"If-Match", b'"b"'), *ranges, method=method)
    assert (found.status, found.parts, found.tail, found.length) == (412, (), b"", 0)
    assert found.fields.first(b"content-type") is None


def test_head_tells_the_length_and_sends_nothing() -> None:
    found = ask(method="HEAD")
    assert (found.status, found.parts, found.tail, found.length) == (200, (), b"", 1000)
    assert found.fields.first(b"content-type") == b"video/mp4"


@pytest.mark.parametrize("value", [b"bytes=0-9", b"bytes=5000-", b"bytes=0-9,500-509"])
def test_range_means_nothing_to_head(value: bytes) -> None:
    assert ask((b"Range", value), method="HEAD") == ask(method="HEAD")
    assert ask((b"Range", value), method="HEAD", always_partial=True) == ask(method="HEAD")


@pytest.mark.parametrize("lines", [LINES, (*LINES, (b"Accept-Ranges", b"none"))])
def test_head_has_the_fields_of_get(lines: tuple[Line, ...]) -> None:
    assert sorted(ask(method="HEAD", lines=lines).fields) == sorted(ask(lines=lines).fields)


@pytest.mark.parametrize(
    "request_", [[(b"Range", b"bytes=0-9")], [(b"If-None-Match", b'"a"')], [(b"If-Match", b'"b"')]]
)
def test_other_statuses_know_neither_ranges_nor_preconditions(request_: list[Line]) -> None:
    found = ask(*request_, status=404)
    assert (found.status, spans(found), found.length) == (404, [(0, 1000)], 1000)
    assert found.fields.first(b"accept-ranges") is None


def test_always_partial() -> None:
    found = ask(always_partial=True)
    assert (found.status, spans(found), found.length) == (206, [(0, 1000)], 1000)
    assert found.fields.first(b"content-range") == b"bytes 0-999/1000"
    assert ask((b"Range", b"bytes=5-9"), always_partial=True).fields.first(b"content-range") == b"bytes 5-9/1000"
    assert ask(always_partial=True, length=0).status == 200
    assert ask(always_partial=True, length=None).status == 200
    assert ask(always_partial=True, status=404).status == 404


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
        assert not asked
