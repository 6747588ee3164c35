"""An origin that leads back to us is told at once, and one of our kind before or behind us is none."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.rig import MIB, Rig, at_once, exact, refused
from tests.servers.fetch import fetch
from tests.servers.origin import Origin
from tests.servers.proxycache import Proxycache


def led_to(proxy: Proxycache, url: str) -> Proxycache:
    """The product, before the origin at C{url}."""
    proxy.config["origin"] = [{"name": "films", "url": url, "methods": ["GET", "HEAD", "OPTIONS", "POST"]}]
    return proxy


@pytest.fixture(scope="module")
def looping(tmp_path_factory: pytest.TempPathFactory, origin: Origin) -> Iterator[dict[str, Proxycache]]:
    """One whose origin it is itself, two that have each other, and one before an origin that is."""
    names = ("alone", "one", "two", "before")
    proxies = {name: Proxycache(tmp_path_factory.mktemp(name), origin.url) for name in names}
    for name, leads_to in (("alone", "alone"), ("one", "two"), ("two", "one"), ("before", "alone")):
        led_to(proxies[name], proxies[leads_to].url)
    with ThreadPoolExecutor(len(proxies)) as pool:
        list(pool.map(Proxycache.start, proxies.values()))
    yield proxies
    for proxy in proxies.values():
        proxy.stop()
        proxy.assert_clean_log()


@pytest.mark.parametrize("name", ["alone", "one", "two", "before"])
def test_it_is_told_at_once(looping: dict[str, Proxycache], name: str) -> None:
    url = looping[name].url + "film.mp4"
    assert "been here before" in refused(fetch(url), 508)
    assert fetch(url, method="HEAD").status == 508
    assert fetch(url, method="OPTIONS").status == 508
    assert fetch(url, method="POST", headers=[("Content-Length", "0")]).status == 508
    assert fetch(url, headers=[("Range", "bytes=5-9")]).status == 508


def test_it_is_told_to_a_crowd(looping: dict[str, Proxycache]) -> None:
    url = looping["two"].url + "crowded.mp4"
    answers = at_once([lambda: fetch(url)] * 8)
    assert {answer.status for answer in answers} == {508}


def test_one_of_our_kind_before_us_is_none(rig: Rig, tmp_path: Path) -> None:
    film = rig.put(3 * MIB)
    with Proxycache(tmp_path, rig.proxy.url) as front:
        exact(fetch(front.url + film.path), film.body)
    via = film.requests[0].field("Via") or ""
    assert re.fullmatch(r"1\.1 proxycache-[0-9a-f]{8}, 1\.1 proxycache-[0-9a-f]{8}", via), via
    assert len(set(via.split(", "))) == 2


def test_what_a_client_says_of_others_is_none(rig: Rig) -> None:
    film = rig.put(1000)
    exact(film.get(None, ("Via", "1.1 proxycache, 1.1 proxycache-0")), film.body)
