"""zckdl, which asks for all that it lacks in requests of up to 255 ranges, and lays the parts down in their order."""

from pathlib import Path
from random import Random

from tests.clients.front import Front
from tests.clients.programs import run

MIB = 1 << 20


def compressed(content: bytes, file: Path) -> bytes:
    """Content as a zchunk file, in pieces of some 32 KiB."""
    plain = file.with_suffix(".plain")
    plain.write_bytes(content)
    run("zck", "--compression-format=none", "-o", file, plain)
    return file.read_bytes()


def test_an_update_cold_and_hot(front: Front, tmp_path: Path) -> None:
    """Of a file that has changed in several hundred places."""
    random = Random(1)
    content = bytearray(random.randbytes(20 * MIB))
    compressed(bytes(content), tmp_path / "old.zck")
    for place in range(0, len(content) - 20, 70_000):
        content[place : place + 20] = random.randbytes(20)
    updated = compressed(bytes(content), tmp_path / "new.zck")
    url = front.put("zchunk/new.zck", updated)
    for name in ("cold", "hot"):
        directory = tmp_path / name
        directory.mkdir()
        run("zckdl", "-s", tmp_path / "old.zck", url, directory=directory)
        assert (directory / "new.zck").read_bytes() == updated
    asked = sum((served.range or "").startswith("bytes=") for served in front.origin.requests("zchunk/new.zck"))
    assert asked >= 2, "what is here is not fetched again"
