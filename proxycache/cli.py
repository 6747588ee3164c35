"""The C{proxycache} command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from proxycache import __version__
from proxycache.config import configure, read_file
from proxycache.errors import ConfigurationError, UnknownSchema, UnusablePlace
from proxycache.store.databasefile import check_version
from proxycache.store.place import check_place


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit status."""
    parser = argparse.ArgumentParser(prog="proxycache", description="Tools beside 'twistd proxycache'.")
    parser.add_argument("--version", action="version", version=f"proxycache {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check-config", help="check a configuration file")
    check.add_argument("file", type=Path)
    chosen = parser.parse_args(arguments)
    try:
        configuration = configure(str(chosen.file), read_file(chosen.file))
        database = configuration.cache.database_path()
        check_place(configuration.cache.directory, database, configuration.server.access_log)
        check_version(database)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 1
    except (UnusablePlace, UnknownSchema) as error:
        print(f"{chosen.file}: {error}", file=sys.stderr)
        return 1
    print(f"{chosen.file}: ok")
    return 0
