"""Clients that have an older version, and ask for the pieces that are new, several ranges at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.programs import run
from tests.programs.front import Front
from tests.servers.origin import Origin, Pattern

MIB = 1 << 20
KIB = 1 << 10


def changed(body: bytes, every: int, length: int) -> bytes:
    """The same, but for some bytes in every so many."""
    new = bytearray(body)
    other = Pattern(len(body), seed=99).read(0, len(body))
    for place in range(every // 2, len(body) - length, every):
        new[place : place + length] = other[place : place + length]
    return bytes(new)


OLD = Pattern(20 * MIB, seed=7).read(0, 20 * MIB)


@pytest.mark.parametrize("every", [700 * KIB, 100 * KIB], ids=["few", "many"])
def test_zckdl(front: Front, origin: Origin, tmp_path: Path, every: int) -> None:
    """Up to 255 ranges in one field, whose parts have to come as they were asked: it counts bytes."""
    new = changed(OLD, every, 500)
    for name, body in (("old", OLD), ("new", new)):
        (tmp_path / name).write_bytes(body)
        run("zck", "--compression-format=none", "--output", tmp_path / f"{name}.zck", tmp_path / name)
    made = (tmp_path / "new.zck").read_bytes()
    url = front.url + f"zchunk/{every}/new.zck"
    origin.put(f"zchunk/{every}/new.zck", made)
    for name in ("cold", "hot"):
        place = tmp_path / name
        place.mkdir()
        run("sh", "-c", 'cd "$0" && exec zckdl --source ../old.zck "$1"', place, url)
        assert (place / "new.zck").read_bytes() == made
    if front.proxy is not None:
        asked = {served.range for served in origin.requests(f"zchunk/{every}/new.zck")}
        assert None not in asked, "the whole was asked for"


def test_zsync(front: Front, origin: Origin, tmp_path: Path) -> None:
    """Twenty ranges a request."""
    new = changed(OLD, 300 * KIB, 5000)
    (tmp_path / "old").write_bytes(OLD)
    (tmp_path / "new").write_bytes(new)
    run("zsyncmake", "-u", front.url + "zsync/new", "-o", tmp_path / "new.zsync", tmp_path / "new")
    origin.put("zsync/new", new)
    for name in ("cold", "hot"):
        run("zsync", "-q", "-i", tmp_path / "old", "-o", tmp_path / name, tmp_path / "new.zsync")
        assert (tmp_path / name).read_bytes() == new
