"""Preconditions of GET and HEAD, and If-Range (RFC 9110, section 13)."""

from proxycache.policy.fields import Fields
from proxycache.policy.validators import Verdict, bound_by_date, evaluate_preconditions, range_applies

from .casefile import Case, cases, field_lines
from .samples import NOW

STORED = {
    "tagged": ['ETag: "a"', "Last-Modified: {now-3600}", "Date: {now}"],
    "weak": ['ETag: W/"a"', "Date: {now}"],
    "bare": ["Date: {now}"],
    "unquoted": ["ETag: a,b", "Last-Modified: {now-3600}", "Date: {now}"],
}

VERDICTS = {"proceed": Verdict.PROCEED, "not modified": Verdict.NOT_MODIFIED, "failed": Verdict.FAILED}


@cases("preconditions", "request", "stored", "bound", "verdict")
def test_verdicts(case: Case) -> None:
    stored = Fields(field_lines(STORED[case["stored"]]))
    found = evaluate_preconditions(case.fields("request"), stored, NOW, bound=case.get("bound", False))
    assert found is VERDICTS[case["verdict"]]


STORED_FOR_IF_RANGE = {
    "tagged": ['ETag: "a"', "Last-Modified: {now-3600}", "Date: {now}"],
    "weak": ['ETag: W/"a"', "Last-Modified: {now}", "Date: {now}"],
    "bare": ["Date: {now}"],
    "dateless": ["Last-Modified: {now-3600}"],
    "second": ["Last-Modified: {now-1}", "Date: {now}"],
}


@cases("if-range", "if_range", "stored", "weak", "applies")
def test_if_range(case: Case) -> None:
    asked = case.octets_or_none("if_range")
    request = Fields([] if asked is None else [(b"If-Range", asked)])
    stored = Fields(field_lines(STORED_FOR_IF_RANGE[case["stored"]]))
    assert range_applies(request, stored, NOW, weak=case.get("weak", False)) is case["applies"]


@cases("bound-by-date", "stored", "length", "bound")
def test_bound_by_date(case: Case) -> None:
    length = case.get("length", 1000)
    assert bound_by_date(case.fields("stored"), None if length < 0 else length, NOW) is case["bound"]
