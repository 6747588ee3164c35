"""What all of these have in common."""

import pytest


@pytest.fixture(autouse=True)
def clean_process() -> None:
    """No reactor runs here: what must be clean is the product's own process, which its log tells."""
