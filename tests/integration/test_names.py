"""Origins that have names, and a resolver that hangs, fails, or tells of another address."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.rig import KIB, Rig, exact, refused
from tests.servers.deadline import until
from tests.servers.fetch import Stream, fetch
from tests.servers.origin import Origin
from tests.servers.proxycache import Config, Proxycache
from tests.servers.resolver import Resolver

CONNECTIONS = 8
HANGING = [f"hanging{number}.test" for number in range(12)]
"""More than there are connections, or threads of the reactor."""


@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory) -> Resolver:
    return Resolver(tmp_path_factory.mktemp("resolver"))


@pytest.fixture(scope="module")
def config(origin: Origin) -> Config:
    """The one origin by its address and by names."""
    named = [*HANGING, "films.test", "crowd.test", "silent.test", "moved.test"]
    return {
        "fetch": {"resolve_timeout": 3, "keepalive_time": 1, "connections": CONNECTIONS},
        "origin": [
            {"name": "literal", "prefix": "/", "url": origin.url},
            *({"name": name, "prefix": f"/{name}/", "url": f"http://{name}:{origin.port}/"} for name in named),
        ],
    }


@pytest.fixture(scope="module")
def proxy(
    tmp_path_factory: pytest.TempPathFactory, origin: Origin, config: Config, resolver: Resolver
) -> Iterator[Proxycache]:
    directory = tmp_path_factory.mktemp("proxycache")
    with Proxycache(directory, origin.url, config=config, env=resolver.environment) as proxy:
        yield proxy
    proxy.assert_clean_log()


def test_names_that_nobody_answers_for_take_no_other_origin_away(rig: Rig, resolver: Resolver) -> None:
    resolver.hang(*HANGING)
    resolver.know("films.test")
    film = rig.put(KIB)
    waiting = [Stream(f"{rig.proxy.url}{name}/{film.path}", ask_only=True) for name in HANGING]
    until(lambda: sum(map(resolver.asked, HANGING)) >= CONNECTIONS, "them to hang")
    film.get_whole()
    exact(fetch(f"{rig.proxy.url}films.test/{film.path}"), film.body)
    for stream in waiting:
        stream.close()


def test_a_name_is_looked_up_once_for_all_who_ask(rig: Rig, resolver: Resolver) -> None:
    resolver.hang("crowd.test")
    films = [rig.put(KIB, prefix="crowd.test/") for _ in range(8)]
    with ThreadPoolExecutor(len(films)) as pool:
        answers = [pool.submit(film.get) for film in films]
        until(lambda: resolver.asked("crowd.test") > 0, "it to be asked for")
        resolver.answer("crowd.test")
        for film, answer in zip(films, answers, strict=True):
            exact(answer.result(), film.body)
    assert resolver.asked("crowd.test") == 1


def test_a_lookup_has_a_deadline(rig: Rig, resolver: Resolver) -> None:
    resolver.hang("silent.test")
    assert "its name has no address" in refused(rig.put(KIB, prefix="silent.test/").get(), 502)


def test_a_connection_grows_old(rig: Rig, resolver: Resolver) -> None:
    resolver.know("moved.test")
    film = rig.put(KIB, prefix="moved.test/")
    film.get_whole()

    def asked_by_another() -> bool:
        another = rig.put(KIB, prefix="moved.test/")
        another.get_whole()
        return another.requests[0].connection != film.requests[0].connection

    until(asked_by_another, "another connection")
