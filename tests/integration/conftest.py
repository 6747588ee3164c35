"""Fixtures: one product and one origin for all the tests of a file, which may say how it is configured."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.rig import Rig
from tests.integration.side_by_side import Running, Scenarios
from tests.servers.origin import Origin
from tests.servers.proxycache import Config, Proxycache


@pytest.fixture(autouse=True)
def clean_process() -> None:
    """No reactor runs here: what must be clean is the product's own process, which its log tells."""


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    """The origin."""
    with Origin() as origin:
        yield origin


@pytest.fixture(scope="module")
def other() -> Iterator[Origin]:
    """Another origin, on another port."""
    with Origin() as other:
        yield other


@pytest.fixture(scope="module")
def config() -> Config:
    """What a file of tests lays over the configuration; most want to see deadlines pass."""
    return {"fetch": {"connect_timeout": 1, "first_byte_timeout": 5, "idle_timeout": 3}}


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, origin: Origin, config: Config) -> Iterator[Proxycache]:
    """The product."""
    with Proxycache(tmp_path_factory.mktemp("proxycache"), origin.url, config=config) as proxy:
        yield proxy
    proxy.assert_clean_log()


@pytest.fixture(scope="module")
def numbered(origin: Origin, proxy: Proxycache) -> Rig:
    """The rig that counts a file's objects."""
    return Rig(origin, proxy)


@pytest.fixture(scope="module")
def running(numbered: Rig, request: pytest.FixtureRequest) -> Iterator[Running]:
    """The file's slow scenarios, all begun."""
    scenarios: Scenarios = request.module.SLOW
    with ThreadPoolExecutor(len(scenarios.all)) as pool:
        yield {name: pool.submit(scenario, numbered) for name, scenario in scenarios.all.items()}


@pytest.fixture
def rig(numbered: Rig) -> Iterator[Rig]:
    """The rig, without faults of earlier tests; at the end the product must have kept calm."""
    numbered.origin.release.clear()
    numbered.origin.clear_faults()
    numbered.origin.clear_log()
    with numbered.clean_log():
        yield numbered
    assert numbered.proxy.is_running
