"""Makes the garbage collection after each test cheap."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def thawed_at_the_end() -> Iterator[None]:
    """Let the collector look through everything again."""
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True, scope="module")
def frozen_so_far(thawed_at_the_end: None) -> None:
    """Keep what imports and earlier modules made out of the collector's sight: it need not be looked through again."""
    gc.collect()
    gc.freeze()
