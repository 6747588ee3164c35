"""VLC: whole, and after a seek, where it cuts off what says that a tag is weak, and makes a condition of the rest."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.front import Film
from tests.clients.programs import TIMEOUT_SECONDS, run
from tests.programs.front import Front
from tests.servers.origin import Origin

VLC = ("vlc", "--intf=dummy", "--ignore-config", "--no-lua", "--no-metadata-network-access", "--play-and-exit")
LONG_AGO = "Mon, 02 Nov 2026 12:00:00 GMT"


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder for somebody else than root, for whom VLC does not start."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


def vlc(place: Path, source: str | Path, *words: str) -> None:
    """Play to the end."""
    somebody: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    done = subprocess.run(
        [*VLC, str(source), *words, "vlc://quit"],
        cwd=place,
        env={**os.environ, "HOME": str(place)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
        **somebody,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")


def after_seek(place: Path, source: str | Path, film: Film) -> str:
    """The checksums of all that is shown from the seek on, less when: it counts from when it began."""
    made = place / "made.ts"
    vlc(place, source, f"--start-time={film.seconds * 0.7}", f"--sout=#std{{access=file,mux=ts,dst={made}}}")
    told = run("ffmpeg", "-nostdin", "-v", "error", "-i", made, "-map", "0:v", "-f", "framemd5", "-")
    made.unlink()
    return "\n".join(line.rpartition(",")[2] for line in told.splitlines() if not line.startswith("#"))


def test_whole(front: Front, origin: Origin, mp4: Film, place: Path) -> None:
    origin.put("vlc/whole.mp4", mp4.content, content_type=mp4.content_type)
    for name in ("cold", "hot"):
        vlc(place, front.url + "vlc/whole.mp4", ":demux=dump", f":demuxdump-file={place / name}")
        assert (place / name).read_bytes() == mp4.content


@pytest.mark.parametrize("tag", ['"strong"', 'W/"weak"', None], ids=["strong", "weak", "none"])
def test_seeking(
    front: Front, origin: Origin, mp4: Film, place: Path, request: pytest.FixtureRequest, tag: str | None
) -> None:
    path = f"vlc/{request.node.callspec.id}.mp4"
    origin.put(path, mp4.content, content_type=mp4.content_type, etag=tag, last_modified=LONG_AGO)
    local = place / "local.mp4"
    local.write_bytes(mp4.content)
    wanted = after_seek(place, local, mp4)
    assert wanted
    for _ in ("cold", "hot"):
        assert after_seek(place, front.url + path, mp4) == wanted
