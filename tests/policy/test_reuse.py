"""May a stored response be used (RFC 9111, sections 4.2, 4.2.4 and 5.2; RFC 5861)?"""

from proxycache.policy.freshness import Reuse, Ttls, may_be_stale, may_serve_on_error, reuse

from .casefile import Case, cases
from .samples import NOW, stored

DECISIONS = {
    "fresh": Reuse.FRESH,
    "beside": Reuse.STALE_WHILE_REVALIDATE,
    "revalidate": Reuse.REVALIDATE,
    "requested": Reuse.REQUESTED,
}


@cases("reuse", "response", "age", "request", "default_ttl", "reuse")
def test_decisions(case: Case) -> None:
    moment = NOW - case.get("age", 0)
    representation = stored(*case.fields("response"), request_time=moment, response_time=moment)
    decision = reuse(representation, case.fields("request"), Ttls(case.get("default_ttl")), NOW)
    assert decision is DECISIONS[case["reuse"]]


@cases("may-be-stale", "response", "allowed")
def test_what_forbids_to_be_stale(case: Case) -> None:
    assert may_be_stale(case.fields("response")) is case["allowed"]


@cases("serve-on-error", "response", "request", "overdue", "stale_if_error", "on_error", "cut")
def test_stale_when_the_origin_fails(case: Case) -> None:
    moment = NOW - 60 - case["overdue"]
    representation = stored(*case.fields("response"), request_time=moment, response_time=moment)
    for cut in (False, True):
        allowed = may_serve_on_error(
            representation,
            case.fields("request"),
            Ttls(),
            NOW,
            disconnected=cut,
            stale_if_error=case.get("stale_if_error"),
        )
        assert allowed is case["cut" if cut else "on_error"]
