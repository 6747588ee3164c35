"""Directives for caches of our kind alone: CDN-Cache-Control (RFC 9213) and Surrogate-Control."""

from typing import Any

from proxycache.policy.fields import Fields
from proxycache.policy.freshness import response_directives, targeted_directives
from proxycache.policy.targeted import SURROGATE_CAPABILITY, parse_surrogate, parse_targeted

from .casefile import Case, cases, octets


def expected(directives: dict[str, Any]) -> dict[str, bytes | None]:
    return {name: None if argument is True else octets(argument) for name, argument in directives.items()}


@cases("targeted", "response", "directives")
def test_cdn_cache_control(case: Case) -> None:
    fields = case.fields("response")
    found = parse_targeted(fields.joined(b"cdn-cache-control"))
    directives = case.outcome("directives")
    assert found == (None if directives is None else expected(directives))
    untargeted = fields.adding((b"Cache-Control", b"x"))
    assert response_directives(untargeted) == ({"x": None} if found is None else found)


@cases("surrogate", "response", "directives")
def test_surrogate_control(case: Case) -> None:
    assert parse_surrogate(case.fields("response").all(b"surrogate-control")) == expected(case["directives"])


def test_without_either_cache_control_is_in_force() -> None:
    fields = Fields([(b"Surrogate-Control", b"content=x"), (b"CDN-Cache-Control", b"")])
    assert targeted_directives(fields) is None


def test_cdn_cache_control_that_is_absent_leaves_surrogate_control_in_force() -> None:
    fields = Fields([(b"CDN-Cache-Control", b"&"), (b"Surrogate-Control", b"max-age=5"), (b"Cache-Control", b"x")])
    assert response_directives(fields) == {"max-age": b"5"}


def test_what_we_say_we_can_do() -> None:
    assert SURROGATE_CAPABILITY == (b"Surrogate-Capability", b'proxycache="Surrogate/1.0"')
