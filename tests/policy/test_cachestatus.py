"""Cache-Status as the design shows it (RFC 9211)."""

import pytest

from proxycache.policy.cachestatus import CacheStatus


@pytest.mark.parametrize(
    ("status", "rendered", "label"),
    [
        (CacheStatus(hit=True), b"proxycache; hit", "hit"),
        (
            CacheStatus(fwd="uri-miss", stored=True, collapsed=True),
            b"proxycache; fwd=uri-miss; stored; collapsed",
            "uri-miss",
        ),
        (CacheStatus(fwd="partial", stored=True), b"proxycache; fwd=partial; stored", "partial"),
        (
            CacheStatus(fwd="bypass", detail="database-unavailable"),
            b"proxycache; fwd=bypass; detail=database-unavailable",
            "bypass",
        ),
        (
            CacheStatus(fwd="stale", fwd_status=304, stored=True),
            b"proxycache; fwd=stale; fwd-status=304; stored",
            "stale",
        ),
        (CacheStatus(), b"proxycache", "none"),
    ],
)
def test_examples(status: CacheStatus, rendered: bytes, label: str) -> None:
    assert status.render() == rendered
    assert status.label == label
