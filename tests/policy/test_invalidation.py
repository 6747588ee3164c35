"""What a request makes out of date (RFC 9111, section 4.4)."""

from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.policy.fields import Fields
from proxycache.policy.invalidation import SAFE_METHODS, invalidated_targets
from proxycache.policy.origins import OriginPolicy, resolve_target
from proxycache.policy.targets import named_authorities

from .casefile import Case, cases

FILMS = OriginPolicy("films", b"/films/", b"https://files.example/library/", ignore_query=frozenset({b"token"}))
ORIGINS = [
    FILMS,
    OriginPolicy("others", b"/others/", b"https://files.example/"),
    OriginPolicy("rest", b"/", b"http://a/"),
]
TARGET = resolve_target(b"/films/a.mp4?x", ORIGINS)


@cases("invalidation", "method", "status", "response", "host", "keys")
def test_targets(case: Case) -> None:
    ours = named_authorities(case.get("host", "cache.example"))
    response = case.fields("response")
    found = invalidated_targets(
        case["method"], TARGET, case.get("status", 200), response, ORIGINS, lambda authority: authority in ours
    )
    assert [target.key.decode() for target in found] == case["keys"]
    assert all(target.origin is FILMS for target in found)
    assert (case["method"] in SAFE_METHODS) is (case.section == "RFC 9110, section 9.2.1")


def test_an_origin_that_calls_itself_otherwise() -> None:
    named = OriginPolicy("named", b"/", b"http://10.0.0.5:8080/", host=b"files.example")
    target = resolve_target(b"/a", [named])
    for told in (b"https://files.example/b", b"http://10.0.0.5:8080/b", b"/b"):
        found = invalidated_targets("POST", target, 201, Fields([(b"Location", told)]), [named], lambda _: False)
        assert [each.source_url for each in found] == [target.source_url, b"http://10.0.0.5:8080/b"]


reference_like = st.lists(
    st.sampled_from(
        [b"https://", b"files.example", b"/library/", b"/", b"..", b"%2e", b"?", b"#", b"[", b":x", b"a", b"@"]
    ),
    max_size=8,
).map(b"".join)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.one_of(st.binary(max_size=30), reference_like))
def test_arbitrary_references_name_nothing_of_another_origin(reference: bytes) -> None:
    response = Fields([(b"Location", reference), (b"Content-Location", reference)])
    found = invalidated_targets("POST", TARGET, 200, response, ORIGINS, lambda authority: authority.host == "a")
    assert found[0] is TARGET
    assert len(found) <= 3
    assert all(target.source_url.startswith(FILMS.url) for target in found)
