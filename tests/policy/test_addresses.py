"""Addresses and names of hosts."""

from __future__ import annotations

from proxycache.policy.addresses import is_ours

from .casefile import Case, cases


@cases("host-names", "host", "ours")
def test_whether_a_host_is_ours(case: Case) -> None:
    assert is_ours(case.octets("host"), frozenset({"stats.example"})) == case["ours"]
