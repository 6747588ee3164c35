"""Lifetime and age (RFC 9111, sections 4.2.1 to 4.2.3; RFC 9213)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.policy.fields import Fields, Line
from proxycache.policy.freshness import (
    HEURISTIC_STATUSES,
    LONG_STALE_SECONDS,
    Ttls,
    current_age,
    explicit_lifetime,
    lifetime,
    remaining,
    response_directives,
    useful_until,
)

from .casefile import Case, cases
from .samples import NOW, http_date, stored


@cases("freshness", "response", "status", "default_ttl", "error_ttl", "stated", "lifetime")
def test_lifetimes(case: Case) -> None:
    fields = case.fields("response")
    if "stated" in case:
        assert explicit_lifetime(fields, NOW) == case.outcome("stated")
    if "lifetime" in case:
        representation = stored(*fields, status=case.get("status", 200))
        assert lifetime(representation, Ttls(case.get("default_ttl"), case.get("error_ttl"))) == pytest.approx(
            case["lifetime"]
        )
    assert "stated" in case or "lifetime" in case


def test_statuses_that_may_be_cached_without_being_told() -> None:
    assert frozenset({200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501}) == HEURISTIC_STATUSES


def test_the_targeted_field_stands_alone() -> None:
    fields = Fields([(b"CDN-Cache-Control", b"max-age=5"), (b"Cache-Control", b"no-store")])
    assert response_directives(fields) == {"max-age": b"5"}
    assert response_directives(Fields([(b"Cache-Control", b"no-store")])) == {"no-store": None}


@cases("age", "response", "delay", "resident", "age")
def test_ages(case: Case) -> None:
    answered = NOW - case.get("resident", 0)
    asked = answered - case.get("delay", 0)
    representation = stored(*case.fields("response"), request_time=asked, response_time=answered)
    assert current_age(representation, NOW) == case["age"]


@cases("remaining", "response", "default_ttl", "resident", "remaining")
def test_seconds_that_remain(case: Case) -> None:
    answered = NOW - case.get("resident", 0)
    representation = stored(*case.fields("response"), request_time=answered, response_time=answered)
    assert remaining(representation, Ttls(case.get("default_ttl")), NOW) == case["remaining"]


whole_seconds = st.integers(0, 10_000)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.one_of(st.none(), whole_seconds), st.one_of(st.none(), whole_seconds), whole_seconds, whole_seconds)
def test_the_formula_of_section_4_2_3(age: int | None, date_ago: int | None, delay: int, resident: int) -> None:
    response_time = NOW - resident
    lines: list[Line] = []
    if age is not None:
        lines.append((b"Age", b"%d" % age))
    if date_ago is not None:
        lines.append((b"Date", http_date(response_time - date_ago)))
    representation = stored(*lines, request_time=response_time - delay, response_time=response_time)
    assert current_age(representation, NOW) == max(date_ago or 0, (age or 0) + delay) + resident


DAY = LONG_STALE_SECONDS
AGED = (b"Age", b"10")


@pytest.mark.parametrize(
    ("lines", "ttl", "stale_if_error", "good_for"),
    [
        ([(b"Cache-Control", b"max-age=60")], None, None, 60 + DAY),
        ([(b"Cache-Control", b"max-age=60"), AGED], None, None, 50 + DAY),
        ([(b"Cache-Control", b"max-age=60, must-revalidate")], None, None, 60),
        ([(b"Cache-Control", b"s-maxage=60, stale-if-error=9999999")], None, None, 60),
        ([(b"Cache-Control", b"max-age=60, stale-if-error=100000")], None, None, 60 + 100_000),
        ([(b"Cache-Control", b"max-age=60, stale-while-revalidate=200000, stale-if-error=1")], None, None, 200_060),
        ([(b"Cache-Control", b"max-age=60")], None, 300_000, 300_060),
        ([], 600, None, 600 + DAY),
        ([(b"Cache-Control", b"no-cache")], 600, None, 600),
        ([(b"ETag", b'W/"v1"'), (b"Cache-Control", b"max-age=0")], None, None, None),
        ([(b"Last-Modified", http_date(NOW)), (b"Cache-Control", b"max-age=0")], None, None, None),
    ],
)
def test_until_when_it_is_good_for_anything(
    lines: list[Line], ttl: float | None, stale_if_error: float | None, good_for: float | None
) -> None:
    until = useful_until(stored(*lines), Ttls(ttl), stale_if_error)
    assert until == (None if good_for is None else NOW + good_for)
