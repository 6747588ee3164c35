"""Few descriptors (`ulimit -n 256`): cache files that nobody reads take none of those that clients need."""

import contextlib
import http.client
from collections.abc import Iterator

import psutil
import pytest

from tests.integration.rig import KIB, Rig, Thing
from tests.servers.deadline import until
from tests.servers.fetch import same
from tests.servers.origin import Origin
from tests.servers.ports import HOST
from tests.servers.proxycache import Proxycache

LIMIT = 256
FILES = 300


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, origin: Origin) -> Iterator[Proxycache]:
    """The product, with few descriptors."""
    with Proxycache(tmp_path_factory.mktemp("proxycache"), origin.url, open_files=LIMIT) as proxy:
        yield proxy
    proxy.assert_clean_log()


@pytest.fixture(scope="module")
def things(numbered: Rig) -> list[Thing]:
    """More than there are descriptors for, all of them cached."""
    made = [numbered.put(KIB) for _ in range(FILES)]
    for thing in made:
        thing.get_whole()
    return made


def hit(thing: Thing) -> None:
    assert thing.get_whole().cache_status == "proxycache; hit"


def open_files(rig: Rig) -> int:
    """How many descriptors the product has."""
    return psutil.Process(rig.proxy.pid).num_fds()


class Staying:
    """A client who stays connected."""

    def __init__(self, rig: Rig) -> None:
        self._connection = http.client.HTTPConnection(HOST, rig.proxy.port, timeout=30)

    def asks(self, thing: Thing) -> bool:
        """Whether it is answered, and not turned away; what it gets is right."""
        try:
            self._connection.request("GET", f"/{thing.path}")
            answer = self._connection.getresponse()
        except (ConnectionError, http.client.RemoteDisconnected):
            self._connection.close()
            return False
        assert answer.status == 200
        same(thing.body, 0, answer.read())
        return True

    def close(self) -> None:
        """Leave."""
        self._connection.close()


def test_more_cache_files_than_descriptors(rig: Rig, things: list[Thing]) -> None:
    for thing in things[::10]:
        hit(thing)
    assert open_files(rig) < LIMIT / 2
    rig.put(KIB).get_whole()


def test_a_crowd_takes_those_of_cache_files(rig: Rig, things: list[Thing]) -> None:
    """Whoever is let in is served, also from the origin; only a crowd for which there is no room is turned away."""
    with contextlib.ExitStack() as stack:
        let_in = []
        for thing in things:
            client = stack.enter_context(contextlib.closing(Staying(rig)))
            if client.asks(thing):
                let_in.append(client)
        assert LIMIT / 2 < len(let_in) < LIMIT
        for client, thing in zip(let_in, [rig.put(KIB), *things[:10], rig.put(KIB)], strict=False):
            assert client.asks(thing)
    with contextlib.closing(Staying(rig)) as client:
        until(lambda: client.asks(things[0]), "room for a new client")
    for thing in things[::10]:
        hit(thing)
