"""What of the redirects that were followed stays with the answer."""

from proxycache.policy.fields import Fields
from proxycache.policy.hops import Hop, with_hop_fields

from .casefile import Case, cases, field_lines
from .samples import NOW


def hop(lines: str) -> Hop:
    """A redirect of these fields."""
    return Hop(302, Fields(field_lines(lines.split("\n"))), Fields(), NOW, NOW)


@cases("hop-fields", "hops", "keep", "response", "fields")
def test_fields_that_stay(case: Case) -> None:
    hops = [hop(lines) for lines in case["hops"]]
    assert with_hop_fields(case.fields("response"), hops, case.get("keep", ())) == case.fields("fields")
