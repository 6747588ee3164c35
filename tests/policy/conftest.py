"""Makes the garbage collection after each test cheap."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def frozen_modules() -> Iterator[None]:
    """Keep what the imports made out of the collector's sight: it need not be looked through again."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
