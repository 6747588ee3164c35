"""A configuration that cannot be used stops the start with one line: file, key and what was expected."""

import socket
from pathlib import Path

import pytest

from tests.integration.starts import Ended, check_config, check_configs, end, twistd
from tests.servers.ports import HOST, bound, free_port

ORIGIN = '[[origin]]\nname = "films"\nurl = "http://127.0.0.1:9/"\n'


def origin(line: str) -> str:
    """An origin with one more line."""
    return ORIGIN + line + "\n"


MISTAKES: dict[str, tuple[str, str, str]] = {
    # what is wrong: (the file, the key, a word of what was expected or found)
    "unknown key": ("[cache]\nmax_sise = 1\n" + ORIGIN, "cache.max_sise", "unknown"),
    "unknown table": ("[cash]\nx = 1\n" + ORIGIN, "cash", "unknown"),
    "unknown key of an origin": (origin("prefx = '/a/'"), "origin.0.prefx", "unknown"),
    "no origin": ("[server]\n", "origin", "origin"),
    "empty": ("", "origin", ""),
    "origins of none": ("origin = []\n", "origin", "at least one"),
    "origin as a table": ("[origin]\nname = 'a'\nurl = 'http://a/'\n", "origin", "list"),
    "no name": ("[[origin]]\nurl = 'http://a/'\n", "origin.0.name", "missing"),
    "no url": ("[[origin]]\nname = 'a'\n", "origin.0.url", "missing"),
    "two names": (ORIGIN + "prefix = '/a/'\n" + ORIGIN, "origin", "films"),
    "two prefixes": (ORIGIN + ORIGIN.replace("films", "others"), "origin", "prefix"),
    "a name with spaces": (ORIGIN.replace("films", "the films"), "origin.0.name", "the films"),
    "a url of files": (ORIGIN.replace("http:", "file:"), "origin.0.url", "http"),
    "a url without a host": (ORIGIN.replace("127.0.0.1:9", ""), "origin.0.url", "http"),
    "a host that is a URL": ("[server]\nhosts = ['http://a/']\n" + ORIGIN, "server.hosts", "files.example"),
    "a url with a query": (ORIGIN.replace(":9/", ":9/?a"), "origin.0.url", "http"),
    "a url with a user": (ORIGIN.replace("127", "a:b@127"), "origin.0.url", "user"),
    "a url with a bad port": (ORIGIN.replace(":9/", ":99999/"), "origin.0.url", "http"),
    "a url that is a number": (ORIGIN.replace('"http://127.0.0.1:9/"', "7"), "origin.0.url", "string"),
    "a prefix without a slash": (origin("prefix = 'a'"), "origin.0.prefix", "/"),
    "a prefix that does not end": (origin("prefix = '/a'"), "origin.0.prefix", "/"),
    "a prefix with a query": (origin("prefix = '/a?b/'"), "origin.0.prefix", "/"),
    "a ttl that is none": (origin("default_ttl = 'soon'"), "origin.0.default_ttl", "soon"),
    "a ttl below zero": (origin("default_ttl = -1"), "origin.0.default_ttl", "0"),
    "a switch that is a word": (origin("always_partial = 'yes'"), "origin.0.always_partial", "bool"),
    "methods that are none": (origin("methods = []"), "origin.0.methods", "method"),
    "a method with spaces": (origin("methods = ['GET HEAD']"), "origin.0.methods", "method"),
    "methods that are a word": (origin("methods = 'GET'"), "origin.0.methods", "list"),
    "a header with a line break": (origin('headers = { X = "a\\nb" }'), "origin.0.headers", "header"),
    "a header with a control character": (origin('headers = { X = "a\\u001bb" }'), "origin.0.headers", "header"),
    "a header with a bad name": (origin('headers = { "X Y" = "a" }'), "origin.0.headers", "header"),
    "a header that is a number": (origin("headers = { X = 1 }"), "origin.0.headers.X", "string"),
    "a header with a key of its own": (origin('headers = { Host = "a" }'), "origin.0.headers", "host = 'a'"),
    "a header that depends on the request": (origin('headers = { Range = "bytes=0-" }'), "origin.0.headers", "Range"),
    "a host to lead to that is a URL": (
        origin("redirect_hosts = ['http://a/']"),
        "origin.0.redirect_hosts",
        "cdn.example",
    ),
    "a size that is none": ("[cache]\nmax_size = 'much'\n" + ORIGIN, "cache.max_size", "much"),
    "a size below zero": ("[cache]\nmax_size = -1\n" + ORIGIN, "cache.max_size", ""),
    "a size that is a switch": ("[cache]\nmax_size = true\n" + ORIGIN, "cache.max_size", "size"),
    "a chunk that is small": ("[cache]\nchunk_size = '1KiB'\n" + ORIGIN, "cache.chunk_size", "64KiB"),
    "a chunk that is large": ("[cache]\nchunk_size = '1GiB'\n" + ORIGIN, "cache.chunk_size", "64MiB"),
    "a chunk that is odd": ("[cache]\nchunk_size = 1000001\n" + ORIGIN, "cache.chunk_size", "4KiB"),
    "more free than there is": ("[cache]\nmin_free = '100%'\n" + ORIGIN, "cache.min_free", "100%"),
    "free that is none": ("[cache]\nmin_free = 'some'\n" + ORIGIN, "cache.min_free", "5%"),
    "a database of another kind": ("[cache]\ndatabase = 'mysql://a/b'\n" + ORIGIN, "cache.database", "sqlite"),
    "a directory that is a number": ("[cache]\ndirectory = 7\n" + ORIGIN, "cache.directory", "path"),
    "a time that is none": ("[fetch]\nidle_timeout = 'long'\n" + ORIGIN, "fetch.idle_timeout", "long"),
    "a time of nothing": ("[fetch]\nconnect_timeout = 0\n" + ORIGIN, "fetch.connect_timeout", "greater than 0"),
    "a time without end": ("[fetch]\nidle_timeout = inf\n" + ORIGIN, "fetch.idle_timeout", "finite"),
    "a time that is a switch": ("[fetch]\nidle_timeout = true\n" + ORIGIN, "fetch.idle_timeout", "duration"),
    "no connections": ("[fetch]\nconnections = 0\n" + ORIGIN, "fetch.connections", "greater than 0"),
    "half a connection": ("[fetch]\nconnections = 1.5\n" + ORIGIN, "fetch.connections", "integer"),
    "attempts below zero": ("[fetch]\nretry_attempts = -1\n" + ORIGIN, "fetch.retry_attempts", "0"),
    "nowhere to listen": ("[server]\nlisten = []\n" + ORIGIN, "server.listen", "1"),
    "listening to a word": ("[server]\nlisten = 'tcp:1'\n" + ORIGIN, "server.listen", "list"),
    "listening to nonsense": ("[server]\nlisten = ['nonsense']\n" + ORIGIN, "server.listen", "nonsense"),
    "listening to an unknown kind": ("[server]\nlisten = ['xyz:1']\n" + ORIGIN, "server.listen", "xyz"),
    "listening to no port": ("[server]\nlisten = ['tcp:http:x']\n" + ORIGIN, "server.listen", "tcp:http:x"),
    "an admin of nonsense": ("[server]\nadmin = 'nonsense'\n" + ORIGIN, "server.admin", "nonsense"),
    "not TOML": ("[cache\n", "", "line 1"),
    "a key twice": ("[cache]\nmax_size = 1\nmax_size = 2\n" + ORIGIN, "", "line 3"),
}


