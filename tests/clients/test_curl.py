"""curl: whole objects, ranges, resuming, many at once, slowly."""

from pathlib import Path

import pytest

from tests.clients.front import Front
from tests.clients.programs import run
from tests.servers.fetch import same
from tests.servers.origin import Pattern

MIB = 1 << 20
CURL = ("curl", "--silent", "--show-error", "--fail", "--http1.1")
FILM = Pattern(5 * MIB + 12345, seed=1)


@pytest.fixture(scope="module")
def film(front: Front) -> str:
    """The URL of an object that the tests of this file cache bit by bit."""
    return front.put("curl/film.bin", FILM)


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("0-0", 0, 1),
        ("5-9", 5, 10),
        ("1048570-1048590", 1048570, 1048591),
        (f"{3 * MIB}-", 3 * MIB, FILM.length),
        ("-100", FILM.length - 100, FILM.length),
        ("2000000-99999999", 2000000, FILM.length),
    ],
)
def test_a_range_cold_and_hot(front: Front, film: str, tmp_path: Path, wanted: str, start: int, stop: int) -> None:
    for name in ("cold", "hot"):
        out = tmp_path / name
        assert run(*CURL, "-r", wanted, "-o", out, "-w", "%{http_code}", film) == "206"
        same(FILM, start, out.read_bytes())
        assert out.stat().st_size == stop - start


def test_several_ranges_on_one_connection(film: str, tmp_path: Path) -> None:
    spans = [(i * 700_001, i * 700_001 + 300_000) for i in range(7)]
    command: list[str | Path] = []
    for start, stop in spans:
        out = tmp_path / str(start)
        command += [
            "--next",
            *CURL[1:],
            "-r",
            f"{start}-{stop - 1}",
            "-o",
            out,
            "-w",
            "%{num_connects}",
            film,
        ]
    assert run("curl", *command[1:]) == "1000000"
    for start, stop in spans:
        body = (tmp_path / str(start)).read_bytes()
        assert len(body) == stop - start
        same(FILM, start, body)


def test_whole_cold_then_hot(front: Front, tmp_path: Path) -> None:
    pattern = Pattern(9 * MIB + 1, seed=2)
    url = front.put("curl/whole.bin", pattern)
    for name in ("cold", "hot"):
        out = tmp_path / name
        assert run(*CURL, "-o", out, "-w", "%{http_code} %{size_download}", url) == f"200 {pattern.length}"
        same(pattern, 0, out.read_bytes())
    front.assert_sent_once("curl/whole.bin", pattern.length)


@pytest.mark.parametrize("have", [1, MIB, 2 * MIB + 77, 3 * MIB - 1])
def test_a_partial_file_is_resumed(front: Front, tmp_path: Path, have: int) -> None:
    pattern = Pattern(3 * MIB, seed=have)
    url = front.put(f"curl/resumed-{have}.bin", pattern)
    out = tmp_path / "out"
    out.write_bytes(pattern.read(0, have))
    run(*CURL, "-C", "-", "-o", out, url)
    assert out.read_bytes() == pattern.read(0, pattern.length)


def test_head_tells_what_get_gives(film: str) -> None:
    fields = run(*CURL, "--head", film).lower()
    assert f"content-length: {FILM.length}\r\n" in fields
    assert 'etag: "v1"\r\n' in fields
    assert "accept-ranges: bytes\r\n" in fields


def test_many_at_once_get_the_same_from_one_fetch(front: Front, tmp_path: Path) -> None:
    pattern = Pattern(20 * MIB + 3, seed=3)
    url = front.put("curl/crowd.bin", pattern)
    command: list[str | Path] = ["--parallel", "--parallel-immediate", "--parallel-max", "20"]
    for i in range(20):
        command += ["-o", tmp_path / str(i), url]
    run(*CURL, *command)
    for i in range(20):
        body = (tmp_path / str(i)).read_bytes()
        assert len(body) == pattern.length
        same(pattern, 0, body)
    front.assert_sent_once("curl/crowd.bin", pattern.length)


def test_a_slow_reader_of_100_mb(front: Front, tmp_path: Path) -> None:
    pattern = Pattern(100_000_000, seed=4)
    url = front.put("curl/slow.bin", pattern)
    out = tmp_path / "out"
    run(*CURL, "--limit-rate", "40M", "-o", out, url)
    body = out.read_bytes()
    assert len(body) == pattern.length
    same(pattern, 0, body)
    front.assert_sent_once("curl/slow.bin", pattern.length)
