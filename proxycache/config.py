"""The configuration: a TOML file and the options that override it, checked by pydantic.

A mistake stops the start with one line that names file, key and what was expected.
"""

from __future__ import annotations

import os
import re
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from urllib.parse import urlsplit

import platformdirs
import pytimeparse2
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)
from pydantic import model_validator as validates_model
from twisted.internet.endpoints import serverFromString

from proxycache.errors import ConfigurationError
from proxycache.policy.addresses import Network
from proxycache.policy.cookies import SetCookie
from proxycache.policy.fields import Fields
from proxycache.policy.forwarding import may_be_configured
from proxycache.policy.freshness import Ttls
from proxycache.policy.hops import is_kept
from proxycache.policy.origins import OriginPolicy
from proxycache.policy.targets import Authority, named_authorities

DATABASE_NAME = "index.sqlite"

DEFAULT_LISTEN = "tcp:8080:interface=127.0.0.1"
DEFAULT_ADMIN = "tcp:8081:interface=127.0.0.1"


def _seconds(value: object) -> object:
    """Seconds as a number, or a text with a unit: 30, 2.5, "90s", "15m", "1d"."""
    if isinstance(value, bool):
        raise ValueError("expected a duration such as 30 or '15m'")
    if isinstance(value, str):
        parsed = pytimeparse2.parse(value)
        if not isinstance(parsed, (int, float)):
            raise ValueError(f"expected a duration such as 30 or '15m', got {value!r}")
        return float(parsed)
    return value


def _size(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError("expected a size such as 1048576 or '1MiB'")
    return value


Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, allow_inf_nan=False)]
Lifetime = Annotated[float, BeforeValidator(_seconds), Field(ge=0, allow_inf_nan=False)]
Size = Annotated[ByteSize, BeforeValidator(_size)]
Count = Annotated[int, Field(strict=True, gt=0)]
Switch = Annotated[bool, Field(strict=True)]


def _endpoint(value: str) -> str:
    """A Twisted endpoint string. One of systemd's means something only where systemd started the process."""
    if value.startswith("systemd:"):
        return value
    try:
        endpoint = serverFromString(cast(Any, None), value)
    except Exception as error:
        raise ValueError(f"expected an endpoint such as {DEFAULT_LISTEN!r}, got {value!r}: {error}") from error
    if not 0 <= getattr(endpoint, "_port", 0) <= 65535:
        raise ValueError(f"expected a port up to 65535, got {value!r}")
    return value


_HOST_NAME = re.compile(r"[A-Za-z0-9._-]+")

