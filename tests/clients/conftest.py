"""Fixtures of the tests with real clients."""

import os
from collections.abc import Iterator

import pytest

from tests.clients.front import PARTIAL, Film, Front
from tests.clients.programs import run
from tests.servers.origin import Origin
from tests.servers.proxycache import Proxycache

DIRECT = "PROXYCACHE_CLIENTS_DIRECT"
SECONDS = 20
FRAMES_PER_SECOND = 25


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """proxycache, with nothing cached yet, before an origin without objects; one for a file of tests."""
    with Origin() as origin:
        if os.environ.get(DIRECT):
            yield Front(origin, None)
            return
        films = {"name": "films", "prefix": "/", "url": origin.url}
        partial = {"name": "partial", "prefix": f"/{PARTIAL}", "url": origin.url, "always_partial": True}
        directory = tmp_path_factory.mktemp("proxycache")
        with Proxycache(directory, origin.url, config={"origin": [films, partial]}) as proxy:
            yield Front(origin, proxy)
        proxy.assert_clean_log()


@pytest.fixture(scope="session")
def mp4(tmp_path_factory: pytest.TempPathFactory) -> Film:
    """A film of a few MiB, whose index (moov) stands at its end, as cameras write it."""
    film = Film(tmp_path_factory.mktemp("films") / "film.mp4", "video/mp4", SECONDS)
    video = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "12", "-pix_fmt", "yuv420p", "-g", "50"]
    size = f"size=640x360:rate={FRAMES_PER_SECOND}:duration={SECONDS}"
    run(
        *("ffmpeg", "-nostdin", "-v", "error"),
        *("-f", "lavfi", "-i", f"testsrc2={size}"),
        *("-f", "lavfi", "-i", f"sine=frequency=440:duration={SECONDS}"),
        *(*video, "-c:a", "aac"),
        film.file,
    )
    content = film.content
    assert content.index(b"mdat") < content.index(b"moov")
    return film


@pytest.fixture(scope="session")
def mkv(mp4: Film) -> Film:
    """The same film as Matroska."""
    film = Film(mp4.file.with_suffix(".mkv"), "video/x-matroska", SECONDS)
    run("ffmpeg", "-nostdin", "-v", "error", "-i", mp4.file, "-c", "copy", film.file)
    return film
