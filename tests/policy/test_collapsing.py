"""When one answer serves several who asked at once (RFC 9111, section 4)."""

from proxycache.policy.collapsing import HIT_FOR_MISS_SECONDS, MAX_HIT_FOR_MISS, HitForMiss, may_share, worth_waiting
from proxycache.policy.freshness import Ttls

from .casefile import Case, cases
from .samples import NOW, stored


@cases("sharing", "response", "request", "default_ttl", "vary", "shared")
def test_what_may_be_shared(case: Case) -> None:
    representation = stored(*case.fields("response"), vary=((b"accept-language", b"de"),) if case.get("vary") else ())
    assert may_share(representation, case.fields("request"), Ttls(case.get("default_ttl")), NOW) is case["shared"]


@cases("worth-waiting", "stale", "request", "default_ttl", "waits")
def test_what_is_worth_waiting_for(case: Case) -> None:
    stale = stored(*case.fields("stale")) if "stale" in case else None
    assert worth_waiting(stale, case.fields("request"), Ttls(case.get("default_ttl"))) is case["waits"]


class TestHitForMiss:
    def test_it_lasts_for_a_while(self) -> None:
        keys = HitForMiss()
        keys.note(b"a", personal=False, now=100.0)
        for personal in (False, True):
            assert keys.lasts(b"a", personal, 100.0 + HIT_FOR_MISS_SECONDS - 1)
            assert not keys.lasts(b"a", personal, 100.0 + HIT_FOR_MISS_SECONDS)
        assert not keys.lasts(b"b", personal=False, now=100.0)

    def test_what_one_person_gets_says_nothing_of_others(self) -> None:
        keys = HitForMiss()
        keys.note(b"a", personal=True, now=100.0)
        assert keys.lasts(b"a", personal=True, now=100.0)
        assert not keys.lasts(b"a", personal=False, now=100.0)

    def test_an_answer_that_is_stored_ends_it(self) -> None:
        keys = HitForMiss()
        for personal in (False, True):
            keys.note(b"a", personal, 100.0)
        keys.over(b"a")
        assert not keys.lasts(b"a", personal=True, now=100.0)

    def test_it_is_bounded(self) -> None:
        keys = HitForMiss()
        for number in range(MAX_HIT_FOR_MISS + 1):
            keys.note(b"%d" % number, personal=False, now=100.0)
        assert not keys.lasts(b"0", personal=False, now=100.0)
        assert keys.lasts(b"1", personal=False, now=100.0)
