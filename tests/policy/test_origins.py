"""Request targets onto origins, byte for byte and never out of the prefix."""

import pytest
from attrs import evolve
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxycache.errors import BadTarget, MisdirectedTarget, NoSuchOrigin
from proxycache.policy.origins import OriginPolicy, resolve_target, same_host
from proxycache.policy.targets import Authority

FILMS = OriginPolicy("films", b"/films/", b"https://files.example/library/", ignore_query=frozenset({b"token", b"a b"}))
SERIES = OriginPolicy("series", b"/films/series/", b"https://series.example/")
ROOT = OriginPolicy("root", b"/", b"http://root.example:8080/base/")
NAMED = OriginPolicy("named", b"/named/", b"http://10.0.0.5/", host=b"pub.example")
ORIGINS = (ROOT, FILMS, SERIES, NAMED)


def ours(authority: Authority) -> bool:
    return authority.host == "proxy.example"


@pytest.mark.parametrize(
    ("target", "origin", "source_url"),
    [
        (b"/films/a.mp4", FILMS, b"https://files.example/library/a.mp4"),
        (b"/films/", FILMS, b"https://files.example/library/"),
        (b"/films", ROOT, b"http://root.example:8080/base/films"),
        (b"/filmsx/a", ROOT, b"http://root.example:8080/base/filmsx/a"),
        (b"/FILMS/a", ROOT, b"http://root.example:8080/base/FILMS/a"),
        (b"/films/series/a", SERIES, b"https://series.example/a"),
        (b"/", ROOT, b"http://root.example:8080/base/"),
        # Byte for byte
        (b"/films/%41%2f%2F%zz%", FILMS, b"https://files.example/library/%41%2f%2F%zz%"),
        (b"/films//x//", FILMS, b"https://files.example/library//x//"),
        (b"/films/a?", FILMS, b"https://files.example/library/a?"),
        (b"/films/a??x=1&&y", FILMS, b"https://files.example/library/a??x=1&&y"),
        (b"/films/a?token=s%20t&x=1", FILMS, b"https://files.example/library/a?token=s%20t&x=1"),
        (b'/films/[]|"^{}`<>\\', FILMS, b'https://files.example/library/[]|"^{}`<>\\'),
        (b"/films/a?x=../..", FILMS, b"https://files.example/library/a?x=../.."),
        (b"/films/...", FILMS, b"https://files.example/library/..."),
        (b"/films/..a/b..", FILMS, b"https://files.example/library/..a/b.."),
        (b"/films/%2e", FILMS, b"https://files.example/library/%2e"),
        (b"//other.example/x", ROOT, b"http://root.example:8080/base//other.example/x"),
        # Absolute form
        (b"http://proxy.example/films/a?x", FILMS, b"https://files.example/library/a?x"),
        (b"HTTPS://proxy.example:1/films/a", FILMS, b"https://files.example/library/a"),
        (b"http://proxy.example", ROOT, b"http://root.example:8080/base/"),
        (b"http://proxy.example?x=1", ROOT, b"http://root.example:8080/base/?x=1"),
    ],
)
def test_targets(target: bytes, origin: OriginPolicy, source_url: bytes) -> None:
    found = resolve_target(target, ORIGINS, ours)
    assert (found.origin, found.source_url) == (origin, source_url)


