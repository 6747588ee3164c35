"""Addresses and names of hosts."""

from __future__ import annotations

from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st

from proxycache.policy.addresses import client_address, is_ours, parse_address
from proxycache.policy.fields import Fields

from .casefile import Case, cases

TRUSTED = [ip_network(each) for each in ("10.0.0.0/8", "192.0.2.1", "fd00::/8")]


@cases("host-names", "host", "ours")
def test_whether_a_host_is_ours(case: Case) -> None:
    assert is_ours(case.octets("host"), frozenset({"stats.example"})) == case["ours"]


@cases("client-addresses", "peer", "request", "client")
def test_whose_request_it_is(case: Case) -> None:
    peer, client = (None if case.outcome(key) is None else parse_address(case[key]) for key in ("peer", "client"))
    assert client_address(peer, case.fields("request"), TRUSTED) == client


@given(st.lists(st.tuples(st.sampled_from([b"X-Forwarded-For", b"Forwarded"]), st.binary(max_size=50)), max_size=4))
def test_whatever_is_told_it_is_an_address(lines: list[tuple[bytes, bytes]]) -> None:
    peer = parse_address("10.0.0.1")
    found = client_address(peer, Fields(lines), TRUSTED)
    assert found is not None
    assert parse_address(str(found)) == found
    assert client_address(peer, Fields(lines), []) == peer


@given(
    st.lists(st.ip_addresses(network="10.0.0.0/8"), max_size=4),
    st.ip_addresses(v=4).filter(lambda address: not any(address in network for network in TRUSTED)),
    st.lists(st.text("0123456789.:, x", max_size=20), max_size=3),
)
def test_what_a_client_says_changes_nothing(proxies: list[object], client: object, said: list[str]) -> None:
    value = ", ".join([*said, str(client), *map(str, proxies)])
    request = Fields([(b"X-Forwarded-For", value.encode())])
    assert client_address(parse_address("10.0.0.1"), request, TRUSTED) == client
