"""GStreamer's two HTTP sources: the whole, and seeks.

A curlhttpsrc (1.22) that is made to seek in the middle of an answer delivers rubbish, whatever the server
does. So it seeks before the first request, as a player does that resumes a film, and after the end.
"""

from pathlib import Path

import pytest

from tests.clients.front import Film, Front
from tests.clients.programs import run
from tests.servers.origin import Pattern

SOURCES = ("souphttpsrc", "curlhttpsrc")
LAUNCH = ("gst-launch-1.0", "--quiet")
# Debian's Python has GStreamer's bindings; the one that runs the tests need not.
DEBIAN_PYTHON = "/usr/bin/python3"
SEEK = Path(__file__).with_name("gst_seek.py")
CONTENT = Pattern(6_000_001).read(0, 6_000_001)
SOMEWHERE = 4_200_000


def put(front: Front, path: str, partial: bool) -> str:
    """The URL of an object, whose GETs are all answered with 206 if partial."""
    return front.put_partial(path, CONTENT) if partial else front.put(path, CONTENT)


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("source", SOURCES)
def test_whole_cold_and_hot(front: Front, tmp_path: Path, source: str, partial: bool) -> None:
    url = put(front, f"gst/whole-{source}-{partial}", partial)
    for name in ("cold", "hot"):
        out = tmp_path / name
        run(*LAUNCH, source, f"location={url}", "!", "filesink", f"location={out}")
        assert out.read_bytes() == CONTENT


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize(
    ("source", "when"),
    [
        ("souphttpsrc", "ready"),
        ("souphttpsrc", "paused"),
        ("souphttpsrc", "ended"),
        ("curlhttpsrc", "ready"),
        ("curlhttpsrc", "ended"),
    ],
)
def test_a_seek(front: Front, tmp_path: Path, source: str, when: str, partial: bool) -> None:
    url = put(front, f"gst/seek-{source}-{when}-{partial}", partial)
    for name in ("cold", "hot"):
        out = tmp_path / name
        run(DEBIAN_PYTHON, SEEK, source, url, str(SOMEWHERE), when, out)
        assert out.read_bytes() == CONTENT[SOMEWHERE:]


def test_a_film_whose_index_is_at_its_end(front: Front, mp4: Film, tmp_path: Path) -> None:
    """The demuxer is pushed from the start, finds no index, and makes the source jump to the end and back."""
    url = front.put("gst/film.mp4", mp4.content, content_type=mp4.content_type)
    demuxed = {}
    for name, source in (
        ("file", ("filesrc", f"location={mp4.file}")),
        ("cold", ("souphttpsrc", f"location={url}")),
        ("hot", ("souphttpsrc", f"location={url}")),
    ):
        sink = ("demux.video_0", "!", "queue", "!", "filesink", f"location={tmp_path / name}")
        run(*LAUNCH, *source, "!", "qtdemux", "name=demux", *sink)
        demuxed[name] = (tmp_path / name).read_bytes()
    assert len(demuxed["file"]) > len(mp4.content) // 2
    assert demuxed["cold"] == demuxed["file"]
    assert demuxed["hot"] == demuxed["file"]
