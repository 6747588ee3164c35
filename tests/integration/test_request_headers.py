"""What the origin is told beside the target."""

import gzip
import re

import pytest

from tests.integration.rig import KIB, MIB, Rig, told
from tests.servers.fetch import fetch
from tests.servers.origin import Fault, Origin, Served
from tests.servers.proxycache import Config

TOKEN = "Bearer s3cret"


@pytest.fixture(scope="module")
def config(origin: Origin) -> Config:
    """An origin that is given fields, and one that is not."""
    return {
        "origin": [
            {
                "name": "with",
                "prefix": "/with/",
                "url": origin.url,
                "headers": {"Authorization": TOKEN, "X-Extra": "ä; b=1"},
            },
            {"name": "bare", "prefix": "/bare/", "url": origin.url},
            {
                "name": "exact",
                "prefix": "/exact/",
                "url": origin.url,
                "underscores": True,
                "methods": ["GET", "HEAD", "OPTIONS", "POST"],
                "headers": {"X-Secret": TOKEN},
            },
        ]
    }


def values(served: Served, name: str) -> list[str]:
    """All of a request's fields of that name."""
    wanted = name.lower().encode()
    return [value.decode() for key, value in served.fields if key.lower() == wanted]


def test_configured_fields_are_added_to_every_request(rig: Rig) -> None:
    film = rig.put(3 * MIB, prefix="with/")
    film.fault(Fault(cut_after=100_000))
    film.get_part(0, 200 * KIB)
    film.get_part(2 * MIB, 2 * MIB + 10)
    fetch(film.url, method="OPTIONS")
    fetch(rig.proxy.url + "with/nothing", method="HEAD")
    assert len(rig.origin.log) >= 5
    for served in rig.origin.log:
        assert values(served, "Authorization") == [TOKEN]
        assert values(served, "X-Extra") == ["ä; b=1"]


def test_configured_credentials_keep_nothing_from_being_shared(rig: Rig) -> None:
    film = rig.put(1000, prefix="with/")
    film.get_whole()
    assert film.get_whole().cache_status == "proxycache; hit"


def test_configured_fields_stand_in_place_of_the_clients(rig: Rig) -> None:
    film = rig.put(1000, prefix="with/")
    film.get_whole(("Authorization", "Basic x"), ("x-extra", "mine"))
    assert values(film.requests[0], "Authorization") == [TOKEN]
    assert values(film.requests[0], "X-Extra") == ["ä; b=1"]


def test_other_origins_do_not_get_them(rig: Rig) -> None:
    film = rig.put(1000, prefix="bare/")
    film.get_whole()
    assert values(film.requests[0], "Authorization") == values(film.requests[0], "X-Extra") == []


def test_what_belongs_to_the_clients_connection_stays_there(rig: Rig) -> None:
    film = rig.put(1000, prefix="bare/")
    film.get_whole(
        ("Connection", "keep-alive, X-Mine"),
        ("X-Mine", "1"),
        ("Keep-Alive", "5"),
        ("Proxy-Authorization", "Basic x"),
        ("TE", "trailers"),
        ("Upgrade", "websocket"),
        ("X-End-To-End", "1"),
    )
    names = {name.lower() for name, _ in film.requests[0].fields}
    assert not names & {b"x-mine", b"keep-alive", b"proxy-authorization", b"te", b"upgrade"}
    assert values(film.requests[0], "X-End-To-End") == ["1"]


def as_cgi_reads(served: Served) -> dict[str, list[str]]:
    """The fields of a request as programs behind CGI, WSGI and their kin see them (RFC 3875, section 4.1.18)."""
    found: dict[str, list[str]] = {}
    for name, value in served.fields:
        found.setdefault(re.sub("[^A-Z0-9]", "_", name.decode().upper()), []).append(value.decode())
    return found


