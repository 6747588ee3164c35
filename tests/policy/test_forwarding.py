"""Which fields of a request go to the origin (RFC 9110, section 7.6)."""

from proxycache.policy.forwarding import forwarded_fields, relayed_fields

from .casefile import Case, cases

OURS = {b"via", b"surrogate-capability"}


@cases("forwarding", "method", "body", "request", "filling", "relayed")
def test_fields_that_go_along(case: Case) -> None:
    request = case.fields("request")
    relayed = relayed_fields(request, case.get("method", "GET"), with_body=case.get("body", False))
    assert forwarded_fields(request).without(OURS) == case.fields("filling")
    assert relayed.without(OURS) == case.fields("relayed")


@cases("via", "request", "via", "capability")
def test_fields_of_ours(case: Case) -> None:
    request = case.fields("request")
    for fields in (forwarded_fields(request), relayed_fields(request, "GET", with_body=False)):
        assert fields.all(b"via") == [case.octets("via")]
        assert fields.all(b"surrogate-capability") == [case.octets("capability")]
