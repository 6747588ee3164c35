"""Hosts that could not be reached: who is told so, who waits, and how long, on a clock of the test's own."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from proxycache.errors import OriginError, OriginSilent, OriginUnreachable
from proxycache.origin.reach import PROBE_INTERVAL_SECONDS, PROBE_PATIENCE_SECONDS, Reach
from proxycache.policy.retrying import FAILING_SECONDS, MAX_ATTEMPTS

URL = b"http://origin.example/film"
REFUSED = OriginUnreachable("connection refused")


class Network:
    """Connections that the test makes, or does not."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.begun: list[Deferred[None]] = []
        self.reach = Reach(self.clock, self._connect)

    def _connect(self, url: bytes) -> Deferred[None]:
        self.begun.append(Deferred())
        return self.begun[-1]

    def down(self, error: OriginError = REFUSED, *, certain: bool = True) -> None:
        """A request found that out."""
        self.reach.failed(URL, error, connected=False, certain=certain)

    def ask(self, url: bytes = URL, attempts: int = MAX_ATTEMPTS) -> list[object]:
        """A new request: nothing while it waits, then None where it makes sense, or the error."""
        told: list[object] = []
        Deferred.fromCoroutine(self.reach.check(url, attempts)).addBoth(told.append)
        return told


@pytest.fixture
def network() -> Network:
    """One on which nothing has happened."""
    return Network()


def refused(told: list[object]) -> OriginError:
    """The error that a request was told."""
    (failure,) = told
    assert isinstance(failure, Failure)
    assert isinstance(failure.value, OriginError)
    return failure.value


def test_at_first_everybody_is_asked(network: Network) -> None:
    assert network.ask() == [None]
    assert network.begun == []


def test_a_connection_is_tried_and_waited_for(network: Network) -> None:
    network.down()
    told = network.ask()
    assert told == []
    network.begun[0].callback(None)
    assert told == [None]
    assert network.ask() == [None]
    assert len(network.begun) == 1


def test_one_for_all_who_ask_meanwhile(network: Network) -> None:
    network.down()
    told = [network.ask() for _ in range(3)]
    assert len(network.begun) == 1
    network.begun[0].errback(OriginUnreachable("still refused"))
    for each in told:
        error = refused(each)
        assert (type(error), str(error), error.retry_after) == (OriginUnreachable, str(REFUSED), FAILING_SECONDS)
    network.ask()
    assert len(network.begun) == 2


def test_each_is_told_by_an_error_of_its_own(network: Network) -> None:
    """An exception grows with each time it is raised."""
    network.down(OriginSilent("no connection"))
    one, two = network.ask(), network.ask()
    network.begun[0].errback(OriginSilent("no connection"))
    assert refused(one) is not refused(two)
    assert isinstance(refused(one), OriginSilent)


def test_not_for_longer_than_a_connection_takes(network: Network) -> None:
    network.down()
    first = network.ask()
    network.clock.advance(PROBE_PATIENCE_SECONDS / 2)
    second = network.ask()
    network.clock.advance(PROBE_PATIENCE_SECONDS / 2)
    refused(first), refused(second)
    refused(network.ask())
    assert len(network.begun) == 1


def test_what_takes_longer_counts_all_the_same(network: Network) -> None:
    network.down()
    refused_once = network.ask()
    network.clock.advance(PROBE_PATIENCE_SECONDS)
    refused(refused_once)
    network.begun[0].callback(None)
    assert network.ask() == [None]


def test_where_the_first_was_lost_another_is_begun_beside_it(network: Network) -> None:
    network.down()
    network.ask()
    network.clock.advance(PROBE_INTERVAL_SECONDS)
    told = network.ask()
    assert (len(network.begun), told) == (2, [])
    network.begun[1].callback(None)
    assert told == [None]
    network.begun[0].errback(OriginSilent("too late"))
    assert network.ask() == [None]


def test_one_that_hangs_keeps_it_down(network: Network) -> None:
    network.down()
    network.ask()
    network.clock.advance(FAILING_SECONDS)
    refused_at_once = network.ask()
    network.clock.advance(PROBE_PATIENCE_SECONDS)
    refused(refused_at_once)


def test_it_is_forgotten_after_a_while(network: Network) -> None:
    network.down()
    network.clock.advance(FAILING_SECONDS)
    assert network.ask() == [None]


def test_a_connection_of_somebody_else_ends_it(network: Network) -> None:
    network.down()
    told = network.ask()
    network.reach.connected(URL)
    assert told == [None]
    assert network.ask() == [None]


def test_other_hosts_are_asked_as_ever(network: Network) -> None:
    network.down()
    for url in (b"https://origin.example/film", b"http://origin.example:81/film", b"http://other.example/"):
        assert network.ask(url) == [None]
    assert network.ask(b"http://ORIGIN.example/other") == []


def test_what_failed_once_stops_those_who_would_ask_once(network: Network) -> None:
    """They have something better; others have attempts left."""
    network.down(certain=False)
    assert network.ask() == [None]
    told = network.ask(attempts=1)
    network.begun[0].errback(REFUSED)
    refused(told)
    assert network.ask() == [None]


def test_who_leaves_while_waiting_disturbs_nobody(network: Network) -> None:
    network.down()
    leaving = Deferred.fromCoroutine(network.reach.check(URL, 1))
    left: list[object] = []
    leaving.addBoth(left.append)
    staying = network.ask()
    leaving.cancel()
    assert len(left) == 1
    network.begun[0].callback(None)
    assert staying == [None]
    assert network.clock.getDelayedCalls() == []


class TestConnectedInVain:
    def test_it_is_asked_but_once(self, network: Network) -> None:
        assert network.reach.worth(URL, MAX_ATTEMPTS) == MAX_ATTEMPTS
        network.reach.failed(URL, REFUSED, connected=True, certain=True)
        assert network.ask() == [None]
        assert network.reach.worth(URL, MAX_ATTEMPTS) == 1
        network.clock.advance(FAILING_SECONDS)
        assert network.reach.worth(URL, MAX_ATTEMPTS) == MAX_ATTEMPTS

    def test_only_an_answer_ends_it(self, network: Network) -> None:
        network.reach.failed(URL, REFUSED, connected=True, certain=True)
        network.reach.connected(URL)
        assert network.reach.worth(URL, MAX_ATTEMPTS) == 1
        network.reach.answered(URL)
        assert network.reach.worth(URL, MAX_ATTEMPTS) == MAX_ATTEMPTS

    def test_once_is_nothing(self, network: Network) -> None:
        network.reach.failed(URL, REFUSED, connected=True, certain=False)
        assert network.reach.worth(URL, MAX_ATTEMPTS) == MAX_ATTEMPTS
