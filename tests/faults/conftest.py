"""Fixtures of the tests of faults."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.faultydisk import FaultyDisk, compiled
from tests.faults.rig import Config, Rig
from tests.servers.deadline import until
from tests.servers.origin import Origin
from tests.servers.proxycache import Proxycache

MakeRig = Callable[[Config], Rig]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The faulty disk's code."""
    return compiled(tmp_path_factory.mktemp("faultydisk"))


def rig_in(directory: Path, library: Path, config: Config) -> Iterator[Rig]:
    """The product with a configuration, not started."""
    with Origin() as origin:
        disk = FaultyDisk(library, directory / "faults")
        proxy = Proxycache(directory, origin.url, config=config, env=disk.environment)
        try:
            yield Rig(origin, proxy, disk)
        finally:
            proxy.stop()


@pytest.fixture(scope="module")
def config() -> Config:
    """The configuration of the product of a whole file of tests, which may have its own."""
    return {}


@pytest.fixture(scope="module")
def product(library: Path, config: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """The product of a whole file of tests: it has to recover from each."""
    yield from rig_in(tmp_path_factory.mktemp("proxycache"), library, config)


@pytest.fixture
def rig(product: Rig) -> Iterator[Rig]:
    """The same for one test: running, before a whole origin, with empty logs."""
    if product.proxy.log_file.exists():
        os.truncate(product.proxy.log_file, 0)
    if not product.proxy.is_running:
        product.proxy.kill()
        product.proxy.start()
    until(lambda: product.ready() == (True, ""), "the product to recover from the test before")
    product.origin.clear_log()
    yield product
    product.origin.clear_faults()
    product.proxy.assert_clean_log()


@pytest.fixture
def make_rig(library: Path, tmp_path: Path) -> Iterator[MakeRig]:
    """Makes a product with a configuration for one test alone, not started."""
    made: list[tuple[Rig, Iterator[Rig]]] = []

    def make(config: Config) -> Rig:
        directory = tmp_path / str(len(made))
        directory.mkdir()
        living = rig_in(directory, library, config)
        made.append((next(living), living))
        return made[-1][0]

    yield make
    for rig, living in made:
        next(living, None)
        rig.proxy.assert_clean_log()