class TestNamesThatOriginsTakeForOthers:
    FORGED = (
        ("X_Extra", "mine"),
        ("X.Extra", "mine"),
        ("X-Extra_", "mine"),
        ("Content_Length", "5"),
        ("Transfer_Encoding", "chunked"),
    )

    def test_they_do_not_go_along(self, rig: Rig) -> None:
        film = rig.put(1000, prefix="with/")
        film.get_whole(*self.FORGED)
        fetch(film.url, method="OPTIONS", headers=self.FORGED)
        assert len(rig.origin.log) == 2
        for served in rig.origin.log:
            seen = as_cgi_reads(served)
            assert seen["X_EXTRA"] == ["ä; b=1"]
            assert not seen.keys() & {"X_EXTRA_", "TRANSFER_ENCODING", "CONTENT_LENGTH"}, seen

    def test_unless_the_origin_tells_them_apart(self, rig: Rig) -> None:
        film = rig.put(1000, prefix="exact/")
        film.get_whole(("X_Mine", "1"), ("x.mine", "2"))
        (served,) = film.requests
        assert (values(served, "X_Mine"), values(served, "X.Mine")) == (["1"], ["2"])

    def test_what_is_configured_and_the_framing_are_not_doubled_even_then(self, rig: Rig) -> None:
        film = rig.put(1000, prefix="exact/")
        forged = (*self.FORGED, ("X_Secret", "mine"), ("x.secret", "mine"), ("If_None_Match", '"v1"'))
        film.get_whole(*forged)
        fetch(film.url, method="POST", body=b"body", headers=forged)
        assert len(rig.origin.log) == 2
        for served in rig.origin.log:
            seen = as_cgi_reads(served)
            assert seen["X_SECRET"] == [TOKEN]
            assert "TRANSFER_ENCODING" not in seen
        assert as_cgi_reads(rig.origin.log[0]).keys().isdisjoint({"CONTENT_LENGTH", "IF_NONE_MATCH"})
        assert as_cgi_reads(rig.origin.log[1])["CONTENT_LENGTH"] == ["4"]


def test_via_is_continued(rig: Rig) -> None:
    film = rig.put(1000, prefix="bare/")
    film.get_whole(("Via", "1.0 a, 1.1 b"))
    assert ", ".join(values(film.requests[0], "Via")).startswith("1.0 a, 1.1 b, 1.1 proxycache-")


def test_host_is_the_origins(rig: Rig) -> None:
    film = rig.put(1000, prefix="bare/")
    film.get_whole(("Host", "films.example"))
    assert values(film.requests[0], "Host") == [f"127.0.0.1:{rig.origin.port}"]


@pytest.mark.parametrize("accepted", ["gzip", "gzip, deflate, br", "*", "identity;q=0", None])
def test_no_encoding_is_ever_asked_for(rig: Rig, accepted: str | None) -> None:
    film = rig.put(3 * MIB, prefix="bare/")
    private = rig.put(1000, prefix="bare/", cache_control="no-store")
    headers = () if accepted is None else (("Accept-Encoding", accepted),)
    film.fault(Fault(cut_after=1000))
    film.get_part(5, 2 * MIB, *headers)
    private.get_whole(*headers)
    fetch(film.url, method="OPTIONS", headers=headers)
    fetch(rig.proxy.url + "bare/nothing", method="HEAD", headers=headers)
    assert len(rig.origin.log) >= 5
    assert [values(served, "Accept-Encoding") for served in rig.origin.log] == [["identity"]] * len(rig.origin.log)


class TestEncodedAnyway:
    """An origin that encodes although nobody asked: bytes and label stay as they came, also in the cache."""

    @pytest.mark.parametrize("encoding", ["gzip", "br", "x-own"])
    def test_whole(self, rig: Rig, encoding: str) -> None:
        packed = gzip.compress(b"abc" * 10_000)
        page = rig.put(packed, prefix="bare/")
        page.fault(Fault(content_encoding=encoding), None)
        for _ in range(2):
            answer = page.get_whole()
            assert answer.field("Content-Encoding") == encoding, told(answer)
        assert len(page.requests) == 1
        answer = page.get_part(3, 10)
        assert answer.field("Content-Encoding") == encoding, told(answer)

    def test_parts_in_another_encoding_are_not_joined(self, rig: Rig) -> None:
        """Under the same validator, which an origin should not do."""
        film = rig.put(3 * MIB, prefix="bare/")
        film.get_part(0, 100)
        film.fault(Fault(content_encoding="gzip"), None)
        answer = film.get()
        assert not (answer.complete and answer.status == 200), told(answer)

    def test_a_part(self, rig: Rig) -> None:
        page = rig.put(gzip.compress(bytes(range(256)) * 1000, mtime=0) * 100, prefix="bare/")
        page.fault(Fault(content_encoding="gzip"), None)
        for _ in range(2):
            answer = page.get_part(100, 5000)
            assert answer.field("Content-Encoding") == "gzip", told(answer)

    def test_identity_is_no_encoding(self, rig: Rig) -> None:
        page = rig.put(1000, prefix="bare/")
        page.fault(Fault(content_encoding="identity"), None)
        page.get_whole()
        assert page.get_whole().cache_status == "proxycache; hit"
