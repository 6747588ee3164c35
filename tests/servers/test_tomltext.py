"""The TOML that the rig writes is the TOML that was meant."""

import tomllib
from pathlib import Path

from tests.servers.proxycache import Proxycache
from tests.servers.tomltext import toml_text


def test_round_trip() -> None:
    document = {
        "top": 1,
        "server": {"listen": ["tcp:1", 'a"b\\c'], "ratio": 0.5, "yes": True, "empty": []},
        "origin": [{"name": "ä", "headers": {"X-Y": "z"}}, {"name": "b"}],
    }
    assert tomllib.loads(toml_text(document)) == document


def test_configurations_are_laid_over(tmp_path: Path) -> None:
    config = {"cache": {"chunk_size": "64KiB"}, "origin": {"always_partial": True}, "fetch": {"linger": 0.5}}
    proxy = Proxycache(tmp_path, "http://origin.example/", config=config)
    laid = tomllib.loads(toml_text(proxy.config))
    assert laid["cache"] == {
        "directory": str(proxy.cache_dir),
        "database": f"sqlite:///{proxy.database}",
        "chunk_size": "64KiB",
    }
    assert laid["fetch"] == {"linger": 0.5}
    assert laid["origin"] == [{"name": "films", "prefix": "/", "url": "http://origin.example/", "always_partial": True}]
    two = [{"name": "a", "prefix": "/a/", "url": "http://a.example/"}]
    assert Proxycache(tmp_path, "", config={"origin": two}).config["origin"] == two