@pytest.mark.parametrize(
    ("target", "key"),
    [
        (b"/films/a", b"films:https://files.example/library/a"),
        (b"/films/series/a", b"series:https://series.example/a"),
        (b"/a?token=1", b"root:http://root.example:8080/base/a?token=1"),
        (b"/films/a?", b"films:https://files.example/library/a?"),
        (b"/films/a?x=1", b"films:https://files.example/library/a?x=1"),
        (b"/films/a?token=1", b"films:https://files.example/library/a"),
        (b"/films/a?token", b"films:https://files.example/library/a"),
        (b"/films/a?%74oken=1", b"films:https://files.example/library/a"),
        (b"/films/a?a+b=1&a%20b=2", b"films:https://files.example/library/a"),
        (b"/films/a?x=1&token=1&y=2", b"films:https://files.example/library/a?x=1&y=2"),
        (b"/films/a?Token=1", b"films:https://files.example/library/a?Token=1"),
        (b"/films/a?tokens=1", b"films:https://files.example/library/a?tokens=1"),
        (b"/named/a", b"named@pub.example:http://10.0.0.5/a"),
        (b"/films/%61", b"films:https://files.example/library/%61"),
        # Some origins split at semicolons as well.
        (b"/films/a?token=1;x=2", b"films:https://files.example/library/a?token=1;x=2"),
        (b"/films/a?token;x", b"films:https://files.example/library/a?token;x"),
        (b"/films/a?token;", b"films:https://files.example/library/a?token;"),
        (b"/films/a?;token", b"films:https://files.example/library/a?;token"),
        (b"/films/a?x=1;token=2", b"films:https://files.example/library/a?x=1;token=2"),
        (b"/films/a?token=1&amp;x=2", b"films:https://files.example/library/a?amp;x=2"),
        (b"/films/a?token=1&token=2;x&y", b"films:https://files.example/library/a?token=2;x&y"),
        (b"/films/a?token=host%3Bdate", b"films:https://files.example/library/a"),
        # What is no such parameter to every origin stays.
        (b"/films/a?&token=1&", b"films:https://files.example/library/a?&"),
        (b"/films/a?=token", b"films:https://files.example/library/a?=token"),
        (b"/films/a?token[x]=1", b"films:https://files.example/library/a?token[x]=1"),
        (b"/films/a?token%5Bx%5D=1", b"films:https://files.example/library/a?token%5Bx%5D=1"),
        (b"/films/a?token.x=1", b"films:https://files.example/library/a?token.x=1"),
        (b"/films/a?token%00=1", b"films:https://files.example/library/a?token%00=1"),
        (b"/films/a?token%3D1", b"films:https://files.example/library/a?token%3D1"),
        (b"/films/a?a%2Bb=1", b"films:https://files.example/library/a?a%2Bb=1"),
        (b"/films/a?%20token=1", b"films:https://files.example/library/a?%20token=1"),
        (b"/films/a??token=1", b"films:https://files.example/library/a??token=1"),
    ],
)
def test_keys(target: bytes, key: bytes) -> None:
    assert resolve_target(target, ORIGINS).key == key


def test_spellings_have_keys_of_their_own_unless_they_are_to_be_normalized() -> None:
    spellings = [b"/[x]?[y]", b"/%5Bx%5D?[y]", b"/%5bx]?%5By%5d"]
    assert len({resolve_target(spelling, ORIGINS).key for spelling in spellings}) == 3
    origins = (evolve(ROOT, normalize=True),)
    found = [resolve_target(spelling, origins) for spelling in spellings]
    assert {target.key for target in found} == {b"root:http://root.example:8080/base/%5Bx%5D?%5By%5D"}
    assert [target.source_url for target in found] == [b"http://root.example:8080/base" + each for each in spellings]


def test_what_is_ignored_and_what_is_normalized() -> None:
    origins = (evolve(FILMS, normalize=True),)
    for target in (b"/films/%61?%74oken=1", b"/films/a?token=2&token", b"/films/a"):
        assert resolve_target(target, origins).key == b"films:https://files.example/library/a"


@pytest.mark.parametrize("dots", [b"..", b"%2e%2e", b"%2E%2E", b".%2e", b"%2E."])
@pytest.mark.parametrize(
    "around",
    [
        b"/films/%s",
        b"/films/%s/",
        b"/films/%s/secret",
        b"/films/a/%s/b",
        b"/%s/films/a",
        b"/films/a/%%2f%s/b",
        b"/films/a%%2F%s%%2fb",
        b"/films/%s%%5c",
        b"/films/\\%s\\secret",
        b"/films/%%5C%s%%5csecret",
        b"/films/%s?x=1",
        b"http://proxy.example/films/%s/x",
        b"/films//%s//x",
    ],
)
def test_climbing_is_refused_however_it_is_written(around: bytes, dots: bytes) -> None:
    with pytest.raises(BadTarget):
        resolve_target(around % dots, ORIGINS, ours)


