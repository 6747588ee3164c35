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


@pytest.mark.parametrize(
    ("query", "signed"),
    [
        (b"", False),
        (b"?x=1", False),
        (b"?X-Amz-Signature=ab12", True),
        (b"?x-amz-signature=ab12&x=1", True),
        (b"?X-Goog-Signature=ab12", True),
        (b"?x-oss-signature=ab12", True),
        (b"?Expires=1&Signature=ab%3D", True),
        (b"?sv=1&sig=ab%3D", True),
        (b"?sig=", False),
        (b"?signed=1&design=1&mysig=1", False),
        (b"?X-Amz-SignedHeaders=host", False),
        (b"?a=1#sig=1", False),
    ],
)
def test_whether_an_address_is_signed(query: bytes, signed: bool) -> None:
    target = ObjectTarget(OriginPolicy("films", b"/", b"http://a/"), b"key", b"http://a/f" + query)
    assert target.goes_as_it_came(Fields()) is signed


@pytest.mark.parametrize(
    ("sent", "configured", "so"),
    [
        ((), (), False),
        ([(b"authorization", b"Bearer a")], (), True),
        ([(b"Authorization", b"Bearer a")], [(b"X-Other", b"1")], True),
        ([(b"Authorization", b"Bearer a")], [(b"authorization", b"Bearer ours")], False),
        ((), [(b"authorization", b"Bearer ours")], False),
        ([(b"Proxy-Authorization", b"Basic x")], (), False),
    ],
)
def test_whether_a_request_is_authorized(
    sent: list[tuple[bytes, bytes]], configured: list[tuple[bytes, bytes]], so: bool
) -> None:
    origin = OriginPolicy("films", b"/", b"http://a/", headers=Fields(configured))
    assert ObjectTarget(origin, b"key", b"http://a/f").goes_as_it_came(Fields(sent)) is so


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
