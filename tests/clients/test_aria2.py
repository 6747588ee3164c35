"""aria2: one object in pieces over eight connections at once."""

from pathlib import Path

import pytest

from tests.clients.front import Front
from tests.clients.programs import run
from tests.servers.fetch import same
from tests.servers.origin import Pattern

MIB = 1 << 20
ARIA2 = (
    "aria2c",
    "--no-conf",
    "--quiet",
    "--file-allocation=none",
    "--max-tries=1",
    "--allow-overwrite=true",
)


@pytest.mark.parametrize("length", [64 * MIB, 17 * MIB + 4321])
def test_in_eight_connections(front: Front, tmp_path: Path, length: int) -> None:
    pattern = Pattern(length, seed=length)
    url = front.put(f"aria2/{length}.bin", pattern)
    for name in ("cold", "hot"):
        run(*ARIA2, "-x8", "-s8", "-k1M", "-d", tmp_path, "-o", name, url)
        body = (tmp_path / name).read_bytes()
        assert len(body) == length
        same(pattern, 0, body)
    # Its first request is for the whole; its other connections overtake that, and the answer is cut off.
    front.assert_sent_once(f"aria2/{length}.bin", length, cut_off=4 * MIB)
