"""Versions of an object: files at the origin, and the validators that nginx makes of them."""

import os
import random
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path


@dataclass(frozen=True)
class Version:
    """The content of a file and when it was modified, which is long ago: Last-Modified is a strong validator."""

    length: int
    modified: int

    @property
    def content(self) -> bytes:
        """Bytes that two versions share nowhere, nor two places of one."""
        return random.Random(f"{self.modified} {self.length}").randbytes(self.length)

    @property
    def etag(self) -> str:
        """The strong entity tag that nginx makes of time and size."""
        return f'"{self.modified:x}-{self.length:x}"'

    @property
    def last_modified(self) -> str:
        """The time as a field's value."""
        return formatdate(self.modified, usegmt=True)

    def put(self, file: Path) -> None:
        """Make it the file's content, at once and as a whole."""
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(file.name + ".new")
        new.write_bytes(self.content)
        os.utime(new, (self.modified, self.modified))
        new.replace(file)
