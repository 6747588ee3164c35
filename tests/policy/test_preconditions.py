"""Preconditions of GET and HEAD in the order of RFC 9110, section 13.2.2."""

import pytest

from proxycache.policy.fields import Fields
from proxycache.policy.validators import Verdict, evaluate_preconditions

from .samples import NOW, http_date

MODIFIED, BEFORE, AFTER = http_date(NOW - 3600), http_date(NOW - 3601), http_date(NOW - 3599)

STORED = Fields([(b"ETag", b'"a"'), (b"Last-Modified", MODIFIED), (b"Date", http_date(NOW))])
WEAK = Fields([(b"ETag", b'W/"a"'), (b"Date", http_date(NOW))])
BARE = Fields([(b"Date", http_date(NOW))])

PROCEED, NOT_MODIFIED, FAILED = Verdict.PROCEED, Verdict.NOT_MODIFIED, Verdict.FAILED

IM, INM, IMS, IUS = b"If-Match", b"If-None-Match", b"If-Modified-Since", b"If-Unmodified-Since"


@pytest.mark.parametrize(
    ("lines", "stored", "verdict"),
    [
        ([], STORED, PROCEED),
        # 1. If-Match, by strong comparison
        ([(IM, b"*")], STORED, PROCEED),
        ([(IM, b"*")], BARE, PROCEED),
        ([(IM, b'"a"')], STORED, PROCEED),
        ([(IM, b'"b", "a"')], STORED, PROCEED),
        ([(IM, b'"b"'), (IM, b'"a"')], STORED, PROCEED),
        ([(IM, b'"b"')], STORED, FAILED),
        ([(IM, b'W/"a"')], STORED, FAILED),
        ([(IM, b'W/"a"')], WEAK, FAILED),
        ([(IM, b'"a"')], WEAK, FAILED),
        ([(IM, b'"a"')], BARE, FAILED),
        # 2. If-Unmodified-Since, only without If-Match
        ([(IUS, AFTER)], STORED, PROCEED),
        ([(IUS, MODIFIED)], STORED, PROCEED),
        ([(IUS, BEFORE)], STORED, FAILED),
        ([(IUS, b"yesterday")], STORED, PROCEED),
        ([(IM, b'"a"'), (IUS, BEFORE)], STORED, PROCEED),
        ([(IM, b'"b"'), (IUS, AFTER)], STORED, FAILED),
        # 3. If-None-Match, by weak comparison
        ([(INM, b"*")], STORED, NOT_MODIFIED),
        ([(INM, b"*")], BARE, NOT_MODIFIED),
        ([(INM, b'"a"')], STORED, NOT_MODIFIED),
        ([(INM, b'W/"a"')], STORED, NOT_MODIFIED),
        ([(INM, b'"a"')], WEAK, NOT_MODIFIED),
        ([(INM, b'"b", W/"a"')], STORED, NOT_MODIFIED),
        ([(INM, b'"b"'), (INM, b'"a"')], STORED, NOT_MODIFIED),
        ([(INM, b'"b"')], STORED, PROCEED),
        ([(INM, b'"a"')], BARE, PROCEED),
        ([(INM, b"unquoted")], STORED, PROCEED),
        # 4. If-Modified-Since, only without If-None-Match
        ([(IMS, AFTER)], STORED, NOT_MODIFIED),
        ([(IMS, MODIFIED)], STORED, NOT_MODIFIED),
        ([(IMS, BEFORE)], STORED, PROCEED),
        ([(IMS, b"yesterday")], STORED, PROCEED),
        ([(INM, b'"b"'), (IMS, AFTER)], STORED, PROCEED),
        ([(INM, b'"a"'), (IMS, BEFORE)], STORED, NOT_MODIFIED),
        ([(INM, b"unquoted"), (IMS, AFTER)], STORED, PROCEED),
        # The steps one after another
        ([(IM, b'"b"'), (INM, b'"a"')], STORED, FAILED),
        ([(IM, b'"a"'), (INM, b'"a"')], STORED, NOT_MODIFIED),
        ([(IM, b'"a"'), (INM, b'"b"')], STORED, PROCEED),
        ([(IM, b'"a"'), (IMS, AFTER)], STORED, NOT_MODIFIED),
        ([(IUS, BEFORE), (INM, b'"a"')], STORED, FAILED),
        ([(IUS, AFTER), (INM, b'"a"')], STORED, NOT_MODIFIED),
        ([(IUS, BEFORE), (IMS, AFTER)], STORED, FAILED),
        ([(IUS, AFTER), (IMS, AFTER)], STORED, NOT_MODIFIED),
    ],
)
def test_verdicts(lines: list[tuple[bytes, bytes]], stored: Fields, verdict: Verdict) -> None:
    assert evaluate_preconditions(Fields(lines), stored, NOW) is verdict


def test_if_unmodified_since_is_ignored_without_a_modification_date() -> None:
    assert evaluate_preconditions(Fields([(IUS, AFTER)]), WEAK, NOW) is PROCEED


@pytest.mark.parametrize(("name", "date"), [(IMS, AFTER), (IUS, BEFORE)])
def test_a_list_of_dates_is_ignored(name: bytes, date: bytes) -> None:
    assert evaluate_preconditions(Fields([(name, date), (name, date)]), STORED, NOW) is PROCEED


def test_date_stands_in_for_a_missing_modification_date() -> None:
    assert evaluate_preconditions(Fields([(IMS, http_date(NOW))]), WEAK, NOW) is NOT_MODIFIED
    assert evaluate_preconditions(Fields([(IMS, http_date(NOW - 1))]), WEAK, NOW) is PROCEED
