"""The system's resolver, as the product sees it: it knows names, fails or hangs as a test says."""

import os
import subprocess
from pathlib import Path

from tests.servers.ports import HOST

SOURCE = Path(__file__).with_suffix(".c")


class Resolver:
    """Answers for names below C{.test}, in place of the C library: see resolver.c."""

    def __init__(self, directory: Path) -> None:
        library = directory / "resolver.so"
        command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True)
        self._directory = directory / "names"
        self._directory.mkdir()
        self.environment = {"LD_PRELOAD": str(library), "RESOLVER": str(self._directory)}
        """What a program needs to ask it."""

    def know(self, name: str, address: str = HOST) -> None:
        """From now on the name has this address; whoever hangs fails."""
        new = self._directory / f"{name}.new"
        new.write_text(f"{address}\n")
        self._put(name, new)

    def hang(self, *names: str) -> None:
        """From now on there is no end to a lookup of them."""
        for name in names:
            new = self._directory / f"{name}.new"
            os.mkfifo(new)
            self._put(name, new)

    def answer(self, name: str, address: str = HOST) -> None:
        """Who hangs hears this address, and so does who asks later."""
        with (self._directory / name).open("w") as fifo:
            fifo.write(f"{address}\n")
            self.know(name, address)

    def asked(self, name: str) -> int:
        """How often it was asked for a name."""
        asked = self._directory / "asked"
        return asked.read_text().split().count(name) if asked.exists() else 0

    def _put(self, name: str, new: Path) -> None:
        os.replace(new, self._directory / name)
