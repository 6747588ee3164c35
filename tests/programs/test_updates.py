"""Clients that have an older version, and ask for the pieces that are new, several ranges at a time."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

from tests.clients.programs import run
from tests.programs.front import Front
from tests.programs.npm import HERE
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


BLOCK = 16 * KIB
OLD = Pattern(20 * MIB, seed=7).read(0, 20 * MIB)


def blockmap(body: bytes) -> dict[str, object]:
    """What electron-builder tells of a file, here in blocks of one length."""
    blocks = [body[place : place + BLOCK] for place in range(0, len(body), BLOCK)]
    checksums = [base64.b64encode(hashlib.blake2b(block, digest_size=18).digest()).decode() for block in blocks]
    told = {"name": "file", "offset": 0, "checksums": checksums, "sizes": [len(block) for block in blocks]}
    return {"version": "2", "files": [told]}


def test_electron_updater(front: Front, origin: Origin, tmp_path: Path) -> None:
    """Up to a thousand ranges in one field: more than 8 KiB of it."""
    new = changed(OLD, 2 * BLOCK, 500)
    file = {"size": len(new), "sha512": base64.b64encode(hashlib.sha512(new).digest()).decode()}
    (tmp_path / "old").write_bytes(OLD)
    (tmp_path / "maps").write_text(json.dumps([blockmap(OLD), blockmap(new), file]))
    origin.put("electron/new", new)
    for name in ("cold", "hot"):
        made = tmp_path / name
        reader = HERE / "electron_update.cjs"
        run("node", reader, front.url + "electron/new", tmp_path / "old", made, tmp_path / "maps")
        assert made.read_bytes() == new
    if front.proxy is not None:
        assert None not in {served.range for served in origin.requests("electron/new")}, "the whole was asked for"


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
