"""Parts that are asked for in words of others, and those that nobody asked for."""

from proxycache.policy.answers import unasked_whole
from proxycache.policy.fields import Fields
from proxycache.policy.foreign import as_azure_reads, is_azure, is_foreign

from .casefile import Case, cases


@cases("foreign", "request", "foreign", "azure")
def test_foreign(case: Case) -> None:
    request = case.fields("request")
    assert is_foreign(request) is case["foreign"]
    if case["foreign"]:
        read = as_azure_reads(request)
        assert (read and read.first(b"range")) == case.octets_or_none("azure")
        assert read is None or not is_foreign(read)


def test_azure_tells_of_itself() -> None:
    assert is_azure(Fields([(b"X-Ms-Version", b"2026-02-06")]))
    assert not is_azure(Fields([(b"x-ms-request-id", b"1")]))


@cases("unasked-whole", "request", "status", "response", "length", "whole")
def test_unasked_whole(case: Case) -> None:
    length = case.get("length", 1000)
    found = unasked_whole(
        case.fields("request"), case.get("status", 206), case.fields("response"), None if length < 0 else length
    )
    assert found is case["whole"]
