"""Files and directories that nobody but their owner may read or enter, whatever the umask of the process.

What was there before is somebody's decision, and stays as it is: an operator may let a group in.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700


def make_directory(path: Path) -> None:
    """Make a directory, and those above it that are missing.

    @raise OSError: it cannot be made, or something else has its name.
    """
    try:
        os.mkdir(path, DIRECTORY_MODE)
    except FileExistsError:
        if not path.is_dir():
            raise
    except FileNotFoundError:
        make_directory(path.parent)
        make_directory(path)


def make_file(path: Path) -> None:
    """Make an empty file; where the name is a link, the file that it leads to.

    @raise OSError: it cannot be made; FileExistsError where there is one.
    """
    os.close(os.open(path.resolve(), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))


def close_to_strangers(path: Path) -> None:
    """Take a file of ours from everybody, where everybody may use it: a former version made such.

    Never fails: where it is not ours to say, it stays as it is, and so does a link.
    """
    try:
        found = os.lstat(path)
        if stat.S_ISREG(found.st_mode) and found.st_mode & stat.S_IRWXO:
            os.chmod(path, FILE_MODE)
    except OSError:
        pass