Listener = Annotated[str, AfterValidator(_endpoint)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Server(_Section):
    """Where to listen: Twisted's endpoint strings."""

    listen: list[Listener] = Field(default=[DEFAULT_LISTEN], min_length=1)
    hosts: list[str] = []
    admin: Listener = DEFAULT_ADMIN
    admin_hosts: list[str] = []
    cache_status_key: Switch = False
    stop_timeout: Lifetime = 30.0
    access_log: Path | None = None
    trusted_proxies: list[str] = []

    @field_validator("trusted_proxies")
    @classmethod
    def _trusted_proxies(cls, value: list[str]) -> list[str]:
        for network in value:
            try:
                ip_network(network)
            except ValueError as error:
                raise ValueError(
                    f"expected addresses or networks such as '127.0.0.1' or '10.0.0.0/8', got {network!r}"
                ) from error
        return value

    def networks(self) -> tuple[Network, ...]:
        """What C{trusted_proxies} stands for."""
        return tuple(ip_network(network) for network in self.trusted_proxies)

    @field_validator("hosts")
    @classmethod
    def _hosts(cls, value: list[str]) -> list[str]:
        for name in value:
            try:
                usable = bool(re.fullmatch(r"[\x21-\x7e]+", name) and named_authorities(name))
            except ValueError:
                usable = False
            if not usable:
                raise ValueError(f"expected hosts such as 'files.example' or 'files.example:8080', got {name!r}")
        return value

    def authorities(self) -> frozenset[Authority]:
        """What C{hosts} stands for."""
        return frozenset(authority for name in self.hosts for authority in named_authorities(name))

    @field_validator("admin_hosts")
    @classmethod
    def _admin_hosts(cls, value: list[str]) -> list[str]:
        for name in value:
            if not _HOST_NAME.fullmatch(name):
                raise ValueError(f"expected names of hosts, without ports, got {name!r}")
        return [name.lower() for name in value]


def _default_directory() -> Path:
    # systemd's CacheDirectory=, which may name several (systemd.exec(5)).
    given = os.environ.get("CACHE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    if os.geteuid() == 0:
        return Path("/var/cache/proxycache")
    return platformdirs.user_cache_path("proxycache")


class Cache(_Section):
    """Where the bytes lie and how many."""

    directory: Path = Field(default_factory=_default_directory)
    database: str | None = None
    max_size: Size = ByteSize(100 * 1024**3)
    min_free: Annotated[str, BeforeValidator(lambda value: str(value))] = "5%"
    chunk_size: Size = ByteSize(1024**2)

    @field_validator("chunk_size")
    @classmethod
    def _chunk_size(cls, value: ByteSize) -> ByteSize:
        if not 64 * 1024 <= value <= 64 * 1024**2 or value % 4096:
            raise ValueError("expected a multiple of 4KiB between 64KiB and 64MiB")
        return value

    @field_validator("min_free")
    @classmethod
    def _min_free(cls, value: str) -> str:
        _parse_free(value)
        return value

    @field_validator("database")
    @classmethod
    def _database(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith("sqlite:///"):
            raise ValueError("expected a URL such as 'sqlite:///var/cache/proxycache/index.sqlite'")
        return value

    def database_path(self) -> Path:
        """The SQLite file: beside the cache files, unless a URL names another. C{sqlite:///a/b} is C{/a/b}."""
        if self.database is None:
            return self.directory / DATABASE_NAME
        return Path("/" + self.database.removeprefix("sqlite:///").lstrip("/"))

    def free_bytes_and_fraction(self) -> tuple[int, float]:
        """C{min_free} as bytes, or as a part of the file system."""
        return _parse_free(self.min_free)


def _parse_free(value: str) -> tuple[int, float]:
    percent = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", value)
    if percent:
        fraction = float(percent[1]) / 100
        if fraction >= 1:
            raise ValueError("expected less than 100%")
        return 0, fraction
    try:
        return int(_SizeOnly(size=value).size), 0.0  # type: ignore[arg-type]
    except ValidationError as error:
        raise ValueError("expected a size such as '10GiB', or a part such as '5%'") from error


class _SizeOnly(BaseModel):
    size: ByteSize


class Fetch(_Section):
    """How origins are asked. All times in seconds."""

    resolve_timeout: Seconds = 5.0
    connect_timeout: Seconds = 5.0
    first_byte_timeout: Seconds = 30.0
    idle_timeout: Seconds = 30.0
    retry_attempts: Annotated[int, Field(strict=True, ge=0)] = 1
    retry_timeout: Seconds = 30.0
    linger: Lifetime = 10.0
    keepalive_time: Seconds = 60.0
    connections: Count = 64
    connections_per_origin: Count = 16
    connections_per_client: Count = 3
    upload_rate: Annotated[Size, Field(ge=0)] = ByteSize(1024)


def _is_host(name: str) -> bool:
    """Whether it is C{host} or C{host:port}."""
    try:
        return bool(re.fullmatch(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?", name) and named_authorities(name))
    except ValueError:
        return False


_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FIELD_NAME = _METHOD


class Origin(_Section):
    """One origin."""

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9_.-]+$")
    prefix: str = "/"
    url: str
    host: str | None = None
    default_ttl: Lifetime | None = None
    error_ttl: Lifetime | None = None
    stale_if_error: Lifetime | None = None
    ignore_query: list[str] = []
    methods: list[str] = ["GET", "HEAD", "OPTIONS"]
    redirect_hosts: list[str] = []
    keep_hop_fields: list[str] = []
    set_cookie: Literal["auto", "strip", "keep", "refuse"] = "auto"
    normalize: Switch = False
    trust_length: Switch = False
    always_partial: Switch = False
    weak_if_range: Switch = False
    type: Literal["azure"] | None = None
    underscores: Switch = False
    headers: dict[str, str] = {}

    @field_validator("prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        if not re.fullmatch(r"/|/[\x21-\x22\x24-\x3e\x40-\x7e]*/", value):
            raise ValueError("expected a path that begins and ends with '/'")
        return value

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            usable = False
            parts = urlsplit("")
        clean = not parts.query and not parts.fragment and parts.username is None and "#" not in value
        if not usable or not clean or not re.fullmatch(r"[\x21-\x7e]+", value):
            raise ValueError("expected an absolute http or https URL without user, query and fragment")
        return value if value.endswith("/") else value + "/"

    @field_validator("methods")
    @classmethod
    def _methods(cls, value: list[str]) -> list[str]:
        if not value or not all(_METHOD.fullmatch(method) for method in value):
            raise ValueError("expected names of methods")
        for method in value:
            if method in ("CONNECT", "TRACE"):
                raise ValueError(f"expected methods that can be forwarded, got {method!r}")
        return value

    @field_validator("host")
    @classmethod
    def _host(cls, value: str | None) -> str | None:
        if value is not None and not _is_host(value):
            raise ValueError(f"expected a host such as 'files.example' or 'files.example:8080', got {value!r}")
        return value

    @field_validator("redirect_hosts")
    @classmethod
    def _redirect_hosts(cls, value: list[str]) -> list[str]:
        for name in value:
            below = name.removeprefix("*.")
            if not _is_host(below) or (below != name and not re.search(r"[A-Za-z-]", below.rpartition(".")[2])):
                raise ValueError(
                    f"expected hosts such as 'cdn.example', '*.example' or 'cdn.example:8443', got {name!r}"
                )
        return value

    @field_validator("keep_hop_fields")
    @classmethod
    def _keep_hop_fields(cls, value: list[str]) -> list[str]:
        for name in value:
            if not _FIELD_NAME.fullmatch(name) or "*" in name[:-1] or not is_kept(name.lower(), [name.lower()]):
                raise ValueError(f"expected names of fields about an object such as 'X-Size' or 'X-My-*', got {name!r}")
        return value

    @field_validator("headers")
    @classmethod
    def _headers(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not _FIELD_NAME.fullmatch(name) or re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text):
                raise ValueError(f"expected a header field, got {name!r}")
            if name.lower() == "host":
                raise ValueError(f"expected {name} as a key of its own: host = {text!r}")
            if not may_be_configured(name.encode("ascii")):
                raise ValueError(f"expected a field that does not depend on the request, got {name!r}")
        return value

    def policy(self) -> OriginPolicy:
        """The same, for the layers below."""
        return OriginPolicy(
            name=self.name,
            prefix=self.prefix.encode("ascii"),
            url=self.url.encode("ascii"),
            host=None if self.host is None else self.host.encode("ascii"),
            ttls=Ttls(self.default_ttl, self.error_ttl),
            stale_if_error=self.stale_if_error,
            ignore_query=frozenset(name.encode("utf-8") for name in self.ignore_query),
            methods=tuple(self.methods),
            redirect_hosts=frozenset(self.redirect_hosts),
            keep_hop_fields=tuple(name.lower() for name in self.keep_hop_fields),
            set_cookie=SetCookie(self.set_cookie),
            normalize=self.normalize,
            trust_length=self.trust_length,
            always_partial=self.always_partial,
            weak_if_range=self.weak_if_range,
            type=self.type,
            underscores=self.underscores,
            headers=Fields((name.encode("ascii"), text.encode("utf-8")) for name, text in self.headers.items()),
        )


class Configuration(_Section):
    """All of it."""

    server: Server = Server()
    cache: Cache = Field(default_factory=Cache)
    fetch: Fetch = Fetch()
    origin: list[Origin] = Field(min_length=1)

    @validates_model(mode="after")
    def _distinct(self) -> Configuration:
        for what in ("name", "prefix"):
            values = [getattr(origin, what) for origin in self.origin]
            for value in values:
                if values.count(value) > 1:
                    raise ValueError(f"origin: two have the {what} {value!r}")
        return self


def _one_line(source: str, error: ValidationError) -> ConfigurationError:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if not key:
        return ConfigurationError(f"{source}: {message}")
    if first["type"] == "extra_forbidden":
        message = "unknown key"
    elif first["type"] == "missing":
        message = "missing, expected a value"
    elif first["type"] == "too_short" and key == "origin":
        message = "expected at least one [[origin]]"
    elif first["type"] in ("byte_size", "byte_size_unit"):
        message = "expected a size such as '100GiB'"
    message = message.replace("Input should be", "expected").replace("\n", " ")
    if "input" in first and first["type"] not in ("missing", "extra_forbidden") and "got" not in message:
        message = f"{message}, got {str(first['input'])[:60]!r}"
    return ConfigurationError(f"{source}: {key}: {message}")


def read_file(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    @raise ConfigurationError: unreadable, or no TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not TOML: {error}") from error


def configure(source: str, tables: dict[str, Any]) -> Configuration:
    """Check tables from C{source}, which messages name.

    @raise ConfigurationError: the first mistake, in one line.
    """
    try:
        return Configuration.model_validate(tables)
    except ValidationError as error:
        raise _one_line(source, error) from error
