"""nginx before proxycache, as the documentation deploys it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.front import Front
from tests.clients.programs import run
from tests.servers.fetch import fetch, same, same_stream, stream
from tests.servers.nginx import DEPLOYED, Nginx
from tests.servers.origin import Pattern

MIB = 1 << 20
CURL = ("curl", "--silent", "--show-error", "--fail")


@pytest.fixture(scope="module")
def nginx(front: Front, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """nginx with the documented server block."""
    with Nginx(tmp_path_factory.mktemp("nginx"), DEPLOYED.read_text(), front.url) as running:
        yield running


def test_whole_and_range(front: Front, nginx: Nginx, tmp_path: Path) -> None:
    pattern = Pattern(6 * MIB + 5)
    front.put("nginx/film.bin", pattern)
    url = nginx.url + "nginx/film.bin"
    ranged, whole = tmp_path / "ranged", tmp_path / "whole"
    assert run(*CURL, "-r", "3000000-3999999", "-o", ranged, "-w", "%{http_code}", url) == "206"
    assert ranged.stat().st_size == 1_000_000
    same(pattern, 3_000_000, ranged.read_bytes())
    for _ in ("cold", "hot"):
        assert run(*CURL, "-o", whole, "-w", "%{http_code}", url) == "200"
        assert whole.stat().st_size == pattern.length
        same(pattern, 0, whole.read_bytes())
    front.assert_sent_once("nginx/film.bin", pattern.length)


def test_cache_status_is_visible(front: Front, nginx: Nginx) -> None:
    front.put("nginx/status.bin", Pattern(MIB))
    statuses = [fetch(nginx.url + "nginx/status.bin").cache_status for _ in range(2)]
    if front.proxy is not None:
        cold, hot = statuses
        assert cold is not None
        assert "fwd=uri-miss" in cold
        assert hot is not None
        assert hot.endswith("hit")


def test_the_target_arrives_byte_for_byte(front: Front, nginx: Nginx) -> None:
    target = "nginx/a%2Fb%20c//d/?x=%2f&&y=[1]"
    front.put(target, b"odd")
    assert fetch(nginx.url + target).body == b"odd"
    assert front.origin.log[-1].target == f"/{target}".encode()


def test_clients_that_leave(front: Front, nginx: Nginx) -> None:
    pattern = Pattern(64 * MIB, seed=5)
    front.put("nginx/left.bin", pattern)
    url = nginx.url + "nginx/left.bin"
    for start in (0, 40 * MIB, 10 * MIB):
        answer = fetch(url, headers=[("Range", f"bytes={start}-")], read=100_000)
        same(pattern, start, answer.body)
    with stream(url) as whole:
        same_stream(pattern, 0, pattern.length, whole)
        assert whole.answer.complete
    front.assert_sent_once("nginx/left.bin", pattern.length)


def test_an_aborted_answer_is_not_taken_for_a_whole_one(front: Front, nginx: Nginx) -> None:
    pattern = Pattern(8 * MIB, seed=6)
    front.put("nginx/lost.bin", pattern)
    front.origin.throttle("nginx/lost.bin", 4 * MIB)
    with stream(nginx.url + "nginx/lost.bin") as answering:
        answering.recv_exactly(MIB)
        front.origin.stop()
        front.origin.remove("nginx/lost.bin")
        front.origin.start()
        same(pattern, MIB, answering.rest())
        assert not answering.answer.complete
    front.origin.throttle("nginx/lost.bin", None)
    front.put("nginx/lost.bin", pattern)
    again = fetch(nginx.url + "nginx/lost.bin")
    assert again.complete
    assert len(again.body) == pattern.length
    same(pattern, 0, again.body)
