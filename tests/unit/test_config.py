"""The configuration, as the design prints it, and one line for every mistake."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from proxycache import cli
from proxycache.config import Configuration, configure, read_file
from proxycache.errors import ConfigurationError
from proxycache.policy.fields import Fields
from proxycache.policy.freshness import Ttls
from proxycache.policy.origins import OriginPolicy

DESIGN = """
[server]
listen = ["tcp:8080:interface=127.0.0.1"]      # Twisted endpoint strings; systemd: and tls: work
admin = "tcp:8081:interface=127.0.0.1"         # metrics, health, admin API; never on the public listener

[cache]
directory = "/var/cache/proxycache"
database = "sqlite:///var/cache/proxycache/index.sqlite"        # or postgresql://…
max_size = "100GiB"
min_free = "5%"
chunk_size = "1MiB"

[fetch]
connect_timeout = 5.0        # seconds, all of them
first_byte_timeout = 30.0
idle_timeout = 30.0
retry_attempts = 1
retry_timeout = 30.0
linger = 10.0
connections = 64             # per process
connections_per_origin = 16

[[origin]]
name = "films"
prefix = "/films/"
url = "https://files.example/library/"
default_ttl = "1d"           # when the origin says nothing about freshness
ignore_query = ["token"]     # left out of the cache key, still sent to the origin
methods = ["GET", "HEAD", "OPTIONS"]     # the default; others are forwarded only when listed
redirect_hosts = ["cdn.example"]         # beside the origin's own
trust_length = false         # no strong validator: may parts of equal length be joined?
always_partial = false       # 206 to every GET, for players that only then seek
headers = { Authorization = "Bearer …" }
"""

ORIGIN = {"name": "films", "url": "https://files.example/"}


def loaded(**sections: Any) -> Configuration:
    return configure("test", {"origin": [ORIGIN], **sections})


def with_origin(**keys: Any) -> Configuration:
    return configure("test", {"origin": [{**ORIGIN, **keys}]})


def test_what_the_design_prints() -> None:
    found = configure("design", tomllib.loads(DESIGN))
    assert found.server.listen == ["tcp:8080:interface=127.0.0.1"]
    assert found.server.admin == "tcp:8081:interface=127.0.0.1"
    assert found.cache.directory == Path("/var/cache/proxycache")
    assert found.cache.database_path() == Path("/var/cache/proxycache/index.sqlite")
    assert found.cache.max_size == 100 * 2**30
    assert found.cache.free_bytes_and_fraction() == (0, 0.05)
    assert found.cache.chunk_size == 2**20
    fetch = found.fetch
    assert (fetch.connect_timeout, fetch.first_byte_timeout, fetch.idle_timeout) == (5, 30, 30)
    assert (fetch.retry_attempts, fetch.retry_timeout, fetch.linger) == (1, 30, 10)
    assert (fetch.connections, fetch.connections_per_origin, fetch.connections_per_client) == (64, 16, 3)
    assert fetch.upload_rate == 1024
    (origin,) = found.origin
    assert origin.policy() == OriginPolicy(
        name="films",
        prefix=b"/films/",
        url=b"https://files.example/library/",
        ttls=Ttls(86400.0),
        ignore_query=frozenset({b"token"}),
        methods=("GET", "HEAD", "OPTIONS"),
        redirect_hosts=frozenset({"cdn.example"}),
        headers=Fields([(b"Authorization", "Bearer …".encode())]),
    )


def test_everything_but_the_origin_has_a_default() -> None:
    designed = configure("design", tomllib.loads(DESIGN))
    found = loaded()
    assert found.server == designed.server
    assert found.fetch == designed.fetch
    assert (found.cache.max_size, found.cache.min_free) == (designed.cache.max_size, designed.cache.min_free)
    assert found.cache.chunk_size == designed.cache.chunk_size
    assert found.cache.database_path() == found.cache.directory / "index.sqlite"
    assert found.origin[0].policy() == OriginPolicy("films", b"/", b"https://files.example/")


@pytest.mark.parametrize("root", [True, False])
def test_where_the_cache_lies_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, root: bool) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0 if root else 1000)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CACHE_DIRECTORY", raising=False)
    expected = Path("/var/cache/proxycache") if root else tmp_path / "proxycache"
    assert loaded().cache.directory == expected


@pytest.mark.parametrize("given", ["/srv/cache", "/srv/cache:/srv/other"])
def test_where_systemd_wants_it(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("CACHE_DIRECTORY", given)
    assert loaded().cache.database_path() == Path("/srv/cache/index.sqlite")
    assert loaded(cache={"directory": "/srv/mine"}).cache.directory == Path("/srv/mine")


def test_every_key_is_refused_where_it_does_not_belong() -> None:
    tables = tomllib.loads(DESIGN)
    for section in ("server", "cache", "fetch"):
        for other in ("server", "cache", "fetch"):
            for key, value in tables[other].items():
                moved = {"origin": [ORIGIN], section: {key: value}}
                if section == other:
                    configure("test", moved)
                else:
                    with pytest.raises(ConfigurationError, match=rf"^test: {section}\.{key}: unknown key$"):
                        configure("test", moved)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (1048576, 2**20),
        ("1048576", 2**20),
        ("1MiB", 2**20),
        ("1 MiB", 2**20),
        ("1mib", 2**20),
        ("0.5MiB", 2**19),
        ("2MB", 2_000_000),
        ("3GiB", 3 * 2**30),
        ("1TiB", 2**40),
        ("64KiB", 2**16),
    ],
)
def test_sizes(text: str | int, size: int) -> None:
    assert loaded(cache={"max_size": text}).cache.max_size == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(30, 30), (2.5, 2.5), ("30", 30), ("2.5", 2.5), ("90s", 90), ("15m", 900), ("1h30m", 5400), ("1d", 86400)],
)
def test_durations(text: str | float, seconds: float) -> None:
    assert loaded(fetch={"idle_timeout": text}).fetch.idle_timeout == seconds


@pytest.mark.parametrize(
    ("text", "bytes_and_fraction"),
    [
        ("5%", (0, 0.05)),
        ("0%", (0, 0.0)),
        (" 2.5 % ", (0, 0.025)),
        ("10GiB", (10 * 2**30, 0.0)),
        (1024, (1024, 0.0)),
    ],
)
def test_what_stays_free(text: str | int, bytes_and_fraction: tuple[int, float]) -> None:
    assert loaded(cache={"min_free": text}).cache.free_bytes_and_fraction() == bytes_and_fraction


def test_names_of_fields_compare_without_case() -> None:
    kept = with_origin(keep_hop_fields=["X-Size", "X-My-*"]).origin[0].policy().keep_hop_fields
    assert kept == ("x-size", "x-my-*")


def test_a_url_without_its_last_slash_gets_one() -> None:
    assert with_origin(url="http://a.example/x").origin[0].policy().url == b"http://a.example/x/"
    assert with_origin(url="http://a.example").origin[0].policy().url == b"http://a.example/"


@pytest.mark.parametrize(
    ("tables", "key", "expected"),
    [
        ({}, "origin", "missing"),
        ({"origin": []}, "origin", r"\[\[origin\]\]"),
        ({"origin": [{"name": "a"}]}, r"origin\.0\.url", "missing"),
        ({"origin": [ORIGIN], "sever": {}}, "sever", "unknown key"),
        ({"origin": [ORIGIN], "cache": {"maxsize": 1}}, r"cache\.maxsize", "unknown key"),
        ({"origin": [{**ORIGIN, "ttl": 1}]}, r"origin\.0\.ttl", "unknown key"),
        ({"origin": [ORIGIN], "server": "x"}, "server", "expected"),
        ({"origin": [ORIGIN], "server": {"listen": "tcp:80"}}, r"server\.listen", "expected a valid list"),
        ({"origin": [ORIGIN], "server": {"listen": []}}, r"server\.listen", "at least 1"),
        ({"origin": [ORIGIN], "server": {"admin_hosts": ["a:80"]}}, r"server\.admin_hosts", "names of hosts"),
        ({"origin": [ORIGIN], "server": {"admin_hosts": "a"}}, r"server\.admin_hosts", "expected a valid list"),
        (
            {"origin": [ORIGIN], "server": {"trusted_proxies": ["nginx"]}},
            r"server\.trusted_proxies",
            "networks such as",
        ),
        ({"origin": [ORIGIN], "server": {"trusted_proxies": ["10.0.0.1/8"]}}, r"server\.trusted_proxies", "10.0.0.1/8"),
        ({"origin": [ORIGIN], "server": {"trusted_proxies": "10.0.0.1"}}, r"server\.trusted_proxies", "a valid list"),
        ({"origin": [ORIGIN], "server": {"access_log": 1}}, r"server\.access_log", "path"),
        ({"origin": [ORIGIN], "server": {"admin": 8081}}, r"server\.admin", "expected a valid string"),
        ({"origin": [ORIGIN], "cache": {"max_size": "many"}}, r"cache\.max_size", "many"),
        ({"origin": [ORIGIN], "cache": {"max_size": True}}, r"cache\.max_size", "expected a size"),
        ({"origin": [ORIGIN], "cache": {"max_size": 1.5}}, r"cache\.max_size", "expected a size"),
        ({"origin": [ORIGIN], "cache": {"min_free": "100%"}}, r"cache\.min_free", "less than 100%"),
        ({"origin": [ORIGIN], "cache": {"min_free": "some"}}, r"cache\.min_free", "expected a size"),
        ({"origin": [ORIGIN], "cache": {"min_free": True}}, r"cache\.min_free", "expected a size"),
        ({"origin": [ORIGIN], "cache": {"chunk_size": "1KiB"}}, r"cache\.chunk_size", "between 64KiB and 64MiB"),
        ({"origin": [ORIGIN], "cache": {"chunk_size": 65537}}, r"cache\.chunk_size", "multiple of 4KiB"),
        ({"origin": [ORIGIN], "cache": {"chunk_size": "1GiB"}}, r"cache\.chunk_size", "64MiB"),
        ({"origin": [ORIGIN], "cache": {"database": "mysql://x"}}, r"cache\.database", "expected a URL"),
        ({"origin": [ORIGIN], "fetch": {"idle_timeout": 0}}, r"fetch\.idle_timeout", "greater than 0"),
        ({"origin": [ORIGIN], "fetch": {"idle_timeout": -1}}, r"fetch\.idle_timeout", "greater than 0"),
        ({"origin": [ORIGIN], "fetch": {"idle_timeout": "soon"}}, r"fetch\.idle_timeout", "expected a duration"),
        ({"origin": [ORIGIN], "fetch": {"idle_timeout": True}}, r"fetch\.idle_timeout", "expected a duration"),
        ({"origin": [ORIGIN], "fetch": {"idle_timeout": float("inf")}}, r"fetch\.idle_timeout", "finite"),
        ({"origin": [ORIGIN], "fetch": {"linger": -1}}, r"fetch\.linger", "greater than or equal to 0"),
        ({"origin": [ORIGIN], "fetch": {"connections": 0}}, r"fetch\.connections", "greater than 0"),
        ({"origin": [ORIGIN], "fetch": {"connections": "many"}}, r"fetch\.connections", "expected a valid integer"),
        ({"origin": [ORIGIN], "fetch": {"retry_attempts": -1}}, r"fetch\.retry_attempts", "0"),
        ({"origin": [ORIGIN], "fetch": {"retry_attempts": True}}, r"fetch\.retry_attempts", "integer"),
        ({"origin": [{**ORIGIN, "name": ""}]}, r"origin\.0\.name", "at least 1"),
        ({"origin": [{**ORIGIN, "name": "a:b"}]}, r"origin\.0\.name", "a:b"),
        ({"origin": [{**ORIGIN, "prefix": "films/"}]}, r"origin\.0\.prefix", "begins and ends"),
        ({"origin": [{**ORIGIN, "prefix": "/films"}]}, r"origin\.0\.prefix", "begins and ends"),
        ({"origin": [{**ORIGIN, "prefix": "/fil ms/"}]}, r"origin\.0\.prefix", "begins and ends"),
        ({"origin": [{**ORIGIN, "prefix": "/a?b/"}]}, r"origin\.0\.prefix", "begins and ends"),
        ({"origin": [{**ORIGIN, "url": "files.example"}]}, r"origin\.0\.url", "absolute http or https URL"),
        ({"origin": [{**ORIGIN, "url": "ftp://a/"}]}, r"origin\.0\.url", "absolute http or https URL"),
        ({"origin": [{**ORIGIN, "url": "http://u:p@a/"}]}, r"origin\.0\.url", "without user"),
        ({"origin": [{**ORIGIN, "url": "http://a/?x"}]}, r"origin\.0\.url", "query"),
        ({"origin": [{**ORIGIN, "url": "http://a/#x"}]}, r"origin\.0\.url", "fragment"),
        ({"origin": [{**ORIGIN, "url": "http://a:99999/"}]}, r"origin\.0\.url", "absolute"),
        ({"origin": [{**ORIGIN, "url": "http://a b/"}]}, r"origin\.0\.url", "absolute"),
        ({"origin": [{**ORIGIN, "url": "http://[/"}]}, r"origin\.0\.url", "absolute"),
        ({"origin": [{**ORIGIN, "default_ttl": "later"}]}, r"origin\.0\.default_ttl", "expected a duration"),
        ({"origin": [{**ORIGIN, "error_ttl": "later"}]}, r"origin\.0\.error_ttl", "expected a duration"),
        ({"origin": [{**ORIGIN, "methods": []}]}, r"origin\.0\.methods", "names of methods"),
        ({"origin": [{**ORIGIN, "methods": ["G T"]}]}, r"origin\.0\.methods", "names of methods"),
        ({"origin": [{**ORIGIN, "trust_length": "yes"}]}, r"origin\.0\.trust_length", "expected a valid boolean"),
        (
            {"origin": [{**ORIGIN, "set_cookie": "no"}]},
            r"origin\.0\.set_cookie",
            "expected 'auto', 'strip', 'keep' or 'refuse'",
        ),
        ({"origin": [{**ORIGIN, "always_partial": 1}]}, r"origin\.0\.always_partial", "expected a valid boolean"),
        ({"origin": [{**ORIGIN, "keep_hop_fields": ["X Y"]}]}, r"origin\.0\.keep_hop_fields", "fields about an object"),
        (
            {"origin": [{**ORIGIN, "keep_hop_fields": ["X-*-Y"]}]},
            r"origin\.0\.keep_hop_fields",
            "fields about an object",
        ),
        ({"origin": [{**ORIGIN, "keep_hop_fields": ["Etag"]}]}, r"origin\.0\.keep_hop_fields", "got 'Etag'"),
        ({"origin": [{**ORIGIN, "type": "s3"}]}, r"origin\.0\.type", "'azure'"),
        ({"origin": [{**ORIGIN, "weak_if_range": 1}]}, r"origin\.0\.weak_if_range", "expected a valid boolean"),
        ({"origin": [{**ORIGIN, "methods": ["GET", "CONNECT"]}]}, r"origin\.0\.methods", "got 'CONNECT'"),
        ({"origin": [{**ORIGIN, "host": "http://a"}]}, r"origin\.0\.host", "a host such as"),
        ({"origin": [{**ORIGIN, "host": "a:99999"}]}, r"origin\.0\.host", "a host such as"),
        ({"origin": [{**ORIGIN, "host": "u@a"}]}, r"origin\.0\.host", "a host such as"),
        ({"origin": [{**ORIGIN, "host": ""}]}, r"origin\.0\.host", "a host such as"),
        ({"origin": [{**ORIGIN, "headers": {"host": "a"}}]}, r"origin\.0\.headers", "host = 'a'"),
        ({"origin": [{**ORIGIN, "headers": {"Accept-Encoding": "gzip"}}]}, r"origin\.0\.headers", "does not depend"),
        ({"origin": [{**ORIGIN, "headers": {"If_Range": "a"}}]}, r"origin\.0\.headers", "got 'If_Range'"),
        ({"origin": [{**ORIGIN, "headers": {"Via": "1.1 a"}}]}, r"origin\.0\.headers", "got 'Via'"),
        ({"origin": [{**ORIGIN, "headers": {"Transfer-Encoding": "a"}}]}, r"origin\.0\.headers", "does not depend"),
        ({"origin": [{**ORIGIN, "headers": {"a b": "c"}}]}, r"origin\.0\.headers", "header field"),
        ({"origin": [{**ORIGIN, "headers": {"A": "b\r\nC: d"}}]}, r"origin\.0\.headers", "header field"),
        ({"origin": [{**ORIGIN, "headers": {"A": 1}}]}, r"origin\.0\.headers\.A", "expected a valid string"),
        ({"origin": [ORIGIN, {**ORIGIN, "prefix": "/b/"}]}, "origin", "two have the name 'films'"),
        ({"origin": [ORIGIN, {**ORIGIN, "name": "b"}]}, "origin", "two have the prefix '/'"),
    ],
)
def test_a_mistake_is_one_line_with_file_key_and_expectation(tables: dict[str, Any], key: str, expected: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^/etc/x\.toml: {key}: .*{expected}") as caught:
        configure("/etc/x.toml", tables)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        "https://cdn.example",
        "cdn.example/",
        "*",
        "*.",
        "a*.example",
        "a.*.example",
        "*.0.0.1",
        "cdn.example:x",
        "cdn example",
    ],
)
def test_hosts_that_no_redirect_leads_to(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^test: origin\.0\.redirect_hosts: expected hosts such as .*, got "):
        with_origin(redirect_hosts=["cdn.example", host])


def test_hosts_that_redirects_lead_to() -> None:
    hosts = ["cdn.example", "CDN.example:8443", "*.example", "*.a-b.example:1", "10.0.0.1", "[2001:db8::1]:8443", "a_b"]
    assert with_origin(redirect_hosts=hosts).origin[0].policy().redirect_hosts == frozenset(hosts)
    assert with_origin(host="Files.example:8080").origin[0].policy().host == b"Files.example:8080"


@pytest.mark.parametrize(
    "content", [b"[server", b"a = ", b"a = 1\na = 2", b"\xff\xfe", b'a = "\n"', b"[[origin]]\n[origin]"]
)
def test_a_file_that_is_no_toml(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "proxycache.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=rf"^{path}: not TOML: ") as caught:
        read_file(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be read: No such file or directory$"):
        read_file(tmp_path / "missing.toml")


def test_check_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "proxycache.toml"
    design = DESIGN.replace("/var/cache/proxycache", str(tmp_path / "cache"))
    path.write_text(design, "utf-8")
    assert cli.main(["check-config", str(path)]) == 0
    path.write_text(design.replace("linger", "lingers"), "utf-8")
    capsys.readouterr()
    assert cli.main(["check-config", str(path)]) == 1
    printed = capsys.readouterr()
    assert printed.err == f"{path}: fetch.lingers: unknown key\n"
    assert printed.out == ""


@pytest.mark.parametrize(
    "server", ['listen = ["nonsense"]', 'listen = ["tcp:http:x"]', 'admin = "nonsense:"', 'listen = [""]']
)
def test_check_config_says_what_the_start_would(tmp_path: Path, server: str) -> None:
    path = tmp_path / "proxycache.toml"
    path.write_text(f'[server]\n{server}\n[[origin]]\nname = "a"\nurl = "http://a.example/"\n', "utf-8")
    assert cli.main(["check-config", str(path)]) == 1
