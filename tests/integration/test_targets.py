"""Path and query reach the origin byte for byte, by the longest prefix; the key may leave parameters out."""

import pytest

from tests.integration.rig import MIB, Rig, exact, exact_part, refused
from tests.servers.fetch import Answer, Stream, fetch, same_stream
from tests.servers.origin import Fault, Literal, Origin, Pattern, Served
from tests.servers.proxycache import Config

TARGETS = [
    "a%2Fb",
    "a%2fb",
    "/",
    "/a//b///c",
    "%E9",
    "caf%C3%A9/%E9t%E9",
    "empty/",
    "empty//",
    "a?",
    "a??",
    "a;b=c/d;e",
    "a;b=c?d;e=f",
    'a[]|"^{}`<>',
    'a?[]|"^{}`<>',
    "back\\slash?back\\slash",
    "a?x=1&&x=1&",
    "a?b=%26c%3Dd%23e",
    "a?b&c=&=d",
    "a%23b",
    "a%3Fb?c?d",
    "100%",
    "a%zz",
    "%7Euser/~user",
    "a+b%20c?d+e%20f",
    ".hidden/..more/...",
    "a/./b",
    "a?to=http://elsewhere.example/../b",
    "a:b@c",
    "!$&'()*,=",
    "a%0Ab",
    "x" * 4000,
    "x?" + "y" * 4000,
]


@pytest.fixture(scope="module")
def config(origin: Origin, other: Origin) -> Config:
    """Origins below one another, none for the rest."""
    return {
        "origin": [
            {"name": "root", "prefix": "/root/", "url": origin.url},
            {"name": "library", "prefix": "/library/", "url": origin.url + "base/path%2F"},
            {"name": "films", "prefix": "/library/films/", "url": other.url[:-1]},
            {"name": "normal", "prefix": "/normal/", "url": origin.url, "normalize": True},
            {
                "name": "signed",
                "prefix": "/signed/",
                "url": origin.url + "signed/",
                "ignore_query": ["token", "two words"],
            },
        ]
    }


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_arrives_as_it_was_sent(rig: Rig, target: str) -> None:
    content = Pattern(1000, seed=len(target))
    rig.origin.put("/" + target, content)
    for _ in range(2):
        exact(fetch(f"{rig.proxy.url}root/{target}"), content)
    assert [served.target for served in rig.origin.log] == [b"/" + target.encode()]


def test_spellings_are_different_objects(rig: Rig) -> None:
    spellings = ["b[c]", "b%5Bc%5D", "b%2fc", "b%2Fc", "b/c", "b//c", "b/c/", "b/c?", "b/c?x", "b/c?x=", "B/c", "b/%63"]
    for number, spelling in enumerate(spellings):
        rig.origin.put("/" + spelling, Pattern(1000, seed=number))
    for _ in range(2):
        for number, spelling in enumerate(spellings):
            exact(fetch(f"{rig.proxy.url}root/{spelling}"), Pattern(1000, seed=number))


def test_spellings_are_one_object_where_the_origin_says_so(rig: Rig) -> None:
    """And each client's own goes to the origin."""
    spellings = ["n[c]/%c3%a9/%61?[d]", "n%5Bc%5D/%C3%A9/a?%5Bd%5D", "n%5bc%5d/%C3%a9/a?[d%5d"]
    content = Pattern(8 * MIB, seed=1)
    for spelling in spellings:
        rig.origin.put("/" + spelling, content)
    for number, spelling in enumerate(spellings):
        start = number * 3 * 1_000_000
        exact_part(get_range(f"{rig.proxy.url}normal/{spelling}", f"{start}-{start + 99}"), content, start, start + 100)
    # Each of them may be followed by what completes its piece.
    asked = list(dict.fromkeys(served.target for served in rig.origin.log))
    assert asked == [b"/" + spelling.encode() for spelling in spellings]
    for spelling in spellings:
        answer = get_range(f"{rig.proxy.url}normal/{spelling}", "0-99")
        assert answer.cache_status == "proxycache; hit"


