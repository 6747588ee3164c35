"""The C{twistd proxycache} plugin: options and the service made of them."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.python import usage
from twisted.python.util import runAsEffectiveUser

from proxycache import __version__
from proxycache.clock import ReactorClock
from proxycache.config import Configuration, configure, read_file
from proxycache.errors import ConfigurationError, PlaceInUse, UnknownSchema, UnusablePlace


class Options(usage.Options):
    """Each overrides the file."""

    synopsis = "[--config FILE] [--origin URL] [options]"
    longdesc = "A caching, streaming reverse proxy for large files that are read in pieces."
    optParameters = (
        ("config", "c", None, "Configuration file (TOML)."),
        (
            "origin",
            "o",
            None,
            "URL of the one origin, for everything below '/'; instead of those of the file.",
        ),
        ("admin", None, None, "Endpoint of the admin listener, such as tcp:8081:interface=127.0.0.1."),
        ("cache-dir", None, None, "Directory of the cache files."),
        ("database", None, None, "URL of the database, such as sqlite:///var/cache/proxycache/index.sqlite."),
        ("max-size", None, None, "Most bytes to cache, such as 100GiB."),
        ("chunk-size", None, None, "Bytes per chunk, such as 1MiB."),
    )

    def __init__(self) -> None:
        usage.Options.__init__(self)
        self["listen"] = []

    def opt_listen(self, endpoint: str) -> None:
        """Endpoint to listen on, such as tcp:8080:interface=127.0.0.1; may repeat."""
        self["listen"].append(endpoint)

    def opt_version(self) -> None:
        """Display the version of proxycache, and exit."""
        print(f"proxycache {__version__}")
        raise SystemExit(0)

    @property
    def source(self) -> str:
        """What messages name."""
        return self["config"] or "options"

    @property
    def user(self) -> tuple[int, int]:
        """The user and group that twistd goes on as."""
        twistd: Mapping[str, Any] = self.parent or {}
        uid, gid = twistd.get("uid"), twistd.get("gid")
        return os.geteuid() if uid is None else uid, os.getegid() if gid is None else gid

    def configuration(self) -> Configuration:
        """The file with the options over it.

        @raise ConfigurationError: one line.
        """
        tables: dict[str, Any] = read_file(Path(self["config"])) if self["config"] else {}
        if self["origin"] is not None:
            tables["origin"] = [{"name": "default", "url": self["origin"]}]
        elif not self["config"]:
            raise ConfigurationError("options: expected --origin URL or --config FILE")
        for section, key, option in (
            ("server", "listen", "listen"),
            ("server", "admin", "admin"),
            ("cache", "directory", "cache-dir"),
            ("cache", "database", "database"),
            ("cache", "max_size", "max-size"),
            ("cache", "chunk_size", "chunk-size"),
        ):
            if self[option]:
                table = tables.setdefault(section, {})
                if isinstance(table, dict):
                    table[key] = self[option]
        return configure(self.source, tables)


def makeService(options: Options) -> IService:
    """Called by twistd."""
    # The reactor must not be installed by importing this module.
    from twisted.internet import reactor

    from proxycache.service import make_service as make
    from proxycache.store.databasefile import check_version
    from proxycache.store.place import check_place, occupy

    ReactorClock(reactor, time.monotonic)
    try:
        configuration = options.configuration()
        directory, database = configuration.cache.directory, configuration.cache.database_path()
        runAsEffectiveUser(*options.user, check_place, directory, database, configuration.server.access_log)
        runAsEffectiveUser(*options.user, occupy, directory, database)
        check_version(database)
        return make(reactor, configuration)
    # One line each; a UsageError would bring twistd's traceback with it.
    except UnusablePlace as error:
        raise SystemExit(f"proxycache: {options.source}: {error}") from None
    except (ConfigurationError, PlaceInUse, UnknownSchema) as error:
        raise SystemExit(f"proxycache: {error}") from None
