"""Where a redirect may lead."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxycache.policy.origins import REDIRECT_STATUSES, OriginPolicy, redirect_target

ORIGIN = OriginPolicy(
    "films",
    b"/",
    b"https://files.example/library/",
    redirect_hosts=frozenset({"cdn.example", "Mirror.Example", "ports.example:8443"}),
)
URL = b"https://files.example/library/a/b?x=1"


@pytest.mark.parametrize(
    ("location", "goal"),
    [
        (b"https://files.example/other", b"https://files.example/other"),
        (b"/other?y=%2F", b"https://files.example/other?y=%2F"),
        (b"c", b"https://files.example/library/a/c"),
        (b"//cdn.example/c", b"https://cdn.example/c"),
        (b"http://cdn.example/c", b"http://cdn.example/c"),
        (b"https://cdn.example:9000/c", b"https://cdn.example:9000/c"),
        (b"https://CDN.example/c", b"https://CDN.example/c"),
        (b"https://mirror.example/c", b"https://mirror.example/c"),
        (b"https://ports.example:8443/c", b"https://ports.example:8443/c"),
        (b"https://cdn.example/c?sig=a%2Fb+c%3D#part", b"https://cdn.example/c?sig=a%2Fb+c%3D"),
    ],
)
def test_followed(location: bytes, goal: bytes) -> None:
    assert redirect_target(ORIGIN, URL, location) == goal


@pytest.mark.parametrize(
    "location",
    [
        None,
        b"",
        b"https://evil.example/",
        b"https://cdn.example.evil/",
        b"https://evilcdn.example/",
        b"https://cdn.example@evil.example/",
        b"https://evil.example\\@cdn.example/",
        b"https://user@cdn.example/",
        b"https://user:secret@cdn.example/",
        b"https://@cdn.example/",
        b"https://ports.example/c",
        b"https://ports.example:9000/c",
        b"https://cdn.example:99999/",
        b"https://cdn.example:x/",
        b"https://[::1]/",
        b"https://[/",
        b"ftp://cdn.example/c",
        b"file:///etc/passwd",
        b"javascript:alert(1)",
        b"gopher://cdn.example/",
        b"https://cdn.example/a b",
        b"https://cdn.example/\r\nX: y",
        b"https://cdn.example/\xc3\xa4",
        b"https://169.254.169.254/latest",
    ],
)
def test_not_followed(location: bytes | None) -> None:
    assert redirect_target(ORIGIN, URL, location) is None


def test_a_default_port_is_a_port() -> None:
    origin = OriginPolicy("films", b"/", b"https://files.example/", redirect_hosts=frozenset({"cdn.example:443"}))
    assert redirect_target(origin, URL, b"https://cdn.example/c") == b"https://cdn.example/c"
    assert redirect_target(origin, URL, b"http://cdn.example/c") is None


location_like = st.lists(
    st.sampled_from(
        [
            b"http",
            b"https",
            b":",
            b"//",
            b"/",
            b"@",
            b"\\",
            b"cdn.example",
            b"evil.example",
            b":80",
            b"[",
            b"]",
            b"?",
            b"#",
        ]
    ),
    max_size=8,
).map(b"".join)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.one_of(st.binary(max_size=30), location_like))
@example(b"//[")
@example(b"http://[v1.x]/")
def test_arbitrary_bytes_lead_nowhere_else(location: bytes) -> None:
    goal = redirect_target(ORIGIN, URL, location)
    if goal is None:
        return
    scheme, _, rest = goal.partition(b"://")
    authority = rest.replace(b"?", b"/").partition(b"/")[0].lower()
    assert scheme in (b"http", b"https")
    assert authority.partition(b":")[0] in (
        b"files.example",
        b"cdn.example",
        b"mirror.example",
        b"ports.example",
    )


def test_statuses_that_redirect() -> None:
    assert frozenset({301, 302, 303, 307, 308}) == REDIRECT_STATUSES
