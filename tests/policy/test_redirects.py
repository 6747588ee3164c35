"""Where a redirect leads, and who goes there."""

import pytest
from attrs import evolve
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxycache.policy.fields import Fields
from proxycache.policy.origins import ObjectTarget, OriginPolicy, object_key
from proxycache.policy.redirects import (
    REDIRECT_STATUSES,
    by_name,
    is_followed,
    redirect_goal,
    resolve_reference,
    with_absolute_references,
    with_own_references,
)

from .casefile import Case, cases

LIB = OriginPolicy(
    "lib",
    b"/l/",
    b"http://h/lib/",
    redirect_hosts=frozenset({"CDN", "ports:8443", "[2001:db8::1]:8443", "*.wild.example", "*.Ports.example:8443"}),
)
NAMED = OriginPolicy("named", b"/n/", b"http://10.0.0.5:8080/lib/", host=b"Pub.example")
ALL = OriginPolicy("all", b"/", b"http://all:8000/")
ORIGINS = (
    OriginPolicy("films", b"/films/", b"https://films/"),
    ALL,
    LIB,
    OriginPolicy("inner", b"/inner/", b"http://h/lib/inner/"),
    NAMED,
)


@cases("references", "base", "reference", "means")
def test_references(case: Case) -> None:
    base = case.octets("base") if "base" in case else b"http://a/b/c/d;p?q"
    assert resolve_reference(case.octets("reference"), base) == case.octets("means")


@cases("redirects", "from", "location", "followed", "joined", "client")
def test_redirects(case: Case) -> None:
    source = case.octets("from") if "from" in case else b"http://h/lib/a/f"
    (origin,) = (each for each in (LIB, ALL, NAMED) if source.startswith(each.url))
    location = Fields([(b"Location", case.octets("location"))])
    came = with_absolute_references(location, by_name(source, origin))
    goal = redirect_goal(came, origin)

    def followed(joins: bool) -> bytes | None:
        return goal if goal and is_followed(origin, source, goal, ORIGINS, joins=joins) else None

    assert followed(False) == case.octets_or_none("followed")
    assert followed(True) == case.octets_or_none("joined" if "joined" in case else "followed")
    if "client" in case:
        target = ObjectTarget(origin, object_key(origin, source), source)
        assert with_own_references(came, target, ORIGINS).all(b"location") == [case.octets("client")]


TARGET = ObjectTarget(LIB, object_key(LIB, b"http://h/lib/a/f"), b"http://h/lib/a/f")


def test_other_fields_stay() -> None:
    came = Fields(
        [(b"X", b"/lib/b"), (b"content-LOCATION", b"g"), (b"Location", b"http://h/lib/b"), (b"Link", b"</b>")]
    )
    absolute = with_absolute_references(came, b"http://cdn/x/y")
    assert absolute.lines == (came.lines[0], (b"content-LOCATION", b"http://cdn/x/g"), *came.lines[2:])
    told = with_own_references(absolute, TARGET, ORIGINS)
    assert told.lines == (came.lines[0], absolute.lines[1], (b"Location", b"/l/b"), came.lines[3])


def test_without_references_they_are_the_same() -> None:
    came = Fields([(b"X", b"/lib/b")])
    assert with_absolute_references(came, TARGET.source_url) is came
    assert with_own_references(came, TARGET, ORIGINS) is came


def test_a_redirect_without_a_location_leads_nowhere() -> None:
    assert redirect_goal(Fields(), LIB) is None


location_like = st.lists(
    st.sampled_from(
        [b"http", b"https", b":", b"//", b"/", b"@", b"\\", b"cdn", b"evil", b"h", b":80", b"[", b"]", b"?"]
    ),
    max_size=8,
).map(b"".join)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.one_of(st.binary(max_size=30), location_like))
@example(b"//[")
@example(b"http://[v1.x]/")
def test_arbitrary_bytes_lead_nowhere_else(location: bytes) -> None:
    came = with_absolute_references(Fields([(b"Location", location)]), TARGET.source_url)
    (told,) = with_own_references(came, TARGET, ORIGINS).all(b"location")
    assert not told.startswith(b"//")
    goal = redirect_goal(came, LIB)
    if goal is None or not is_followed(LIB, TARGET.source_url, goal, ORIGINS, joins=True):
        return
    scheme, _, rest = goal.partition(b"://")
    authority = rest.replace(b"?", b"/").partition(b"/")[0].lower()
    assert scheme.lower() in (b"http", b"https")
    assert authority in (b"h", b"h:80", b"cdn", b"cdn:80", b"cdn:443")


@pytest.mark.parametrize("status", [300, 304, 305, 306])
def test_what_does_not_redirect(status: int) -> None:
    assert status not in REDIRECT_STATUSES


@pytest.mark.parametrize(
    ("location", "followed"),
    [
        (b"https://h/lib/a/f", True),
        (b"https://h/lib/a/g", True),
        (b"https://h/lib/b/f", False),
        (b"https://h:8443/lib/a/f", False),
    ],
)
def test_an_origins_own_host_by_tls_where_it_is_listed(location: bytes, followed: bool) -> None:
    """As where an origin sends all of http to https. The base is the same then."""
    origin = evolve(LIB, redirect_hosts=frozenset({"h"}))
    assert is_followed(origin, b"http://h/lib/a/f", location, (origin,), joins=False) is followed
