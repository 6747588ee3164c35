"""apt: whole, and going on with a file that was begun, which it dates as its server did, and names so in If-Range."""

import os
from email.utils import parsedate_to_datetime
from pathlib import Path

from tests.clients.front import Front
from tests.clients.programs import run
from tests.servers.origin import Pattern

MIB = 1 << 20
DOWNLOAD = ("/usr/lib/apt/apt-helper", "-o", "APT::Sandbox::User=", "download-file")
LONG_AGO = "Mon, 02 Nov 2026 12:00:00 GMT"


def test_whole_and_begun(front: Front, tmp_path: Path) -> None:
    pattern = Pattern(3 * MIB + 7)
    front.origin.put("apt/package.deb", pattern, last_modified=LONG_AGO)
    url = front.url + "apt/package.deb"
    for name in ("cold", "hot"):
        run(*DOWNLOAD, url, tmp_path / name)
        assert (tmp_path / name).read_bytes() == pattern.read(0, pattern.length)
    begun = tmp_path / "begun"
    begun.write_bytes(pattern.read(0, MIB + 5))
    when = parsedate_to_datetime(LONG_AGO).timestamp()
    os.utime(begun, (when, when))
    assert "Fetched 2097 kB" in run(*DOWNLOAD, url, begun), "that it went on"
    assert begun.read_bytes() == pattern.read(0, pattern.length)
    front.assert_sent_once("apt/package.deb", pattern.length)
