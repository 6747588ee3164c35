"""Until when the right goes that an address carries in its query."""

import pytest

from proxycache.policy.fields import Fields
from proxycache.policy.freshness import Reuse, Ttls, remaining, reuse
from proxycache.policy.origins import ObjectTarget, OriginPolicy
from proxycache.policy.signatures import end_of

from .casefile import Case, cases
from .samples import NOW, stored


@cases("signed", "url", "ends")
def test_when_an_address_ends(case: Case) -> None:
    ends = end_of(case.octets("url"))
    assert (None if ends is None else ends - NOW) == case.outcome("ends")


FRESH = stored((b"Cache-Control", b"max-age=31536000, immutable, stale-while-revalidate=600"))


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [(None, Reuse.FRESH), (NOW + 1.0, Reuse.FRESH), (NOW + 0.0, Reuse.REVALIDATE), (NOW - 1.0, Reuse.REVALIDATE)],
)
@pytest.mark.parametrize("asked", [[], [(b"Cache-Control", b"max-stale")]])
def test_what_is_fresh_is_so_to_its_end_alone(
    asked: list[tuple[bytes, bytes]], ends: float | None, verdict: Reuse
) -> None:
    assert reuse(FRESH, Fields(asked), Ttls(), NOW, ends) is verdict


def test_a_target_ends_with_its_address() -> None:
    target = ObjectTarget(OriginPolicy("a", b"/", b"http://a/"), b"a", b"http://a/f?Signature=x&Expires=%d" % NOW)
    assert (target.ends, target.has_ended(NOW - 1), target.has_ended(NOW)) == (NOW, False, True)


@pytest.mark.parametrize(("status", "seconds"), [(302, 60), (301, 60), (200, 1000)])
def test_a_redirect_to_a_signed_address_is_fresh_for_as_long_as_that(status: int, seconds: int) -> None:
    location = (b"Location", b"http://a/f?Signature=x&Expires=%d" % (NOW + 60))
    answer = stored((b"Cache-Control", b"max-age=1000"), (b"Age", b"0"), location, status=status)
    assert remaining(answer, Ttls(), NOW) == seconds
