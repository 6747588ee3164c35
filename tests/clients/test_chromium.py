"""Chromium: a <video> that seeks shows the frames it shows when it plays straight from the origin."""

from collections.abc import Iterator

import pytest

from tests.clients.front import Film, Front
from tests.clients.webdriver import Chromium
from tests.servers.fetch import fetch

SOMEWHERE = 0.7
PAGE = b"""<!doctype html>
<title>film</title>
<video src="film.mp4" preload="metadata" muted></video>
<canvas></canvas>
"""
FRAME_AT = """
const video = document.querySelector('video'), canvas = document.querySelector('canvas');
function happens(name) {
    return new Promise((resolve, reject) => {
        video.addEventListener(name, resolve, {once: true});
        video.addEventListener('error', () => reject(video.error.message), {once: true});
    });
}
if (video.error) throw video.error.message;
if (video.readyState < HTMLMediaElement.HAVE_METADATA) await happens('loadedmetadata');
const seeked = happens('seeked');
video.currentTime = video.duration * arguments[0];
await seeked;
if (video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA) await happens('canplay');
canvas.width = video.videoWidth;
canvas.height = video.videoHeight;
canvas.getContext('2d').drawImage(video, 0, 0);
return canvas.toDataURL();
"""
PLAYED = """
const video = document.querySelector('video');
const before = video.currentTime;
await video.play();
await new Promise((resolve, reject) => {
    video.addEventListener('error', () => reject(video.error.message));
    video.addEventListener('timeupdate', () => { if (video.currentTime > before + 0.5) resolve(); });
});
video.pause();
return video.currentTime - before;
"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for the tests of this file."""
    with Chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


def put(front: Front, mp4: Film, folder: str) -> str:
    """Register a page and its film; the URL of their folder for clients."""
    front.put(f"{folder}/page.html", PAGE, content_type="text/html")
    front.put(f"{folder}/film.mp4", mp4.content, content_type=mp4.content_type)
    return f"{front.url}{folder}/"


def frames(chromium: Chromium, page: str, places: tuple[float, ...]) -> list[str]:
    """What the page's film shows at those parts of its length, sought in that order, as data URLs."""
    chromium.open(page)
    shown = [chromium.wait_for(FRAME_AT, place) for place in places]
    assert all(frame.startswith("data:image/png") and len(frame) > 1000 for frame in shown)
    return shown


def test_a_seek_in_a_half_cached_film(front: Front, chromium: Chromium, mp4: Film) -> None:
    folder = put(front, mp4, "chromium/half")
    half = fetch(f"{folder}film.mp4", headers=[("Range", f"bytes=0-{len(mp4.content) // 2}")])
    assert half.complete
    seen = frames(chromium, f"{folder}page.html", (SOMEWHERE,))
    assert chromium.wait_for(PLAYED) > 0.5
    assert seen == frames(chromium, f"{front.origin.url}chromium/half/page.html", (SOMEWHERE,))


def test_seeks_to_and_fro_in_a_cold_film(front: Front, chromium: Chromium, mp4: Film) -> None:
    folder = put(front, mp4, "chromium/cold")
    places = (0.9, 0.1, 0.5, 0.0, SOMEWHERE)
    seen = frames(chromium, f"{folder}page.html", places)
    assert len(set(seen)) == len(places)
    assert seen == frames(chromium, f"{front.origin.url}chromium/cold/page.html", places)
