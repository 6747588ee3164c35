"""When the origin is asked before a client is refused what is stored."""

from proxycache.policy.answers import is_of_another
from proxycache.policy.refusing import BEYOND_SECONDS, MAX_BEYOND, AskedBeyond, may_have_grown

from .casefile import Case, cases, field_lines
from .samples import NOW, stored


@cases("may-have-grown", "range", "stored", "length", "asked")
def test_may_have_grown(case: Case) -> None:
    length = case.get("length", 1000)
    known = stored(*case.fields("stored"), length=None if length < 0 else length)
    assert may_have_grown(known, case.fields("range")) is case["asked"]


KNOWN = ['ETag: "a"', "Last-Modified: {now-3600}", "Date: {now}"]


@cases("of-another", "request", "status", "fields", "length", "another")
def test_is_of_another(case: Case) -> None:
    known = stored(*field_lines(KNOWN))
    length = case.get("length", 1000)
    found = is_of_another(known, case.fields("request"), case["status"], case.fields("fields"), length, NOW)
    assert found is case["another"]


def test_the_end_of_an_object_is_asked_about_once_in_a_while() -> None:
    asked = AskedBeyond()
    assert asked.may_ask(b"a", 5.0)
    assert not asked.may_ask(b"a", 5.0 + BEYOND_SECONDS - 0.1)
    assert asked.may_ask(b"b", 6.0)
    assert asked.may_ask(b"a", 5.0 + BEYOND_SECONDS)


def test_only_so_many_are_remembered() -> None:
    asked = AskedBeyond()
    for number in range(MAX_BEYOND + 1):
        asked.may_ask(b"%d" % number, 5.0)
    assert asked.may_ask(b"0", 5.0)
    assert not asked.may_ask(b"%d" % MAX_BEYOND, 5.0)
