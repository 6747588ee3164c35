"""Fixtures: nginx as the origin, the product before it, and the directory that nginx serves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.differential.locations import server_block
from tests.conformance.differential.sequences import CHUNK
from tests.servers.nginx import Nginx
from tests.servers.proxycache import Proxycache


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that nginx serves."""
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Nginx]:
    """The origin."""
    with Nginx(tmp_path_factory.mktemp("nginx"), server_block(root)) as nginx:
        yield nginx


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, nginx: Nginx) -> Iterator[Proxycache]:
    """The product, with chunks so small that small files have several."""
    config = {"cache": {"chunk_size": CHUNK}}
    with Proxycache(tmp_path_factory.mktemp("proxycache"), nginx.url, config=config) as proxy:
        yield proxy
    proxy.assert_clean_log()