def test_the_longest_prefix_decides(rig: Rig, other: Origin) -> None:
    library, film = Pattern(1000, seed=1), Pattern(1000, seed=2)
    rig.origin.put("/base/path%2F/one", library)
    rig.origin.put("/base/path%2F/films", library)
    other.put("/one?q", film)
    exact(fetch(rig.proxy.url + "library/one"), library)
    exact(fetch(rig.proxy.url + "library/films"), library)
    exact(fetch(rig.proxy.url + "library/films/one?q"), film)
    assert [served.target for served in other.log] == [b"/one?q"]


@pytest.mark.parametrize("path", ["", "rootless", "Root/a", "root", "%72oot/a"])
def test_what_has_no_prefix_has_no_origin(rig: Rig, path: str) -> None:
    refused(fetch(rig.proxy.url + path), 404)
    assert rig.origin.log == []


def test_equal_names_at_two_origins_are_two_objects(rig: Rig, other: Origin) -> None:
    rig.origin.put("/base/path%2F/same", Pattern(1000, seed=1))
    other.put("/same", Pattern(1000, seed=2))
    for _ in range(2):
        exact(fetch(rig.proxy.url + "library/same"), Pattern(1000, seed=1))
        exact(fetch(rig.proxy.url + "library/films/same"), Pattern(1000, seed=2))


class TestIgnoredParameters:
    def test_they_do_not_make_another_object(self, rig: Rig) -> None:
        film = rig.put(1000, path="signed/a")
        for query in ("?token=1", "?token=2", "", "?token", "?two+words=3&token=4", "?two%20words=", "?to%6ben=5"):
            exact(fetch(film.url + query), film.body)
        assert [served.target for served in rig.origin.log] == [b"/signed/a?token=1"]

    def test_others_do(self, rig: Rig) -> None:
        film = rig.put(1000, path="signed/b")
        queries = ("?token=1&size=1", "?size=2&token=1", "?tokens=1", "?", "")
        for _ in range(2):
            for query in queries:
                exact(fetch(film.url + query), film.body)
        assert [served.target.decode() for served in rig.origin.log] == ["/signed/b" + query for query in queries]

    def test_what_hides_behind_a_semicolon_is_the_senders_alone(self, rig: Rig) -> None:
        """An origin that splits at semicolons takes it for a parameter of its own."""
        rig.origin.put("/signed/e", b"for everybody")
        rig.origin.put("/signed/e?token=1;callback=evil", b"evil")
        for _ in range(2):
            exact(fetch(rig.proxy.url + "signed/e?token=1;callback=evil"), Literal(b"evil"))
            exact(fetch(rig.proxy.url + "signed/e"), Literal(b"for everybody"))
            exact(fetch(rig.proxy.url + "signed/e?token=2"), Literal(b"for everybody"))

    def test_a_later_fetch_uses_the_freshest(self, rig: Rig) -> None:
        film = rig.put(4 * MIB, path="signed/c")
        exact_part(get_range(film.url + "?token=old", "0-99"), film.body, 0, 100)
        film.fault(Fault(status=403), None, when=is_old)
        exact_part(get_range(film.url + "?token=new", "3000000-3000099"), film.body, 3000000, 3000100)
        assert rig.origin.log[1].target == b"/signed/c?token=new"

    def test_a_running_answer_goes_on_with_the_freshest(self, rig: Rig) -> None:
        """The token a client came with has expired by the time its answer needs more of the object."""
        film = rig.put(8 * MIB, path="signed/d")
        rig.origin.throttle(film.path, 4 * MIB)
        with Stream(film.url + "?token=old") as playing:
            same_stream(film.body, 0, MIB, playing)
            exact_part(get_range(film.url + "?token=new", "0-99"), film.body, 0, 100)
            film.fault(Fault(status=403), None, when=is_old)
            rig.origin.throttle(film.path, None)
            rig.origin.drop_connections()
            same_stream(film.body, MIB, film.length, playing)
            assert playing.answer.complete


def is_old(served: Served) -> bool:
    """Whether a request came with the token that expires."""
    return served.target.endswith(b"=old")


def get_range(url: str, range: str) -> Answer:
    """A range of what is at a URL."""
    return fetch(url, headers=[("Range", f"bytes={range}")])
