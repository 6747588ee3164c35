"""Connections to an origin: few, used again, and never all held by those who can wait."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from functools import partial

import pytest

from tests.integration.rig import KIB, MIB, Rig, Thing, at_once, exact
from tests.servers.byhand import Peer, connect
from tests.servers.deadline import until
from tests.servers.fetch import Stream, fetch, same_stream
from tests.servers.origin import Fault, Origin
from tests.servers.proxycache import Config

LIMIT = 4
AT_ONCE = 10.0
"""Seconds; who has to wait for a slow client is refused after thirty."""
METHODS = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]


@pytest.fixture(scope="module")
def config() -> Config:
    """Few connections."""
    return {"fetch": {"connections_per_origin": LIMIT, "idle_timeout": 10, "linger": 1}, "origin": {"methods": METHODS}}


@pytest.fixture(autouse=True)
def fresh_connections(origin: Origin) -> None:
    """A test begins without connections."""
    origin.drop_connections()


def connections(things: list[Thing]) -> int:
    """How many connections they came on."""
    return len({served.connection for thing in things for served in thing.requests})


class TestTheyAreUsedAgain:
    def test_by_whole_objects(self, rig: Rig) -> None:
        films = [rig.put(300 * KIB) for _ in range(20)]
        for film in films:
            film.get_whole()
        assert connections(films) == 1

    def test_by_ranges(self, rig: Rig) -> None:
        film = rig.put(100 * MIB)
        for number in range(0, 100, 5):
            film.get_part(number * MIB, (number + 1) * MIB)
        assert connections([film]) == 1

    def test_past_the_cache(self, rig: Rig) -> None:
        films = [rig.put(300 * KIB, cache_control="no-store") for _ in range(20)]
        for film in films:
            film.get_whole()
        assert connections(films) == 1

    def test_by_errors(self, rig: Rig) -> None:
        films = [rig.put(300 * KIB) for _ in range(20)]
        for film in films:
            film.fault(Fault(status=404, body=b"no\n"))
            assert film.get().status == 404
        assert connections(films) == 1

    def test_by_redirects(self, rig: Rig) -> None:
        films = [rig.put(300 * KIB) for _ in range(10)]
        moved = [rig.put(1) for _ in films]
        for film, from_ in zip(films, moved, strict=True):
            from_.fault(Fault(redirect="/" + film.path, body=b"moved\n"))
            assert len(from_.get().body) == film.length
        assert connections([*films, *moved]) == 1

    def test_by_revalidation(self, rig: Rig) -> None:
        film = rig.put(300 * KIB, cache_control="max-age=0")
        for _ in range(10):
            film.get_whole()
        assert connections([film]) == 1

    def test_but_not_while_one_is_being_dropped(self, rig: Rig) -> None:
        """Many at once, most of whom wait for a connection: none gets a dying one, and none loses its own."""
        films = [rig.put(300 * KIB, cache_control="no-store") for _ in range(60)]
        at_once([film.get_whole for film in films])
        assert sum(film.sent for film in films) <= 1.2 * sum(film.length for film in films)


def test_no_more_than_the_limit(rig: Rig) -> None:
    """Thirty requests at once, none of them answered before all that may have arrived."""
    film = rig.put(300 * KIB)
    with rig.origin.gate(film.path) as gate, ThreadPoolExecutor(30) as pool:
        running = [pool.submit(fetch, f"{film.url}?{number}") for number in range(30)]
        gate.wait_held(LIMIT)
        # The others are on their way to the product, or wait in it.
        wait(running, 0.3)
        assert gate.held == LIMIT
        gate.release()
        for each in running:
            exact(each.result(), film.body)


class TestSlowPlayers:
    """Many more than there are connections, each of another object, none of them in a hurry."""

    @pytest.fixture
    def films(self, rig: Rig) -> list[Thing]:
        """What they play."""
        return [rig.put(64 * MIB) for _ in range(20)]

    @pytest.fixture(params=[None, "0-"], ids=["whole", "range"])
    def players(self, films: list[Thing], request: pytest.FixtureRequest) -> Iterator[list[Stream]]:
        """All have had their first bytes, and take no more for now."""
        with ExitStack() as stack:
            players = []
            for film in films:
                player = stack.enter_context(film.stream(request.param, buffer=64 * KIB))
                same_stream(film.body, 0, 64 * KIB, player)
                players.append(player)
            yield players

    def test_a_newcomer_is_served_at_once(self, rig: Rig, players: list[Stream]) -> None:
        for number in range(5):
            film = rig.put(64 * MIB)
            before = time.monotonic()
            film.get_part(number * 10 * MIB, number * 10 * MIB + 100)
            assert time.monotonic() - before < AT_ONCE

    def test_they_all_go_on(self, films: list[Thing], players: list[Stream]) -> None:
        for start in range(64 * KIB, 12 * MIB, 3 * MIB):
            for film, player in zip(films, players, strict=True):
                same_stream(film.body, start, start + 3 * MIB, player)

    def test_hits_need_no_connection(self, rig: Rig, films: list[Thing], players: list[Stream]) -> None:
        before = time.monotonic()
        for film in films:
            film.get_part(100, 200)
        assert time.monotonic() - before < AT_ONCE


class TestSlowPlayersPastTheCache(TestSlowPlayers):
    """Nothing of it may be stored; with their validator they can be interrupted, and resumed."""

    test_hits_need_no_connection = None  # type: ignore[assignment]

    @pytest.fixture
    def films(self, rig: Rig) -> list[Thing]:
        return [rig.put(64 * MIB, cache_control="no-store") for _ in range(20)]


def test_a_stalled_origin_holds_up_no_other_object(rig: Rig) -> None:
    """All connections hang before their first byte; a fifth request waits for the first of them to be given up."""
    stalled = [rig.put(MIB) for _ in range(LIMIT - 1)]
    for film in stalled:
        film.fault(Fault(stall_after=100), None)
    with ExitStack() as stack:
        for film in stalled:
            same_stream(film.body, 0, 100, stack.enter_context(film.stream()))
        before = time.monotonic()
        rig.put(MIB).get_whole()
        # The stalled ones are given up after ten seconds.
        assert time.monotonic() - before < AT_ONCE / 2


class TestClientsWithoutHaste:
    """Many more than there are connections, who hold what they have got: those who ask for an object are served."""

    CROWD = 3 * LIMIT

    @pytest.mark.parametrize("method", ["OPTIONS", "PUT"])
    def test_they_send_slowly(self, rig: Rig, method: str) -> None:
        film = rig.put(MIB)
        with ExitStack() as stack:
            clients = [
                stack.enter_context(waiting_client(rig, film.path, "Content-Length: 10", method=method))
                for _ in range(self.CROWD)
            ]
            for client in clients:
                client.send(b"01234")
            newcomer(rig)
            for client in clients:
                client.send(b"56789")
            for client in clients:
                assert client.head().status in (200, 204)
        assert [served.body for served in film.requests] == [b"0123456789"] * self.CROWD

    @pytest.mark.parametrize("cache_control", ["no-store", "max-age=3600"])
    def test_they_take_nothing_of_what_cannot_be_resumed(self, rig: Rig, cache_control: str) -> None:
        """Past the cache, and through it."""
        film = rig.put(64 * MIB, etag=None, cache_control=cache_control)
        with ExitStack() as stack:
            for number in range(self.CROWD):
                client = connect(rig.proxy.port, receive_buffer=64 * KIB)
                stack.enter_context(client).send(f"GET /{film.path}?{number} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            for _ in range(LIMIT):
                newcomer(rig)

    def test_who_takes_some_now_and_then_gets_it_all(self, rig: Rig) -> None:
        """Where there are few of them they keep their connections."""
        film = rig.put(16 * MIB, etag=None, cache_control="no-store")
        with film.stream(buffer=64 * KIB) as player:
            for start in range(0, 16 * MIB, 4 * MIB):
                same_stream(film.body, start, start + 4 * MIB, player)
                at_once([partial(newcomer, rig)] * (2 * LIMIT))
            assert player.answer.complete
        assert len(film.requests) == 1


class TestClientsThatLeft:
    """Nobody waits for a fetch whose clients have gone: a newcomer need not, either."""

    CROWD = 3 * LIMIT

    def test_before_an_answer(self, rig: Rig) -> None:
        """Of objects that nothing is known of; the origin answers none of them before the newcomer has all of his."""
        film = rig.put(MIB)
        with rig.origin.gate(film.path) as gate, ExitStack() as leaving:
            for number in range(self.CROWD):
                leaving.enter_context(waiting_client(rig, f"{film.path}?{number}"))
            gate.wait_held(LIMIT)
            leaving.close()
            newcomer(rig)

    def test_before_a_byte_of_a_range(self, rig: Rig) -> None:
        """The same of one that is known, and that somebody else goes on to read."""
        film = rig.put(100 * MIB)
        with film.stream("0-", buffer=64 * KIB) as reading, rig.origin.gate(film.path) as gate, ExitStack() as leaving:
            same_stream(film.body, 0, 64 * KIB, reading)
            for number in range(self.CROWD):
                leaving.enter_context(waiting_client(rig, film.path, f"Range: bytes={number + 50}000000-"))
            gate.wait_held(LIMIT)
            leaving.close()
            newcomer(rig)

    def test_those_queued_are_never_asked_for(self, rig: Rig) -> None:
        """Their clients leave while others hold all connections."""
        held, left = rig.put(MIB), rig.put(MIB)
        with rig.origin.gate(held.path) as gate, ThreadPoolExecutor(LIMIT) as pool:
            running = [pool.submit(fetch, f"{held.url}?{number}") for number in range(LIMIT)]
            gate.wait_held(LIMIT)
            with ExitStack() as leaving:
                for number in range(self.CROWD):
                    leaving.enter_context(waiting_client(rig, f"{left.path}?{number}"))
                until(lambda: self.queued(rig) == self.CROWD, "them to be queued")
            until(lambda: self.queued(rig) == 0, "them to be gone")
            gate.release()
            for each in running:
                exact(each.result(), held.body)
        rig.put(MIB).get_whole()
        assert left.requests == []

    @pytest.mark.parametrize("method", ["DELETE", "PUT"])
    def test_nor_is_what_would_change_something(self, rig: Rig, method: str) -> None:
        """Nothing of it was sent, so nothing of it need be known."""
        film, changed = rig.put(MIB), rig.put(MIB)
        for _ in range(2):
            with rig.origin.gate(film.path) as gate, ThreadPoolExecutor(LIMIT) as pool:
                running = [pool.submit(fetch, f"{film.url}?{number}") for number in range(LIMIT)]
                gate.wait_held(LIMIT)
                with waiting_client(rig, changed.path, "Content-Length: 10", method=method) as client:
                    client.send(b"01234")
                    until(lambda: self.queued(rig) == 1, "it to be queued")
                until(lambda: self.queued(rig) == 0, "it to be gone")
                gate.release()
                for each in running:
                    exact(each.result(), film.body)
            film = rig.put(MIB)
        assert changed.requests == []

    @staticmethod
    def queued(rig: Rig) -> float:
        """How many requests wait for a connection."""
        return rig.proxy.metrics()["proxycache_queued_fetches"]


def newcomer(rig: Rig) -> None:
    """Somebody who asks for another object, and has less patience than the product has with its origin."""
    film = rig.put(MIB)
    exact(fetch(film.url, timeout=5), film.body)


def waiting_client(rig: Rig, path: str, *lines: str, method: str = "GET") -> Peer:
    """A client that has sent its request."""
    client = connect(rig.proxy.port)
    client.send("\r\n".join([f"{method} /{path} HTTP/1.1", "Host: a", *lines, "", ""]).encode())
    return client