@pytest.mark.parametrize(
    "target",
    [
        b"",
        b"*",
        b"films/a",
        b"?x",
        b"proxy.example:443",
        b"ftp://proxy.example/films/a",
        b"http:///films/a",
        b"http://",
        b"http://:80/films/a",
        b"http://user@proxy.example/films/a",
        b"http://proxy.example@/films/a",
        b"http://other.example\\@proxy.example/films/a",
        b"http://proxy.example:port/films/a",
        b"http://proxy.example:99999/films/a",
        b"http://[/films/a",
        b"http://[proxy.example]/films/a",
        b"/films/a b",
        b"/films/a\r\nX: y",
        b"/films/a\n",
        b"/films/a\0",
        b"/films/a%00b",
        b"/films/\xc3\xa4",
        b"/films/\x7f",
        b"/films/a#part",
        b"#",
    ],
)
def test_what_is_no_target(target: bytes) -> None:
    with pytest.raises(BadTarget):
        resolve_target(target, ORIGINS, ours)


@pytest.mark.parametrize("target", [b"http://other.example/films/a", b"http://other.example", b"https://127.0.0.1/"])
def test_what_is_for_somebody_else(target: bytes) -> None:
    with pytest.raises(MisdirectedTarget):
        resolve_target(target, ORIGINS, ours)
    with pytest.raises(MisdirectedTarget):
        resolve_target(b"http://proxy.example/films/a", ORIGINS)


def test_without_a_prefix_there_is_no_origin() -> None:
    with pytest.raises(NoSuchOrigin):
        resolve_target(b"/other/a", (FILMS, SERIES))


path_like = st.lists(
    st.sampled_from(
        [
            b"/",
            b".",
            b"%2e",
            b"%2f",
            b"%5c",
            b"\\",
            b"films",
            b"?",
            b"#",
            b"//",
            b"a",
            b"http://h",
            b"http://proxy.example",
            b"&",
            b"=",
        ]
    ),
    max_size=12,
).map(b"".join)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.one_of(st.binary(max_size=30), path_like, path_like.map(lambda rest: b"/films/" + rest)))
@example(b"http://[")
def test_arbitrary_bytes_reach_no_other_url(target: bytes) -> None:
    try:
        found = resolve_target(target, ORIGINS, ours)
    except (BadTarget, MisdirectedTarget, NoSuchOrigin):
        return
    assert found.source_url.startswith(found.origin.url)
    assert found.key.startswith(b"%s:%s" % (found.origin.name.encode(), found.origin.url))
    rest = found.source_url.removeprefix(found.origin.url)
    assert target.endswith(rest)
    assert same_host(found.source_url, found.origin.url)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(path_like, path_like)
def test_two_objects_never_share_a_key(one: bytes, other: bytes) -> None:
    """Where no parameter is ignored, equal keys mean equal source URLs."""
    origins = (ROOT, SERIES)
    try:
        first, second = (resolve_target(b"/" + target, origins) for target in (one, other))
    except BadTarget:
        return
    assert (first.key == second.key) == (first.source_url == second.source_url)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (b"http://a.example/x", b"http://a.example/y", True),
        (b"http://A.example/x", b"HTTP://a.Example/", True),
        (b"http://a.example/", b"https://a.example/", False),
        (b"http://a.example/", b"http://a.example:8080/", False),
        (b"http://a.example/", b"http://b.example/", False),
        (b"http://a.example/", b"http://a.example.evil/", False),
    ],
)
def test_same_host(one: bytes, other: bytes, same: bool) -> None:
    assert same_host(one, other) is same
