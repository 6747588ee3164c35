"""What redirects that were followed let be done with the answer that they led to."""

import pytest

from proxycache.policy.bounds import bounded, fresh_for, limited
from proxycache.policy.entry import Representation
from proxycache.policy.fields import Fields, Line
from proxycache.policy.freshness import Ttls, remaining
from proxycache.policy.hops import Hop

from .casefile import Case, cases
from .samples import NOW, http_date, stored

URL = b"http://origin.example/film"


@cases("redirect-bounds", "status", "answered", "request", "redirect", "response", "default_ttl", "fields")
def test_what_a_redirect_forbids(case: Case) -> None:
    hop = Hop(URL, case.get("status", 302), case.fields("redirect"), case.fields("request"), NOW, NOW)
    answer = stored(*case.fields("response"), status=case.get("answered", 200))
    assert bounded(answer, [hop], Ttls(case.get("default_ttl"))) == case.fields("fields")


def led(answer: Representation, *redirects: Line, at: float = NOW) -> int:
    """Seconds for which an answer is fresh under the name of redirects that came in one moment."""
    hops = [Hop(URL, 302, Fields([line]), Fields(), at, at) for line in redirects]
    return remaining(stored(*bounded(answer, hops, Ttls())), Ttls(), NOW)


MAX_AGE = b"Cache-Control"


@pytest.mark.parametrize(
    ("hops", "seconds"),
    [
        ([], 1000),
        ([b"max-age=60"], 60),
        ([b"max-age=60", b"max-age=30"], 30),
        ([b"max-age=30", b"max-age=60"], 30),
        ([b"max-age=60", b"x"], 0),
        ([b"max-age=5000", b"max-age=2000"], 1000),
    ],
)
def test_the_least_of_all_hops_counts(hops: list[bytes], seconds: int) -> None:
    assert led(stored((MAX_AGE, b"max-age=1000")), *((MAX_AGE, value) for value in hops)) == seconds


@pytest.mark.parametrize("age", [0, 50, 900])
def test_each_counts_from_its_own_time(age: int) -> None:
    """The answer was with another cache for a while, and the redirect with us."""
    answer = stored((MAX_AGE, b"max-age=1000"), (b"Age", b"%d" % age), (b"Date", http_date(NOW - age)))
    bounds = bounded(answer, [Hop(URL, 302, Fields([(MAX_AGE, b"max-age=60")]), Fields(), NOW - 20, NOW - 20)], Ttls())
    assert remaining(stored(*bounds), Ttls(), NOW) == 40


def test_a_redirect_that_was_old_when_it_came() -> None:
    hop = Hop(URL, 302, Fields([(MAX_AGE, b"max-age=60"), (b"Age", b"50")]), Fields(), NOW, NOW)
    assert remaining(stored(*bounded(stored((MAX_AGE, b"max-age=1000")), [hop], Ttls())), Ttls(), NOW) == 10


def test_what_a_304_confirms_is_limited_as_a_whole() -> None:
    """It may say nothing of the freshness, which the stored answer said."""
    confirmed = stored((MAX_AGE, b"max-age=1000, must-revalidate"), (b"ETag", b'"a"'))
    assert limited(confirmed, 60.0, Ttls()).all(MAX_AGE) == [b"max-age=60, must-revalidate, stale-if-error=940"]
    assert limited(confirmed, 2000.0, Ttls()) == confirmed.fields


def test_without_redirects_nothing_is_limited() -> None:
    assert fresh_for([], NOW, Ttls()) is None
