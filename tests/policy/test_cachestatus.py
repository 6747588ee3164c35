"""Cache-Status (RFC 9211): as the cases show it, and always a structured field (RFC 8941)."""

from typing import Any

import http_sf
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from proxycache.policy.cachestatus import CacheStatus

from .casefile import Case, cases

PARAMETERS = ("hit", "fwd", "fwd_status", "stored", "collapsed", "ttl", "detail")


def parsed(rendered: bytes) -> tuple[Any, dict[str, Any]]:
    """The one member of the List, and its parameters."""
    found: Any = http_sf.parse(rendered, tltype="list")
    ((member, parameters),) = found
    return member, parameters


@cases("cache-status", *PARAMETERS, "key", "rendered", "label")
def test_examples(case: Case) -> None:
    given_ = {name: case[name] for name in PARAMETERS if name in case}
    status = CacheStatus(**given_, key=case.octets_or_none("key"))
    assert status.render() == case.octets("rendered")
    assert status.label == case["label"]
    member, parameters = parsed(status.render())
    assert str(member) == "proxycache"
    assert parameters.keys() == {name.replace("_", "-") for name in (*given_, "key") if name in case}


tokens = st.sampled_from(["uri-miss", "stale", "x", "*a/b", "origin-failed"])
statuses = st.builds(
    CacheStatus,
    hit=st.booleans(),
    fwd=st.one_of(st.none(), tokens),
    fwd_status=st.one_of(st.none(), st.integers(100, 599)),
    stored=st.booleans(),
    collapsed=st.booleans(),
    ttl=st.one_of(st.none(), st.integers(-(10**12), 10**12)),
    key=st.one_of(st.none(), st.binary(max_size=30), st.text('"\\% a/?é', max_size=12).map(str.encode)),
    detail=st.one_of(st.none(), tokens),
)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(statuses)
def test_whatever_is_rendered_is_a_structured_field(status: CacheStatus) -> None:
    member, parameters = parsed(status.render())
    assert isinstance(member, http_sf.Token)
    assert str(member) == "proxycache"
    assert parameters.get("ttl") == status.ttl
    assert parameters.get("fwd-status") == status.fwd_status
    assert (parameters.get("hit"), parameters.get("fwd")) == (status.hit or None, status.fwd)
    key = parameters.get("key")
    assert (key is None) == (status.key is None)
    if key is not None:
        assert type(key) is str
        assert key.isascii()
        assert key.isprintable()


@settings(deadline=None, max_examples=100, derandomize=True)
@given(statuses, st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20))
def test_a_printable_key_reads_back(status: CacheStatus, key: str) -> None:
    _, parameters = parsed(evolve(status, key=key.encode("ascii")).render())
    assert parameters["key"] == key


@settings(deadline=None, max_examples=100, derandomize=True)
@given(statuses, st.booleans())
def test_a_hit_of_which_bytes_were_fetched_was_none(status: CacheStatus, fetched: bool) -> None:
    settled = status.settled(fetched)
    if status.hit and fetched:
        assert (settled.label, settled.ttl, settled.key) == ("partial", status.ttl, status.key)
    else:
        assert settled == status
