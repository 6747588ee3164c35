"""Which fields of a request go to the origin (RFC 9110, section 7.6)."""

from proxycache.policy.forwarding import came_back, configured_fields, forwarded_fields, relayed_fields

from .casefile import Case, cases

OURS = {b"via", b"surrogate-capability"}


@cases("forwarding", "method", "body", "underscores", "request", "filling", "relayed")
def test_fields_that_go_along(case: Case) -> None:
    request = case.fields("request")
    body, underscores = case.get("body", False), case.get("underscores", False)
    relayed = relayed_fields(
        request, b"proxycache-1", case.get("method", "GET"), with_body=body, underscores=underscores
    )
    assert forwarded_fields(request, b"proxycache-1", underscores=underscores).without(OURS) == case.fields("filling")
    assert relayed.without(OURS) == case.fields("relayed")


@cases("via", "request", "via", "capability")
def test_fields_of_ours(case: Case) -> None:
    request = case.fields("request")
    for fields in (
        forwarded_fields(request, b"proxycache-1", underscores=False),
        relayed_fields(request, b"proxycache-1", "GET", with_body=False, underscores=False),
    ):
        assert fields.all(b"via") == [case.octets("via")]
        assert fields.all(b"surrogate-capability") == [case.octets("capability")]


@cases("loops", "request", "came_back")
def test_requests_that_came_back(case: Case) -> None:
    assert came_back(case.fields("request"), b"proxycache-1") is case["came_back"]


@cases("configured-fields", "request", "configured", "sent")
def test_fields_that_are_configured(case: Case) -> None:
    assert configured_fields(case.fields("request"), case.fields("configured")) == case.fields("sent")
