"""What the product writes is for its own user only, whatever the umask that it was started with."""

import stat
from pathlib import Path

from tests.integration.rig import MIB, Rig
from tests.servers.deadline import until
from tests.servers.origin import Origin
from tests.servers.proxycache import Proxycache


def modes(directory: Path) -> dict[str, int]:
    """The permissions of all that lies there, and of itself."""
    return {path.name: stat.S_IMODE(path.lstat().st_mode) for path in (directory, *directory.rglob("*"))}


def test_directories_database_and_cache_files(tmp_path: Path, origin: Origin) -> None:
    with Proxycache(tmp_path, origin.url, umask=0) as proxy:
        Rig(origin, proxy).put(3 * MIB).get_whole()
        until(lambda: any(proxy.cache_dir.glob("??/*")), "a cache file")
        found = modes(proxy.cache_dir)
        assert {name for name in found if name.startswith("index")} == {
            f"index.sqlite{end}" for end in ("", "-wal", "-shm", ".lock")
        }
        for name, mode in found.items():
            assert mode == (0o700 if len(name) == 2 or name == "cache" else 0o600), (name, oct(mode))
