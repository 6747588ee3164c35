"""wget: whole files, and going on with a truncated one."""

from pathlib import Path

import pytest

from tests.clients.front import Front
from tests.clients.programs import run
from tests.servers.origin import Fault, Pattern

MIB = 1 << 20
WGET = ("wget", "--no-config", "--no-proxy", "--quiet", "--tries=1", "--timeout=20")


def test_whole(front: Front, tmp_path: Path) -> None:
    pattern = Pattern(4 * MIB + 99)
    url = front.put("wget/whole.bin", pattern)
    for name in ("cold", "hot"):
        out = tmp_path / name
        run(*WGET, "-O", out, url)
        assert out.read_bytes() == pattern.read(0, pattern.length)
    front.assert_sent_once("wget/whole.bin", pattern.length)


@pytest.mark.parametrize("kept", [0, 1, 1_500_000, 4 * MIB])
@pytest.mark.parametrize("hot", [False, True])
def test_going_on_with_a_truncated_file(front: Front, tmp_path: Path, kept: int, hot: bool) -> None:
    pattern = Pattern(4 * MIB + 99, seed=kept + hot)
    url = front.put(f"wget/truncated-{kept}-{hot}.bin", pattern)
    out = tmp_path / url.rpartition("/")[2]
    if hot:
        run(*WGET, "-O", out, url)
    out.write_bytes(pattern.read(0, kept))
    run(*WGET, "--continue", "--directory-prefix", tmp_path, url)
    assert out.read_bytes() == pattern.read(0, pattern.length)
    if hot:
        front.assert_sent_once(f"wget/truncated-{kept}-{hot}.bin", pattern.length)


def test_nothing_is_fetched_for_a_file_that_is_whole(front: Front, tmp_path: Path) -> None:
    pattern = Pattern(MIB)
    url = front.put("wget/done.bin", pattern)
    out = tmp_path / "done.bin"
    out.write_bytes(pattern.read(0, pattern.length))
    run(*WGET, "--continue", "--directory-prefix", tmp_path, url)
    assert out.read_bytes() == pattern.read(0, pattern.length)


def test_a_listing_behind_a_redirect(front: Front, tmp_path: Path) -> None:
    """A server sends who asks for a folder without its slash to the one with it, by its own name for itself."""
    url = front.put("wget/folder", b"")
    front.origin.fault("wget/folder", Fault(redirect=front.origin.url + "wget/folder/", status=301), None)
    front.put("wget/folder/", b'<a href="one.bin">one</a> <a href="two.bin">two</a>', content_type="text/html")
    front.put("wget/folder/one.bin", b"one")
    front.put("wget/folder/two.bin", b"two")
    run(*WGET, "--recursive", "--no-parent", "--no-host-directories", "--directory-prefix", tmp_path, url)
    assert {name: (tmp_path / "wget/folder" / name).read_bytes() for name in ("one.bin", "two.bin")} == {
        "one.bin": b"one",
        "two.bin": b"two",
    }
    if front.proxy is not None:
        assert {served.field("Host") for served in front.origin.log} == {f"127.0.0.1:{front.origin.port}"}
        assert all("proxycache" in (served.field("Via") or "") for served in front.origin.log)
