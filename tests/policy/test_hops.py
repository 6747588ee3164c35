"""What of the redirects that were followed stays with the answer."""

from proxycache.policy.fields import Fields
from proxycache.policy.hops import Hop, with_hop_fields
from proxycache.policy.origins import OriginPolicy

from .casefile import Case, cases, field_lines
from .samples import NOW


def hop(lines: str) -> Hop:
    """A redirect of these fields."""
    return Hop(b"http://hub/a", 302, Fields(field_lines(lines.split("\n"))), Fields(), NOW, NOW)


@cases("hop-fields", "hops", "keep", "response", "fields")
def test_fields_that_stay(case: Case) -> None:
    origin = OriginPolicy("hub", b"/", b"http://hub/", keep_hop_fields=tuple(case.get("keep", ())))
    hops = [hop(lines) for lines in case["hops"]]
    assert with_hop_fields(case.fields("response"), hops, origin) == case.fields("fields")


def test_cookies_of_another_host_are_not_for_who_asks_us() -> None:
    elsewhere = Hop(
        b"http://cdn/a", 302, Fields([(b"Set-Cookie", b"a=1"), (b"X-Repo-Commit", b"c")]), Fields(), NOW, NOW
    )
    origin = OriginPolicy("hub", b"/", b"http://hub/")
    assert with_hop_fields(Fields(), [elsewhere], origin).lines == ((b"X-Repo-Commit", b"c"),)