STARTED = [
    "unknown key",
    "no origin",
    "two names",
    "a url of files",
    "a ttl that is none",
    "a switch that is a word",
    "a chunk that is odd",
    "listening to nonsense",
    "an admin of nonsense",
    "not TOML",
]
"""Those that are tried with twistd as well, each kind once."""


def told(ended: Ended, file: Path, key: str, word: str) -> str:
    """The line, which names all three."""
    line = ended.only_line.removeprefix("proxycache: ")
    assert line.startswith(f"{file}: {key}"), line
    assert word in line, line
    return line


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The mistakes, written down."""
    directory = tmp_path_factory.mktemp("mistakes")
    found = {}
    for number, (name, (text, _, _)) in enumerate(MISTAKES.items()):
        found[name] = directory / f"{number}.toml"
        found[name].write_text(text)
    return found


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory, files: dict[str, Path]) -> dict[str, Ended]:
    """What check-config says of them."""
    found = check_configs(tmp_path_factory.mktemp("checked"), list(files.values()))
    return dict(zip(files, found, strict=True))


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, files: dict[str, Path]) -> dict[str, Ended]:
    """What twistd says of some, which start side by side."""
    directory = tmp_path_factory.mktemp("started")
    running = {name: twistd(directory, "--config", str(files[name])) for name in STARTED}
    return {name: end(process) for name, process in running.items()}


@pytest.mark.parametrize("name", MISTAKES)
def test_check_config_tells(files: dict[str, Path], checked: dict[str, Ended], name: str) -> None:
    _, key, word = MISTAKES[name]
    told(checked[name], files[name], key, word)


@pytest.mark.parametrize("name", STARTED)
def test_the_start_is_stopped_with_the_same_line(
    files: dict[str, Path], checked: dict[str, Ended], started: dict[str, Ended], name: str
) -> None:
    _, key, word = MISTAKES[name]
    assert told(started[name], files[name], key, word) == checked[name].only_line


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "nothing.toml"
    running = [twistd(tmp_path, "--config", str(file)), check_config(tmp_path, file)]
    for process in running:
        told(end(process), file, "", "No such file")


def test_a_file_that_is_a_directory(tmp_path: Path) -> None:
    running = [twistd(tmp_path, "--config", str(tmp_path)), check_config(tmp_path, tmp_path)]
    for process in running:
        told(end(process), tmp_path, "", "directory")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "binary.toml"
    file.write_bytes(b"\xff\xfe\x00\x01")
    running = [twistd(tmp_path, "--config", str(file)), check_config(tmp_path, file)]
    for process in running:
        told(end(process), file, "", "TOML")


def test_a_right_file_is_right(tmp_path: Path) -> None:
    file = tmp_path / "right.toml"
    file.write_text(
        "[server]\nlisten = ['tcp:1', 'unix:/tmp/x']\n"
        "[cache]\nmax_size = '1.5GiB'\nmin_free = '10GiB'\nchunk_size = 65536\n"
        "[fetch]\nidle_timeout = '1m'\nlinger = 0\n"
        + origin("default_ttl = '1d'\nheaders = { Authorization = 'Bearer x' }\nredirect_hosts = ['a', 'b:1']")
    )
    ended = end(check_config(tmp_path, file))
    assert ended == Ended(0, f"{file}: ok\n")


class TestOptions:
    """What options get wrong is told likewise."""

    def test_neither_origin_nor_file(self, tmp_path: Path) -> None:
        line = end(twistd(tmp_path)).only_line
        assert "--origin" in line
        assert "--config" in line

    def test_values(self, tmp_path: Path) -> None:
        mistakes = [
            (("--max-size", "much"), "cache.max_size"),
            (("--listen", "nonsense"), "server.listen"),
            (("--admin", "nonsense"), "server.admin"),
            (("--origin", "ftp://a/"), "origin.0.url"),
        ]
        running = [twistd(tmp_path, "--origin", "http://127.0.0.1:9/", *options) for options, _ in mistakes]
        for process, (_, key) in zip(running, mistakes, strict=True):
            assert key in end(process).only_line

    def test_unknown_ones(self, tmp_path: Path) -> None:
        ended = end(twistd(tmp_path, "--origin", "http://127.0.0.1:9/", "--nonsense"))
        assert ended.status != 0
        assert "nonsense" in ended.output
        assert "Traceback" not in ended.output


@pytest.mark.parametrize("which", ["listen", "admin"])
def test_a_port_in_use(tmp_path: Path, which: str) -> None:
    with bound() as taken:
        taken.listen()
        port = taken.getsockname()[1]
        ports = {"listen": free_port(), "admin": free_port(), which: port}
        words = [word for name, number in ports.items() for word in (f"--{name}", f"tcp:{number}:interface={HOST}")]
        ended = end(twistd(tmp_path, "--origin", "http://127.0.0.1:9/", "--cache-dir", str(tmp_path / "c"), *words))
    line = ended.only_line
    assert f"{HOST}:{port}" in line
    assert "in use" in line


def test_what_was_refused_left_no_listener(tmp_path: Path) -> None:
    """The one listener is fine, and closed again as the other is not."""
    port = free_port()
    end(twistd(tmp_path, "--origin", "http://127.0.0.1:9/", "--listen", f"tcp:{port}", "--admin", "nonsense"))
    with socket.socket() as sock:
        assert sock.connect_ex((HOST, port)) != 0
