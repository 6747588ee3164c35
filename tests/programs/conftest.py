"""Fixtures of the tests with real programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.clients.conftest import mp4
from tests.programs.front import Before, Front
from tests.servers.origin import Origin

__all__ = ["mp4"]


@pytest.fixture(autouse=True)
def clean_process() -> None:
    """In place of that of all tests: the clients' libraries keep threads and connections for their next use."""


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Before]:
    """Starts proxycaches before servers; at the end of a file of tests they are stopped and their logs looked at."""
    with ExitStack() as running:
        yield Before(running, tmp_path_factory)


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    """An origin without objects, for clients that need no server of their own kind."""
    with Origin() as running:
        yield running


@pytest.fixture(scope="module")
def front(before: Before, origin: Origin) -> Front:
    """proxycache before that origin."""
    return before(origin.url)
