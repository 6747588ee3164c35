"""Fixtures: the product before a scripted origin at "/", and before one in the test's own hand at "/hand/"."""

from collections.abc import Iterator

import pytest

from tests.conformance.conversations.conversation import Room
from tests.integration.conftest import numbered, origin, other, proxy, rig
from tests.servers.byhand import Listener
from tests.servers.origin import Origin
from tests.servers.proxycache import Config, Proxycache

__all__ = ["config", "hand", "numbered", "origin", "other", "proxy", "rig", "room"]

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "PROPFIND", "purge"]


@pytest.fixture(scope="module")
def hand() -> Iterator[Listener]:
    """An origin that says what the test says."""
    with Listener() as hand:
        yield hand


@pytest.fixture(scope="module")
def config(origin: Origin, other: Origin, hand: Listener) -> Config:
    """Origins that take unsafe methods, and one that does not."""
    return {
        "fetch": {"first_byte_timeout": 5, "idle_timeout": 5, "linger": 0.2},
        "origin": [
            {"name": "plain", "prefix": "/", "url": origin.url, "methods": METHODS},
            {"name": "other", "prefix": "/other/", "url": other.url, "methods": METHODS},
            {"name": "reading", "prefix": "/reading/", "url": origin.url},
            {"name": "hand", "prefix": "/hand/", "url": hand.url, "methods": METHODS, "set_cookie": "keep"},
        ],
    }


@pytest.fixture
def room(proxy: Proxycache, hand: Listener) -> Iterator[Room]:
    """An object of the test's own at the origin in its hand."""
    hand.turn_away()
    yield Room(proxy, hand)
    hand.turn_away()
