"""What may be stored (RFC 9111, section 3), and as which variant (section 4.1)."""

import pytest

from proxycache.policy.fields import Fields, Line
from proxycache.policy.storing import refusal, storable_fields, variant_matches, variant_of

from .samples import NOW, http_date

CC, ETAG, VARY = b"Cache-Control", b"ETag", b"Vary"
FRESH: Line = (CC, b"max-age=60")


def verdict(
    status: int, response: list[Line], request: list[Line] | None = None, default_ttl: float | None = None
) -> str | None:
    return refusal(status, Fields(request or []), Fields(response), default_ttl, NOW)


@pytest.mark.parametrize(
    ("status", "response", "why_not"),
    [
        (200, [FRESH], None),
        (206, [FRESH], None),
        (404, [FRESH], None),
        (299, [FRESH], None),
        (599, [FRESH], None),
        (500, [FRESH], None),
        (200, [(b"Expires", http_date(NOW + 60))], None),
        (200, [(ETAG, b'"a"')], None),
        (200, [(ETAG, b'W/"a"')], None),
        (200, [(b"Last-Modified", http_date(NOW - 60))], None),
        (200, [(CC, b"no-cache"), (ETAG, b'"a"')], None),
        (200, [(CC, b"max-age=0"), (ETAG, b'"a"')], None),
        (200, [], "no-freshness"),
        (200, [(CC, b"public")], "no-freshness"),
        (200, [(CC, b"max-age=0")], "no-freshness"),
        (200, [(ETAG, b"unquoted")], "no-freshness"),
        (200, [(CC, b"no-store")], "no-store"),
        (200, [(CC, b"max-age=60, NO-STORE")], "no-store"),
        (200, [(CC, b"private, max-age=60")], "private"),
        (200, [(b"CDN-Cache-Control", b"no-store"), FRESH], "no-store"),
        (200, [(b"CDN-Cache-Control", b"max-age=60"), (CC, b"no-store")], None),
        (200, [FRESH, (VARY, b"*")], "vary-any"),
        (200, [FRESH, (VARY, b"Accept, *")], "vary-any"),
        (200, [FRESH, (VARY, b"Accept")], None),
        # Never decoded: its bytes are what they are.
        (200, [FRESH, (b"Content-Encoding", b"gzip")], None),
        (200, [FRESH, (b"Set-Cookie", b"a=b")], None),
        (200, [(b"ETag", b'"a"'), (b"Set-Cookie", b"a=b")], "set-cookie"),
        (200, [FRESH, (b"Content-Encoding", b"identity")], None),
        (101, [FRESH], "status"),
        (304, [FRESH], "status"),
        (500, [(ETAG, b'"a"')], "status"),
        (302, [(ETAG, b'"a"')], "status"),
        (302, [(ETAG, b'"a"'), (CC, b"public")], None),
        (404, [(ETAG, b'"a"')], None),
    ],
)
def test_responses(status: int, response: list[Line], why_not: str | None) -> None:
    assert verdict(status, response) == why_not


def test_the_configured_lifetime_makes_reusable() -> None:
    assert verdict(200, []) == "no-freshness"
    assert verdict(200, [], default_ttl=60.0) is None
    assert verdict(500, [], default_ttl=60.0) == "status"
    assert verdict(200, [(CC, b"no-store")], default_ttl=60.0) == "no-store"


def test_a_request_may_forbid_it() -> None:
    assert verdict(200, [FRESH], [(CC, b"no-store")]) == "request-no-store"


@pytest.mark.parametrize(
    ("directives", "why_not"),
    [
        (b"max-age=60", "authorization"),
        (b"max-age=60, public", None),
        (b"max-age=60, must-revalidate", None),
        (b"s-maxage=60", None),
        (b"max-age=60, proxy-revalidate", "authorization"),
        (b"public, private", "private"),
    ],
)
def test_authorization_asks_for_permission(directives: bytes, why_not: str | None) -> None:
    assert verdict(200, [(CC, directives)], [(b"Authorization", b"Bearer x")]) == why_not


@pytest.mark.parametrize(
    ("status", "directives", "stored"),
    [(200, b"must-understand, no-store, max-age=60", True), (599, b"must-understand, max-age=60", False)],
)
def test_must_understand(status: int, directives: bytes, stored: bool) -> None:
    assert (verdict(status, [(CC, directives)]) is None) is stored


def test_what_belongs_to_the_connection_is_not_stored() -> None:
    response = Fields(
        [
            (b"Connection", b"X-Hop"),
            (b"X-Hop", b"1"),
            (b"Transfer-Encoding", b"chunked"),
            (b"Content-Type", b"video/mp4"),
            (b"Content-Range", b"bytes 0-9/10"),
            (b"Set-Cookie", b"a=b"),
            (b"X-Unknown", b"2"),
        ]
    )
    kept = [(b"Content-Type", b"video/mp4"), (b"Set-Cookie", b"a=b"), (b"X-Unknown", b"2")]
    assert list(storable_fields(206, response)) == kept


@pytest.mark.parametrize("name", [b"Via", b"Cache-Status", b"Set-Cookie2"])
def test_fields_of_those_before_us_are_kept(name: bytes) -> None:
    assert list(storable_fields(200, Fields([(name, b"1.1 other")]))) == [(name, b"1.1 other")]


RESPONSE = Fields([(VARY, b"Accept-Language, Accept"), (VARY, b"accept")])


@pytest.mark.parametrize(
    ("first", "second", "matches"),
    [
        ([], [], True),
        ([(b"Accept", b"a")], [(b"accept", b"a")], True),
        ([(b"Accept", b"a")], [(b"Accept", b"b")], False),
        ([(b"Accept", b"a")], [], False),
        ([], [(b"Accept", b"a")], False),
        ([(b"Accept", b"")], [], False),
        ([(b"Accept", b"a,b")], [(b"Accept", b" a , b")], True),
        ([(b"Accept", b"a, b")], [(b"Accept", b"a"), (b"Accept", b"b")], True),
        ([(b"Accept", b"a, b")], [(b"Accept", b"b, a")], False),
        ([(b"Accept", b"a"), (b"User-Agent", b"x")], [(b"Accept", b"a"), (b"User-Agent", b"y")], True),
        ([(b"Accept-Language", b"de")], [(b"Accept-Language", b"en")], False),
    ],
)
def test_variants(first: list[Line], second: list[Line], matches: bool) -> None:
    variant = variant_of(RESPONSE, Fields(first))
    assert variant_matches(variant, Fields(first))
    assert variant_matches(variant, Fields(second)) is matches
    assert (variant_of(RESPONSE, Fields(second)) == variant) is matches


def test_without_vary_every_request_matches() -> None:
    variant = variant_of(Fields(), Fields([(b"Accept", b"a")]))
    assert variant == ()
    assert variant_matches(variant, Fields([(b"Accept", b"b")]))
