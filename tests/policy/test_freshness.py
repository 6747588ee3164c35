"""Lifetime and age (RFC 9111, section 4.2; RFC 9213)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.policy.fields import MAX_DELTA_SECONDS, Fields, Line
from proxycache.policy.freshness import (
    HEURISTIC_MAX_SECONDS,
    HEURISTIC_STATUSES,
    current_age,
    explicit_lifetime,
    lifetime,
    response_directives,
)

from .samples import NOW, http_date, stored

CC, CDN, EXPIRES, DATE, AGE, MODIFIED = (
    b"Cache-Control",
    b"CDN-Cache-Control",
    b"Expires",
    b"Date",
    b"Age",
    b"Last-Modified",
)


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ([], None),
        ([(CC, b"public")], None),
        ([(CC, b"max-age=60")], 60),
        ([(CC, b"max-age=0")], 0),
        ([(CC, b'max-age="60"')], 60),
        ([(CC, b"max-age=1, max-age=2")], 1),
        ([(CC, b"max-age=60, s-maxage=10")], 10),
        ([(CC, b"s-maxage=10"), (CC, b"max-age=60")], 10),
        ([(CC, b"max-age=60"), (EXPIRES, http_date(NOW + 10))], 60),
        ([(CC, b"max-age=99999999999")], MAX_DELTA_SECONDS),
        # What cannot be read is stale already.
        ([(CC, b"max-age")], 0),
        ([(CC, b"max-age=")], 0),
        ([(CC, b"max-age=-1")], 0),
        ([(CC, b"max-age=1.5")], 0),
        ([(CC, b"max-age=one"), (EXPIRES, http_date(NOW + 10))], 0),
        ([(EXPIRES, b"0")], 0),
        ([(EXPIRES, b"")], 0),
        ([(EXPIRES, b"tomorrow")], 0),
        ([(EXPIRES, http_date(NOW + 10)), (EXPIRES, http_date(NOW + 10))], 0),
        ([(EXPIRES, http_date(NOW + 10) + b", " + http_date(NOW + 10))], 0),
        # Against Date where there is one
        ([(EXPIRES, http_date(NOW + 10))], 10),
        ([(EXPIRES, http_date(NOW - 10))], 0),
        ([(EXPIRES, http_date(NOW + 10)), (DATE, http_date(NOW - 30))], 40),
        ([(EXPIRES, http_date(NOW + 10)), (DATE, http_date(NOW + 10))], 0),
        ([(EXPIRES, http_date(NOW + 10)), (DATE, b"today")], 10),
        # RFC 9213: the targeted field first
        ([(CDN, b"max-age=5"), (CC, b"max-age=60")], 5),
        ([(CDN, b"max-age=5"), (EXPIRES, http_date(NOW + 10))], 5),
        ([(CDN, b""), (CC, b"max-age=60")], 60),
        ([(CDN, b"???"), (CC, b"max-age=60")], 60),
        ([(CDN, b"public"), (CC, b"max-age=60")], None),
    ],
)
def test_explicit_lifetimes(lines: list[Line], seconds: float | None) -> None:
    assert explicit_lifetime(Fields(lines), NOW) == seconds


def test_a_targeted_field_puts_expires_out_of_force() -> None:
    fields = Fields([(CDN, b"public"), (EXPIRES, http_date(NOW + 10))])
    assert explicit_lifetime(fields, NOW) is None


def test_the_targeted_field_stands_alone() -> None:
    fields = Fields([(CDN, b"max-age=5"), (CC, b"no-store")])
    assert response_directives(fields) == {"max-age": b"5"}
    assert response_directives(Fields([(CC, b"no-store")])) == {"no-store": None}


OLD = http_date(NOW - 1000)


@pytest.mark.parametrize(
    ("lines", "status", "default_ttl", "seconds"),
    [
        ([(CC, b"max-age=60")], 200, 5.0, 60),
        ([(CC, b"max-age=0"), (MODIFIED, OLD)], 200, 5.0, 0),
        ([(EXPIRES, b"0")], 200, 5.0, 0),
        ([], 200, 5.0, 5),
        ([(MODIFIED, OLD)], 200, 5.0, 5),
        ([], 200, None, 0),
        ([(MODIFIED, OLD)], 200, None, 100),
        ([(MODIFIED, OLD), (DATE, http_date(NOW + 1000))], 200, None, 200),
        ([(MODIFIED, http_date(NOW + 1000))], 200, None, 0),
        ([(MODIFIED, http_date(0))], 200, None, HEURISTIC_MAX_SECONDS),
        ([(MODIFIED, b"long ago")], 200, None, 0),
        ([(MODIFIED, OLD)], 404, None, 100),
        ([(MODIFIED, OLD)], 201, None, 0),
        ([(MODIFIED, OLD), (CC, b"public")], 201, None, 100),
        ([(MODIFIED, OLD)], 500, None, 0),
    ],
)
def test_lifetimes(lines: list[Line], status: int, default_ttl: float | None, seconds: float) -> None:
    assert lifetime(stored(*lines, status=status), default_ttl) == pytest.approx(seconds)


def test_statuses_that_may_be_cached_without_being_told() -> None:
    assert frozenset({200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501}) == HEURISTIC_STATUSES


@pytest.mark.parametrize(
    ("lines", "asked_at", "answered_at", "age"),
    [
        ([], NOW, NOW, 0),
        ([], NOW - 10, NOW - 10, 10),
        ([], NOW - 14, NOW - 10, 14),
        ([(AGE, b"100")], NOW - 10, NOW - 10, 110),
        ([(AGE, b"100")], NOW - 14, NOW - 10, 114),
        ([(DATE, http_date(NOW - 50))], NOW - 10, NOW - 10, 50),
        ([(DATE, http_date(NOW - 50)), (AGE, b"100")], NOW - 10, NOW - 10, 110),
        ([(DATE, http_date(NOW - 500)), (AGE, b"100")], NOW - 10, NOW - 10, 500),
        ([(DATE, http_date(NOW + 500))], NOW - 10, NOW - 10, 10),
        ([(DATE, b"today")], NOW - 10, NOW - 10, 10),
        # Section 5.1: the first member counts, an invalid one not.
        ([(AGE, b"100, 7")], NOW, NOW, 100),
        ([(AGE, b"100"), (AGE, b"7")], NOW, NOW, 100),
        ([(AGE, b"-1")], NOW, NOW, 0),
        ([(AGE, b"1.5")], NOW, NOW, 0),
        ([(AGE, b"old")], NOW, NOW, 0),
        ([(AGE, b"old, 7")], NOW, NOW, 0),
        ([(AGE, b"")], NOW, NOW, 0),
        ([(AGE, b"99999999999")], NOW, NOW, MAX_DELTA_SECONDS),
    ],
)
def test_ages(lines: list[Line], asked_at: float, answered_at: float, age: float) -> None:
    assert current_age(stored(*lines, request_time=asked_at, response_time=answered_at), NOW) == age


whole_seconds = st.integers(0, 10_000)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.one_of(st.none(), whole_seconds), st.one_of(st.none(), whole_seconds), whole_seconds, whole_seconds)
def test_the_formula_of_section_4_2_3(age: int | None, date_ago: int | None, delay: int, resident: int) -> None:
    response_time = NOW - resident
    lines: list[Line] = []
    if age is not None:
        lines.append((AGE, b"%d" % age))
    if date_ago is not None:
        lines.append((DATE, http_date(response_time - date_ago)))
    representation = stored(*lines, request_time=response_time - delay, response_time=response_time)
    assert current_age(representation, NOW) == max(date_ago or 0, (age or 0) + delay) + resident


def test_a_clock_set_back_makes_nothing_younger() -> None:
    representation = stored((AGE, b"100"), request_time=NOW + 50, response_time=NOW + 50)
    assert current_age(representation, NOW) == 100
