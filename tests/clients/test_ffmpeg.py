"""ffmpeg and ffprobe: what they read of a film over HTTP is what they read of the file."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.front import Film, Front
from tests.clients.programs import run
from tests.servers.fetch import fetch
from tests.servers.origin import Fault

FFMPEG = ("ffmpeg", "-nostdin", "-v", "error")
SOMEWHERE = 0.7
"""The part of the film that is skipped."""


@pytest.fixture(params=["mp4", "mkv"])
def film(request: pytest.FixtureRequest) -> Film:
    """A film whose index is at the end, and one whose index is sought by its cues."""
    made: Film = request.getfixturevalue(request.param)
    return made


def probe(source: str) -> Any:
    """What ffprobe tells of a film, but for where it lies."""
    found = json.loads(
        run("ffprobe", "-v", "error", "-show_format", "-show_streams", "-show_packets", "-of", "json", source)
    )
    del found["format"]["filename"]
    return found


def frames_after_seek(source: str, film: Film) -> str:
    """The checksums of all decoded frames from the seek on."""
    return run(*FFMPEG, "-ss", str(film.seconds * SOMEWHERE), "-i", source, "-f", "framemd5", "-")


def packets_after_seek(source: str, film: Film) -> str:
    """The checksums of all packets from the seek on, undecoded."""
    seek = str(film.seconds * SOMEWHERE)
    return run(*FFMPEG, "-ss", seek, "-i", source, "-map", "0", "-c", "copy", "-f", "framemd5", "-")


def test_probing(front: Front, film: Film) -> None:
    url = front.put(f"ffprobe/{film.name}", film.content, content_type=film.content_type)
    assert probe(url) == probe(str(film.file))


def test_seeking_in_a_cold_film(front: Front, film: Film) -> None:
    url = front.put(f"ffmpeg/cold/{film.name}", film.content, content_type=film.content_type)
    assert frames_after_seek(url, film) == frames_after_seek(str(film.file), film)
    assert packets_after_seek(url, film) == packets_after_seek(str(film.file), film)


def test_seeking_in_a_half_cached_film(front: Front, film: Film) -> None:
    url = front.put(f"ffmpeg/half/{film.name}", film.content, content_type=film.content_type)
    half = f"bytes=0-{len(film.content) // 2}"
    assert fetch(url, headers=[("Range", half)]).complete
    assert frames_after_seek(url, film) == frames_after_seek(str(film.file), film)


def test_copying_the_whole(front: Front, film: Film) -> None:
    url = front.put(f"ffmpeg/whole/{film.name}", film.content, content_type=film.content_type)
    for _ in ("cold", "hot"):
        whole = run(*FFMPEG, "-i", url, "-map", "0", "-c", "copy", "-f", "framemd5", "-")
        assert whole == run(*FFMPEG, "-i", film.file, "-map", "0", "-c", "copy", "-f", "framemd5", "-")


def test_a_stream_behind_a_redirect(front: Front, mp4: Film, tmp_path: Path) -> None:
    """The playlist names its segments relative to where it is, which the player has to know."""
    playlist = tmp_path / "index.m3u8"
    run(*FFMPEG, "-i", mp4.file, "-c", "copy", "-f", "hls", "-hls_time", "5", "-hls_playlist_type", "vod", playlist)
    for file in tmp_path.iterdir():
        front.put(f"hls/edge-7/{file.name}", file.read_bytes(), content_type="application/octet-stream")
    url = front.put("watch/film", b"")
    front.origin.fault("watch/film", Fault(redirect="/hls/edge-7/index.m3u8"), None)
    for _ in ("cold", "hot"):
        seen = run(*FFMPEG, "-i", url, "-map", "0", "-c", "copy", "-f", "framemd5", "-")
        assert seen == run(*FFMPEG, "-i", playlist, "-map", "0", "-c", "copy", "-f", "framemd5", "-")
    segments = [served.path for served in front.origin.log if served.path.endswith(".ts")]
    if front.proxy is not None:
        assert set(segments) == {f"/hls/edge-7/{file.name}" for file in tmp_path.glob("*.ts")}
