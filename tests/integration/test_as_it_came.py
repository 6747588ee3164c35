"""Signed and authorised requests go out as they came, method, range and conditions, once; what may be a hit is one."""

import pytest

from tests.integration.rig import KIB, MIB, Headers, Rig, Thing, exact, exact_part, told
from tests.servers.origin import Fault, Origin, Pattern, Served
from tests.servers.proxycache import Config

BEARER = ("Authorization", "Bearer a")
SIGNATURES = [
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=ab12",
    "X-Goog-Signature=ab12",
    "Expires=4102444800&Signature=ab12&Key-Pair-Id=K",
    "sv=2024-11-04&sig=a%2Fb%3D",
]


@pytest.fixture(scope="module")
def config(origin: Origin) -> Config:
    plain = {"name": "plain", "prefix": "/", "url": origin.url}
    known = {"name": "known", "prefix": "/known/", "url": origin.url, "headers": {"Authorization": "Bearer ours"}}
    keyless = {"name": "keyless", "prefix": "/keyless/", "url": origin.url, "ignore_query": ["sv", "sig"]}
    return {"origin": [plain, known, keyless]}


def signed(film: Thing, signature: str) -> Thing:
    """The same at a signed address."""
    return Thing(film.origin, film.path, film.url + "?" + signature, film.body)


class Asking:
    """A request that may be signed, and what is to go out of it."""

    def __init__(self, method: str, *headers: tuple[str, str]) -> None:
        self.method = method
        self.headers = headers

    def of(self, film: Thing, *more: tuple[str, str]) -> None:
        """Ask so; once, and as it came, the origin is asked."""
        before = len(film.requests)
        film.get(None, *self.headers, *more, method=self.method)
        (served,) = film.requests[before:]
        names = ("Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range")
        sent = {name: served.field(name) for name in names if served.field(name) is not None}
        assert (served.method, sent) == (self.method, dict(self.headers))


FORMS = {
    "whole": Asking("GET"),
    "open": Asking("GET", ("Range", "bytes=1000-")),
    "closed": Asking("GET", ("Range", "bytes=1000-1999")),
    "suffix": Asking("GET", ("Range", "bytes=-500")),
    "several": Asking("GET", ("Range", "bytes=0-9,1000-1009")),
    "match": Asking("GET", ("Range", "bytes=0-9"), ("If-Match", '"v1"')),
    "other match": Asking("GET", ("If-Match", '"v0"')),
    "none match": Asking("GET", ("If-None-Match", '"v1"')),
    "if-range": Asking("GET", ("Range", "bytes=1000-1999"), ("If-Range", '"v0"')),
    "head": Asking("HEAD"),
    "head, match": Asking("HEAD", ("If-Match", '"v1"')),
}


@pytest.mark.parametrize("form", FORMS)
class TestOnceAndAsItCame:
    @pytest.mark.parametrize("cache_control", ["max-age=3600", "public, max-age=3600", "no-store"])
    def test_authorized(self, rig: Rig, form: str, cache_control: str) -> None:
        FORMS[form].of(rig.put(300 * KIB, cache_control=cache_control), BEARER)

    @pytest.mark.parametrize("signature", SIGNATURES)
    def test_signed(self, rig: Rig, form: str, signature: str) -> None:
        FORMS[form].of(signed(rig.put(300 * KIB), signature))

    def test_where_what_is_stored_is_stale(self, rig: Rig, form: str) -> None:
        """No validators of ours go along."""
        film = rig.put(300 * KIB, cache_control="public, max-age=0")
        film.get_whole(BEARER)
        FORMS[form].of(film, BEARER)

    def test_where_little_is_stored(self, rig: Rig, form: str) -> None:
        film = signed(rig.put(300 * KIB), SIGNATURES[0])
        film.get_part(200_000, 200_001)
        before = len(film.requests)
        answer = film.get(None, *FORMS[form].headers, method=FORMS[form].method)
        assert answer.complete, told(answer)
        assert len(film.requests) <= before + 1


def test_its_refusal_is_the_clients(rig: Rig) -> None:
    film = rig.put(300 * KIB)
    film.fault(Fault(status=403), None)
    for method, asked in (("GET", None), ("GET", "5-"), ("GET", "-5"), ("HEAD", None)):
        before = len(film.requests)
        assert film.get(asked, BEARER, method=method).status == 403
        assert len(film.requests) == before + 1


