"""HTTP-date in its three forms (RFC 9110, section 5.6.7)."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.policy.fields import parse_date

from .casefile import Case, cases
from .samples import NOW

moments = st.datetimes(datetime(1990, 1, 1), datetime(2060, 12, 31), timezones=st.just(UTC))
any_moment = st.datetimes(datetime(1000, 1, 1), timezones=st.just(UTC))


def imf_fixdate(moment: datetime) -> bytes:
    return f"{moment:%a, %d %b} {moment.year:04} {moment:%H:%M:%S} GMT".encode("ascii")


def rfc850(moment: datetime) -> bytes:
    return f"{moment:%A, %d-%b-%y %H:%M:%S} GMT".encode("ascii")


def asctime(moment: datetime) -> bytes:
    return f"{moment:%a %b} {moment.day:2} {moment:%H:%M:%S} {moment.year:04}".encode("ascii")


@cases("dates", "value", "at", "seconds")
def test_dates(case: Case) -> None:
    assert parse_date(case.octets_or_none("value"), case.get("at", NOW)) == case.outcome("seconds")


@settings(deadline=None, max_examples=200, derandomize=True)
@given(any_moment)
def test_forms_with_a_full_year(moment: datetime) -> None:
    assert parse_date(imf_fixdate(moment), NOW) == int(moment.replace(microsecond=0).timestamp())
    assert parse_date(asctime(moment), NOW) == int(moment.replace(microsecond=0).timestamp())


@settings(deadline=None, max_examples=200, derandomize=True)
@given(moments)
def test_the_form_with_two_digits_of_the_year(moment: datetime) -> None:
    assert parse_date(rfc850(moment), moment.timestamp()) == int(moment.replace(microsecond=0).timestamp())
