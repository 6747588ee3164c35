"""An origin is asked by its name, though it is found by an address: so one server of many sites is one origin of each."""

import pytest

from tests.integration.rig import MIB, Rig, exact, told
from tests.servers.fetch import fetch
from tests.servers.origin import Fault, Origin, Pattern
from tests.servers.proxycache import Config

CONTENT = Pattern(3 * MIB, seed=9)


@pytest.fixture(scope="module")
def config(origin: Origin, other: Origin) -> Config:
    """Two sites of one server, and one that is asked by its address."""
    sites = [
        {"name": name, "prefix": f"/{name}/", "url": origin.url, "host": f"{name}.example", "methods": ["GET", "POST"]}
        for name in ("one", "two")
    ]
    return {
        "origin": [
            {**sites[0], "redirect_hosts": [f"127.0.0.1:{other.port}"]},
            sites[1],
            {"name": "bare", "prefix": "/", "url": origin.url},
        ]
    }


def test_host(rig: Rig) -> None:
    for prefix, host in (("one/", "one.example"), ("two/", "two.example"), ("", f"127.0.0.1:{rig.origin.port}")):
        film = rig.put(3 * MIB, prefix=prefix)
        film.fault(Fault(cut_after=100_000))
        film.get_part(5, 1000)
        film.get_whole()
        film.get(method="POST")
        assert {served.field("Host") for served in film.requests} == {host}
        assert all(len([name for name, _ in served.fields if name.lower() == b"host"]) == 1 for served in film.requests)


def test_each_site_has_what_is_stored_for_it(rig: Rig) -> None:
    film = rig.put(1000)
    for prefix in ("one/", "two/", ""):
        answer = fetch(rig.proxy.url + prefix + film.path)
        exact(answer, film.body)
        assert answer.cache_status == "proxycache; fwd=uri-miss; stored"


def test_another_host_has_its_own(rig: Rig, other: Origin) -> None:
    moved = rig.put(1, prefix="one/")
    other.put("film", CONTENT)
    moved.fault(Fault(redirect=other.url + "film"), None)
    exact(moved.get(), CONTENT)
    assert other.log[0].field("Host") == f"127.0.0.1:{other.port}"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_its_redirects_by_its_name(rig: Rig, scheme: str) -> None:
    """As by its address: within itself it is followed, or the client's by our own path."""
    moved = rig.put(1, prefix="one/")
    rig.origin.put("real.bin", CONTENT)
    moved.fault(Fault(redirect=f"{scheme}://one.example/real.bin"))
    exact(moved.get(), CONTENT)
    gone = rig.put(1, prefix="one/")
    for site in ("one", "two"):
        gone.fault(Fault(redirect=f"{scheme}://{site}.example/sub/film.bin"))
        answer = gone.get()
        assert (answer.status, answer.field("Location")) == (302, f"/{site}/sub/film.bin"), told(answer)


def test_what_is_passed_on_names_it(rig: Rig) -> None:
    """And not the address, which may be nobody else's."""
    moved = rig.put(1, prefix="two/")
    moved.fault(Fault(redirect=f"http://one.example.evil/{moved.path}", headers=(("Content-Location", "sub/x"),)))
    answer = moved.get()
    assert answer.field("Location") == f"http://one.example.evil/{moved.path}"
    assert answer.field("Content-Location") == "/two/sub/x"


def test_what_is_made_by_its_name_is_made_out_of_date(rig: Rig) -> None:
    film = rig.put(1000, prefix="one/")
    film.get_whole()
    maker = rig.put(1, prefix="one/")
    maker.fault(Fault(status=201, headers=(("Location", f"http://one.example/{film.path}"),)))
    assert maker.get(method="POST").status == 201
    assert film.get_whole().cache_status != "proxycache; hit"
