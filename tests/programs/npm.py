"""Where the packages of npm are: tox installs them here."""

from pathlib import Path

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
