"""libtorrent: a seed by HTTP gives the pieces, each of which has a digest."""

from __future__ import annotations

from pathlib import Path

import libtorrent
import pytest

from tests.programs.front import Front
from tests.servers.deadline import until
from tests.servers.origin import Origin, Pattern

MIB = 1 << 20
LONG_AGO = "Mon, 02 Nov 2026 12:00:00 GMT"
ALONE = {
    "listen_interfaces": "127.0.0.1:0",
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "ssrf_mitigation": False,
}


@pytest.mark.parametrize("tag", ['"strong"', 'W/"weak"', None], ids=["strong", "weak", "none"])
def test_a_seed_by_http(
    front: Front, origin: Origin, tmp_path: Path, request: pytest.FixtureRequest, tag: str | None
) -> None:
    name = f"{request.node.callspec.id}.bin"
    body = Pattern(9 * MIB + 77, seed=len(name)).read(0, 9 * MIB + 77)
    (tmp_path / name).write_bytes(body)
    origin.put(f"torrent/{name}", body, etag=tag, last_modified=LONG_AGO)
    torrent = libtorrent.create_torrent(libtorrent.list_files(str(tmp_path / name)), piece_size=MIB // 4)
    torrent.add_url_seed(front.url + f"torrent/{name}")
    libtorrent.set_piece_hashes(torrent, str(tmp_path))
    told = libtorrent.torrent_info(libtorrent.bencode(torrent.generate()))
    for place in ("cold", "hot"):
        wanted = libtorrent.add_torrent_params()
        wanted.ti, wanted.save_path = told, str(tmp_path / place)
        session = libtorrent.session(ALONE)
        running = session.add_torrent(wanted)
        until(lambda running=running: running.status().is_seeding, "all pieces")  # type: ignore[misc]
        del running, session  # which waits until all is on the disk
        assert (tmp_path / place / name).read_bytes() == body
    if front.proxy is not None:
        assert origin.body_bytes(f"torrent/{name}") == len(body)
