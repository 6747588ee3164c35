"""What may be stored (RFC 9111, section 3), what of it is kept and renewed, and as which variant (section 4.1)."""

import pytest

from proxycache.policy.cookies import SetCookie, without_cookies
from proxycache.policy.fields import Fields
from proxycache.policy.freshness import Ttls
from proxycache.policy.storing import refusal, renewed_fields, storable_fields, variant_matches, variant_of

from .casefile import Case, cases
from .samples import NOW


@cases("storing", "status", "request", "response", "default_ttl", "error_ttl", "set_cookie", "refusal")
def test_responses(case: Case) -> None:
    request, response = case.fields("request"), case.fields("response")
    ttls = Ttls(case.get("default_ttl"), case.get("error_ttl"))
    set_cookie = SetCookie(case.get("set_cookie", "auto"))
    refused = refusal(case.get("status", 200), request, response, ttls, NOW, set_cookie)
    assert refused == case.outcome("refusal")


@pytest.mark.parametrize("policy", SetCookie)
def test_cookies_that_others_get(policy: SetCookie) -> None:
    fields = Fields([(b"A", b"1"), (b"set-cookie", b"a=b"), (b"B", b"2"), (b"Set-Cookie", b"c=d")])
    kept = fields if policy is SetCookie.KEEP else Fields([(b"A", b"1"), (b"B", b"2")])
    assert without_cookies(policy, fields) == kept


@cases("stored-fields", "status", "response", "kept")
def test_fields_that_are_kept(case: Case) -> None:
    assert storable_fields(case.get("status", 200), case.fields("response")) == case.fields("kept")


@cases("renewal", "stored", "response", "renewed")
def test_fields_after_a_304(case: Case) -> None:
    assert renewed_fields(case.fields("stored"), case.fields("response")) == case.fields("renewed")


@cases("vary", "response", "first", "second", "matches")
def test_variants(case: Case) -> None:
    response, first, second = case.fields("response"), case.fields("first"), case.fields("second")
    variant = variant_of(response, first)
    assert variant_matches(variant, first)
    assert variant_matches(variant, second) is case["matches"]
    assert (variant_of(response, second) == variant) is case["matches"]


def test_without_vary_there_is_one_variant() -> None:
    assert variant_of(Fields(), Fields([(b"Accept", b"a")])) == ()
