"""Every option overrides its key of the file; with `--origin` alone everything else has a default."""

from pathlib import Path

import pytest

from proxycache import __version__
from tests.integration.rig import KIB, MIB
from tests.integration.starts import Ended, end, proxycache, twistd
from tests.servers.deadline import until
from tests.servers.fetch import fetch, same
from tests.servers.origin import Origin, Pattern
from tests.servers.ports import HOST, free_port
from tests.servers.proxycache import Config, Proxycache

FILM = Pattern(3 * MIB, seed=1)


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """What a file says, all of which the options contradict."""
    directory = tmp_path_factory.mktemp("wrong")
    (directory / "in-the-way").write_text("")
    return {
        "server": {"listen": [f"tcp:{free_port()}:interface={HOST}"], "admin": f"tcp:{free_port()}:interface={HOST}"},
        "cache": {
            "directory": str(directory / "in-the-way" / "cache"),
            "database": f"sqlite://{directory}/in-the-way/index.sqlite",
            "max_size": "1TiB",
            "chunk_size": "4MiB",
        },
        "origin": [{"name": "nowhere", "prefix": "/nowhere/", "url": "http://127.0.0.1:9/"}],
    }


def all_options(proxy: Proxycache, origin: Origin, second: int) -> list[str]:
    """One of each, and two listeners."""
    options = {
        "origin": origin.url,
        "admin": f"tcp:{proxy.admin_port}:interface={HOST}",
        "cache-dir": str(proxy.directory / "mine"),
        "database": f"sqlite:///{proxy.directory}/mine.sqlite",
        "max-size": "2MiB",
        "chunk-size": "64KiB",
    }
    listen = [f"tcp:{port}:interface={HOST}" for port in (proxy.port, second)]
    return [
        *(word for name, value in options.items() for word in (f"--{name}", value)),
        *(f"--listen={each}" for each in listen),
    ]


@pytest.mark.parametrize("by_options", [False, True])
def test_all_of_them(tmp_path: Path, origin: Origin, wrong: Config, by_options: bool) -> None:
    origin.put("film", FILM)
    origin.clear_log()
    proxy = Proxycache(tmp_path, origin.url, config=wrong)
    second = free_port()
    options = all_options(proxy, origin, second)
    if by_options:
        proxy.config_file = None
        command = [proxy.command()[0], "-n", "--pidfile=", "proxycache", *options]
        proxy.command = lambda: command  # type: ignore[method-assign]
    else:
        proxy.args += options
    with proxy:
        for url in (proxy.url, f"http://{HOST}:{second}/"):
            answer = fetch(url + "film", headers=[("Range", "bytes=100-199")])
            assert answer.status == 206
            same(FILM, 100, answer.body)
        assert origin.log[0].range == f"bytes=100-{64 * KIB - 1}"
        # Less what folders and the database's log take.
        assert MIB < proxy.metrics()["proxycache_cache_limit_bytes"] <= 2 * MIB
        same(FILM, 0, fetch(proxy.url + "film").body)
        until(lambda: proxy.metrics()["proxycache_cached_bytes"] > 0, "it to be cached")
        assert proxy.metrics()["proxycache_cached_bytes"] <= 2 * MIB
        assert any(path.is_file() for path in (tmp_path / "mine").rglob("*"))
        assert (tmp_path / "mine.sqlite").is_file()
        assert not list((tmp_path / "mine").glob("*.sqlite"))
        if not by_options:
            # The rig's own, which the file names no more.
            assert not proxy.cache_dir.exists()
    proxy.assert_clean_log()


@pytest.mark.parametrize("option", ["--listen", "--admin"])
def test_one_alone(tmp_path: Path, origin: Origin, option: str) -> None:
    """The rest is the file's."""
    proxy = Proxycache(tmp_path, origin.url)
    port = free_port()
    proxy.args += [option, f"tcp:{port}:interface={HOST}"]
    origin.put("film", FILM)
    if option == "--listen":
        proxy.url = f"http://{HOST}:{port}/"
    else:
        proxy.admin_url = f"http://{HOST}:{port}/"
    with proxy:
        same(FILM, 0, fetch(proxy.url + "film").body)
        until(lambda: proxy.metrics()["proxycache_cached_bytes"] >= FILM.length, "it to be cached")


def test_help_names_them_all(tmp_path: Path) -> None:
    ended = end(twistd(tmp_path, "--help"))
    assert ended.status == 0, ended.output
    for option in ("config", "origin", "listen", "admin", "cache-dir", "database", "max-size", "chunk-size"):
        assert f"--{option}=" in ended.output, ended.output


def test_the_version_is_ours(tmp_path: Path) -> None:
    for process in (twistd(tmp_path, "--version"), proxycache(tmp_path, "--version")):
        assert end(process) == Ended(0, f"proxycache {__version__}\n")


def test_the_defaults(tmp_path: Path, origin: Origin) -> None:
    """With an origin alone: the documented ports, and the user's cache directory unless it is root's."""
    origin.put("film", FILM)
    proxy = Proxycache(tmp_path, origin.url, by_options=True, env={"XDG_CACHE_HOME": str(tmp_path / "xdg")})
    words = proxy.command()
    alone = [*words[: words.index("--origin") + 2], "--cache-dir", str(tmp_path / "mine")]
    proxy.command = lambda: alone  # type: ignore[method-assign]
    proxy.url, proxy.admin_url = "http://127.0.0.1:8080/", "http://127.0.0.1:8081/"
    with proxy:
        same(FILM, 0, fetch(proxy.url + "film").body)
        until(lambda: proxy.metrics()["proxycache_cached_bytes"] >= FILM.length, "it to be cached")
        # The database lies beside the cache files.
        assert list((tmp_path / "mine").glob("*.sqlite"))
