"""What of a request is not the client's, and what is remembered of it."""

import pytest

from proxycache.policy.altered import REFUSED_SECONDS, Alteration, Refused, alteration, is_about_the_request, is_refusal
from proxycache.policy.fields import Fields


def fields(*lines: tuple[bytes, bytes]) -> Fields:
    return Fields(lines)


@pytest.mark.parametrize(
    ("sent", "client", "what"),
    [
        ((), (), None),
        ([(b"Range", b"bytes=0-")], [(b"Range", b"bytes=0-")], None),
        ([(b"Range", b"bytes=0-")], [(b"Range", b"bytes=00-")], None),
        ([(b"Range", b"bytes=0-99")], [(b"Range", b"bytes=0-")], Alteration.RANGE),
        ([(b"Range", b"bytes=0-9")], [(b"Range", b"bytes=0-9,20-29")], Alteration.RANGE),
        ((), [(b"Range", b"bytes=0-9")], Alteration.RANGE),
        ((), [(b"Range", b"lines=0-9")], None),
        ((), [(b"If-None-Match", b'"a"')], None),
        ([(b"If-None-Match", b'"a"')], (), Alteration.CONDITION),
        ([(b"If-None-Match", b'"a"')], [(b"If-None-Match", b'"b"')], Alteration.CONDITION),
        ([(b"If-None-Match", b'"a"')], [(b"If-None-Match", b'"a"')], None),
        ([(b"If-Modified-Since", b"x"), (b"Range", b"bytes=0-9")], [(b"Range", b"bytes=0-")], Alteration.RANGE),
    ],
)
def test_what_was_altered(
    sent: list[tuple[bytes, bytes]], client: list[tuple[bytes, bytes]], what: Alteration | None
) -> None:
    assert alteration(fields(*sent), fields(*client)) is what


def test_what_refuses() -> None:
    assert [
        status
        for status in (200, 206, 302, 304, 400, 404, 412, 416, 429, 500, 501, 502, 503, 504)
        if is_refusal(status)
    ] == [
        400,
        404,
        412,
        416,
        500,
        501,
    ]


@pytest.mark.parametrize(
    ("status", "ranged", "bound", "so"),
    [
        (404, False, False, False),
        (404, True, False, True),
        (404, False, True, False),
        (400, False, True, True),
        (302, True, False, True),
        (302, False, True, False),
        (200, True, True, False),
        (206, True, True, False),
        (304, True, True, False),
    ],
)
def test_what_says_nothing_of_the_object(status: int, ranged: bool, bound: bool, so: bool) -> None:
    assert is_about_the_request(status, ranged=ranged, bound=bound) is so


def test_what_is_remembered() -> None:
    refused = Refused()
    refused.note("films", Alteration.RANGE, 10.0)
    assert refused.lasts("films", Alteration.RANGE, 10.0)
    assert not refused.lasts("films", Alteration.CONDITION, 10.0)
    assert not refused.lasts("music", Alteration.RANGE, 10.0)
    assert not refused.lasts("films", Alteration.RANGE, 10.0 + REFUSED_SECONDS)
    refused.over("films", Alteration.RANGE)
    assert not refused.lasts("films", Alteration.RANGE, 10.0)


def test_what_is_suspected() -> None:
    """By two of different names, within the time that it would be remembered."""
    refused = Refused()
    for name, now, so in (("a", 10.0, False), ("a", 20.0, False), ("b", 20.0 + REFUSED_SECONDS, False)):
        refused.suspect("films", Alteration.JOINING, name, now)
        assert refused.lasts("films", Alteration.JOINING, now) is so
    refused.suspect("films", Alteration.JOINING, "c", 30.0 + REFUSED_SECONDS)
    assert refused.lasts("films", Alteration.JOINING, 30.0 + REFUSED_SECONDS)
    assert not refused.lasts("music", Alteration.JOINING, 30.0 + REFUSED_SECONDS)
