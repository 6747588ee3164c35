"""HTTP-date in its three forms (RFC 9110, section 5.6.7)."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.policy.fields import parse_date

from .samples import NOW

EXAMPLE = 784111777
"""Sun, 06 Nov 1994 08:49:37 GMT: the section's own example."""

MIDDLE_OF_2026 = datetime(2026, 7, 1, tzinfo=UTC).timestamp()

moments = st.datetimes(datetime(1990, 1, 1), datetime(2060, 12, 31), timezones=st.just(UTC))
any_moment = st.datetimes(datetime(1000, 1, 1), timezones=st.just(UTC))


def imf_fixdate(moment: datetime) -> bytes:
    return f"{moment:%a, %d %b} {moment.year:04} {moment:%H:%M:%S} GMT".encode("ascii")


def rfc850(moment: datetime) -> bytes:
    return f"{moment:%A, %d-%b-%y %H:%M:%S} GMT".encode("ascii")


def asctime(moment: datetime) -> bytes:
    return f"{moment:%a %b} {moment.day:2} {moment:%H:%M:%S} {moment.year:04}".encode("ascii")


@pytest.mark.parametrize(
    "value",
    [
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov  6 08:49:37 1994",
        b" Sun, 06 Nov 1994 08:49:37 GMT\t",
    ],
)
def test_the_examples_of_the_section(value: bytes) -> None:
    assert parse_date(value, NOW) == EXAMPLE


@settings(deadline=None, max_examples=200, derandomize=True)
@given(any_moment)
def test_forms_with_a_full_year(moment: datetime) -> None:
    assert parse_date(imf_fixdate(moment), NOW) == int(moment.replace(microsecond=0).timestamp())
    assert parse_date(asctime(moment), NOW) == int(moment.replace(microsecond=0).timestamp())


@settings(deadline=None, max_examples=200, derandomize=True)
@given(moments)
def test_the_form_with_two_digits_of_the_year(moment: datetime) -> None:
    assert parse_date(rfc850(moment), moment.timestamp()) == int(moment.replace(microsecond=0).timestamp())


@pytest.mark.parametrize(
    ("digits", "year"),
    [(b"00", 2000), (b"25", 2025), (b"26", 2026), (b"27", 2027), (b"75", 2075), (b"77", 1977), (b"99", 1999)],
)
def test_two_digits_mean_a_year_at_most_fifty_years_ahead(digits: bytes, year: int) -> None:
    expected = int(datetime(year, 7, 1, tzinfo=UTC).timestamp())
    assert parse_date(b"Monday, 01-Jul-%s 00:00:00 GMT" % digits, MIDDLE_OF_2026) == expected


def test_the_fifty_years_end_on_the_day() -> None:
    fifty_years_and_a_day = b"Thursday, 02-Jul-76 00:00:00 GMT"
    expected = int(datetime(1976, 7, 2, tzinfo=UTC).timestamp())
    assert parse_date(fifty_years_and_a_day, MIDDLE_OF_2026) == expected


def test_a_leap_second_is_the_second_before() -> None:
    assert parse_date(b"Sat, 31 Dec 2016 23:59:60 GMT", NOW) == parse_date(b"Sat, 31 Dec 2016 23:59:59 GMT", NOW)


@pytest.mark.parametrize("second", [b"61", b"75", b"99"])
def test_a_minute_has_no_more_than_61_seconds(second: bytes) -> None:
    assert parse_date(b"Sat, 31 Dec 2016 23:59:%s GMT" % second, NOW) is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"0",
        b"-1",
        b"now",
        b"784111777",
        b"Sun, 06 Nov 94 08:49:37 GMT",
        b"Sunday, 06-Nov-1994 08:49:37 GMT",
        b"Sun 06 Nov 1994 08:49:37 GMT",
        b"Sun, 6 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 8:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49 GMT",
        b"Sun, 06 Nov 1994 08:49:37",
        b"Sun, 06 Nov 1994 08:49:37 UTC",
        b"Sun, 06 Nov 1994 08:49:37 +0000",
        b"Sun, 06 Nov 1994 08:49:37 PST",
        b"Sun, 06 Nov 1994 08:49:37 gmt",
        b"Sun, 06 nov 1994 08:49:37 GMT",
        b"sun, 06 Nov 1994 08:49:37 GMT",
        b"Foo, 06 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Foo 1994 08:49:37 GMT",
        b"Sun, 06-Nov-1994 08:49:37 GMT",
        b"Sun, 06  Nov 1994 08:49:37 GMT",
        b"Sun,06 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:37 GMT\n",
        b"Sun, 06 Nov 1994 08.49.37 GMT",
        b"Sun, 06 Nov 1994 24:00:00 GMT",
        b"Sun, 06 Nov 1994 08:60:00 GMT",
        b"Sun, 00 Nov 1994 08:49:37 GMT",
        b"Sun, 31 Nov 1994 08:49:37 GMT",
        b"Wed, 29 Feb 2023 08:49:37 GMT",
        b"Sun, 06 Nov 0000 08:49:37 GMT",
        b"Sun, 06 Nov 19940 08:49:37 GMT",
        b"Sun Nov 6 08:49:37 1994",
        b"Sun Nov  6 08:49:37 1994 GMT",
        b"Sun Nov  6 08:49:37 94",
        b"1994-11-06T08:49:37Z",
        "Sun, \N{ARABIC-INDIC DIGIT ZERO}6 Nov 1994 08:49:37 GMT".encode(),
    ],
)
def test_what_is_no_date(value: bytes | None) -> None:
    assert parse_date(value, NOW) is None


valid_dates = st.builds(lambda form, moment: form(moment), st.sampled_from([imf_fixdate, rfc850, asctime]), any_moment)


@settings(deadline=None, max_examples=400, derandomize=True)
@given(st.one_of(st.binary(max_size=40), valid_dates), st.integers(0, 40), st.binary(max_size=2))
def test_arbitrary_bytes_are_never_an_error(value: bytes, place: int, replacement: bytes) -> None:
    damaged = value[:place] + replacement + value[place + 1 :]
    for candidate in (value, damaged):
        assert parse_date(candidate, NOW) is None or isinstance(parse_date(candidate, NOW), int)