class TestHits:
    def test_a_whole_that_may_be_kept(self, rig: Rig) -> None:
        film = rig.put(3 * MIB, cache_control="public, max-age=3600")
        film.get_whole(BEARER)
        film.get_part(MIB, MIB + 10, BEARER)
        film.get_whole()
        assert film.get(None, BEARER, method="HEAD").cache_status == "proxycache; hit"
        assert len(film.requests) == 1

    @pytest.mark.parametrize("asked", ["0-", "1000-", "-2000000", "1000-2000000"])
    def test_a_range_that_may_be_kept(self, rig: Rig, asked: str) -> None:
        film = signed(rig.put(3 * MIB), SIGNATURES[3])
        first = film.get(asked)
        assert (first.status, first.cache_status) == (206, "proxycache; fwd=uri-miss; stored"), told(first)
        again = film.get(asked)
        assert (again.body, again.status) == (first.body, 206)
        assert len(film.requests) == 1

    def test_across_signatures_that_are_no_part_of_the_key(self, rig: Rig) -> None:
        film = rig.put(3 * MIB, prefix="keyless/")
        signed(film, "sv=1&sig=a").get_whole()
        signed(film, "sv=1&sig=b").get_whole()
        signed(film, "sv=1&sig=b").get_part(5, 10)
        assert len(film.requests) == 1

    def test_the_rest_of_what_is_stored_in_part(self, rig: Rig) -> None:
        """It is asked for as the client asked, and then all is here."""
        film = rig.put(8 * MIB, prefix="keyless/")
        signed(film, "sig=a").get_part(0, MIB)
        exact(signed(film, "sig=b").get(), film.body)
        assert film.ranges == [f"bytes=0-{MIB - 1}", None]
        signed(film, "sig=c").get_whole()
        assert len(film.requests) == 2

    def test_it_is_read_beside_a_fill_that_brings_it(self, rig: Rig) -> None:
        film = rig.put(8 * MIB, prefix="keyless/")
        with film.stream() as reading:
            assert reading.recv_exactly(KIB)
            exact(signed(film, "sig=b").get(), film.body)
        assert len(film.requests) == 1


def test_nothing_else_is_asked_on_its_behalf(rig: Rig) -> None:
    """No window ahead, no rest of a chunk."""
    film = rig.put(30 * MIB, prefix="keyless/")
    asking = signed(film, "sig=a")
    for start in range(5):
        asking.get_part(start * MIB + 5, start * MIB + 500_000)
    with rig.clean_log():
        asking.get_part(20 * MIB, 20 * MIB + 10)
    assert len(film.requests) == 6
    assert film.ranges[-1] == f"bytes={20 * MIB}-{20 * MIB + 9}"


def test_a_body_that_breaks_off_is_resumed(rig: Rig) -> None:
    film = rig.put(3 * MIB, prefix="keyless/")
    film.fault(Fault(cut_after=MIB))
    exact_part(signed(film, "sig=a").get("5-"), film.body, 5, film.length)


def test_a_configured_authorization_is_not_the_clients(rig: Rig) -> None:
    film = rig.put(30 * MIB, prefix="known/")
    film.get_part(5, 10, BEARER)
    assert film.ranges[0] == f"bytes=5-{MIB - 1}"


@pytest.mark.parametrize("name", ["signed", "x-signature-age", "design"])
def test_other_parameters_are_no_signatures(rig: Rig, name: str) -> None:
    film = signed(rig.put(30 * MIB), f"{name}=1")
    film.get_part(5, 10)
    assert film.ranges[0] == f"bytes=5-{MIB - 1}"


FAILING: Headers = (BEARER,)


def test_a_stale_answer_stands_in(rig: Rig) -> None:
    film = rig.put(300 * KIB, cache_control="public, max-age=0, stale-if-error=60")
    film.get_whole()
    film.fault(Fault(status=500), None, when=lambda served: _authorized(served))
    answer = film.get(None, *FAILING)
    exact(answer, film.body)
    assert "origin-failed" in answer.cache_status


def _authorized(served: Served) -> bool:
    return served.field("Authorization") is not None


def test_a_client_that_read_the_beginning_of_an_older_version_can_begin_anew(rig: Rig) -> None:
    """What is stored is fresh; that the rest of it is not to be had any more shows in what he is refused."""
    film = rig.put(2 * MIB, cache_control="public, max-age=3600")
    exact_part(film.get("0-999", BEARER), film.body, 0, 1000)
    new = Thing(film.origin, film.path, film.url, Pattern(film.length, seed=999))
    film.origin.put(film.path, new.body, etag='"v2"', cache_control="public, max-age=3600")
    exact_part(new.get("0-999", BEARER), film.body, 0, 1000)
    rest = ("Range", f"bytes={MIB + 500_000}-"), ("If-Match", '"v1"')
    assert film.get(None, BEARER, *rest).status == 412
    exact_part(new.get("0-999", BEARER), new.body, 0, 1000)
    exact(new.get(None, BEARER), new.body)
