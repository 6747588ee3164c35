"""The client of origins: what is cancelled or loses its connection, at each moment of a request."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater

from proxycache.accounts import Accounts
from proxycache.errors import FillPreempted, OriginSilent, OriginUnreachable
from proxycache.interfaces import IOriginResponse, OriginRequest, Priority
from proxycache.origin.client import OriginClient
from proxycache.origin.protocol import ExactPool
from proxycache.origin.slots import Slots
from proxycache.origin.timeouts import Timeouts
from proxycache.policy.fields import Fields
from proxycache.policy.origins import OriginPolicy
from tests.servers.origin import Fault, Origin

from .asynchronous import asynchronous, reactor, until

CRITICAL, HIGH, LOW = Priority.CRITICAL, Priority.HIGH, Priority.LOW
LARGE = bytes(100_000)


@pytest.fixture
def origin() -> Iterator[Origin]:
    """Has a film, and a second one."""
    with Origin() as origin:
        for path in ("film", "other"):
            origin.put(path, LARGE)
        origin.put("small", b"text")
        yield origin


class Client:
    """A client with one connection, and what it is asked."""

    def __init__(self, origin: Origin, timeouts: Timeouts) -> None:
        self.accounts = Accounts()
        self.pool = ExactPool(reactor, persistent=True)
        self.slots = Slots(1, 1)
        self.client = OriginClient(reactor, self.pool, self.slots, timeouts, self.accounts, lambda: 0.0, ())
        self.policy = OriginPolicy("films", b"/", origin.url.encode())

    def fetch(self, path: str, priority: Priority = HIGH, *, begun: bool = False) -> Deferred[IOriginResponse]:
        url = self.policy.url + path.encode()
        return self.client.fetch(OriginRequest(self.policy, url, "GET", Fields(), begun=begun), priority)


@pytest.fixture
def timeouts() -> Timeouts:
    """Those of the configuration's defaults."""
    return Timeouts()


@pytest.fixture
def client(origin: Origin, timeouts: Timeouts) -> Iterator[Client]:
    """One that leaves nothing open."""
    client = Client(origin, timeouts)
    yield client
    assert client.slots.held == 0
    pytest_twisted.blockon(client.pool.closeCachedConnections())


async def cancelled(client: Client, pending: Deferred[IOriginResponse]) -> None:
    """Cancel it; nothing of it goes on, and what Twisted's client makes of that is not taken for a failure."""
    pending.cancel()
    with pytest.raises(CancelledError):
        await pending
    assert client.slots.held == 0
    assert client.accounts.retries == 0
    await deferLater(reactor, 0)


@asynchronous
async def test_cancelled_while_connecting(client: Client) -> None:
    await cancelled(client, client.fetch("film"))


@asynchronous
async def test_cancelled_before_an_answer(client: Client, origin: Origin) -> None:
    with origin.gate("film") as gate:
        pending = client.fetch("film")
        await until(lambda: gate.held == 1)
        await cancelled(client, pending)


@asynchronous
async def test_cancelled_between_two_attempts(client: Client, origin: Origin) -> None:
    origin.fault("film", Fault(status=503))
    pending = client.fetch("film")
    await until(lambda: client.accounts.retries == 1)
    assert client.client.withdraw(pending)
    with pytest.raises(CancelledError):
        await pending


@asynchronous
async def test_withdrawn_from_the_queue(client: Client, origin: Origin) -> None:
    with origin.gate("film") as gate:
        first, second = client.fetch("film"), client.fetch("other")
        assert client.accounts.queued_fetches == 1
        assert client.client.withdraw(second)
        assert not client.client.withdraw(first)
        assert client.accounts.queued_fetches == 0
        with pytest.raises(CancelledError):
            await second
        await until(lambda: gate.held == 1)
        gate.release()
        (await first).abort()
    assert origin.requests("other") == []


@asynchronous
async def test_a_redirect_that_is_read_away_gives_its_connection_up(client: Client, origin: Origin) -> None:
    origin.fault("film", Fault(redirect="/other", body=LARGE[:50_000], stall_after=100))
    redirected = client.fetch("film", HIGH)
    await until(lambda: client.accounts.origin_bytes == 100)
    urgent = client.fetch("other", CRITICAL)
    assert client.accounts.queued_fetches == 0
    with pytest.raises(FillPreempted):
        await redirected
    (await urgent).abort()
    assert len(origin.requests("other")) == 1


@asynchronous
async def test_what_is_read_away_since_nobody_wants_it_gives_its_connection_up(client: Client, origin: Origin) -> None:
    origin.fault("film", Fault(body=bytes(1000), stall_after=100))
    (await client.fetch("film", CRITICAL)).abort()
    assert client.slots.held == 1
    urgent = client.fetch("other", CRITICAL)
    assert client.accounts.queued_fetches == 0
    (await urgent).abort()


@asynchronous
async def test_urged_to_be_less_urgent_it_loses_its_connection(client: Client, origin: Origin) -> None:
    """Whose priority changes before its answer is there is treated as it is by now."""
    with origin.gate("film") as gate:
        first = client.fetch("film", CRITICAL)
        await until(lambda: gate.held == 1)
        second = client.fetch("other", CRITICAL)
        assert not second.called
        client.client.urge(first, LOW)
        with pytest.raises(FillPreempted):
            await first
        (await second).abort()


class TestSilence:
    """A first byte that does not come."""

    @pytest.fixture
    def timeouts(self) -> Timeouts:
        """Seen to pass; an answer that comes has to be in time."""
        return Timeouts(first_byte=2.0)

    @asynchronous
    async def test_is_waited_for_once(self, client: Client, origin: Origin) -> None:
        origin.fault("film", Fault(delay=60), None)
        with pytest.raises(OriginSilent):
            await client.fetch("film")
        assert len(origin.requests("film")) == 1
        assert client.accounts.retries == 0
        await deferLater(reactor, 0)

    @asynchronous
    async def test_on_a_kept_connection_may_mean_that_it_leads_nowhere(self, client: Client, origin: Origin) -> None:
        (await client.fetch("small")).abort()
        await until(lambda: client.slots.held == 0)
        origin.fault("film", Fault(delay=60))
        (await client.fetch("film")).abort()
        assert len(origin.requests("film")) == 2
        assert client.accounts.retries == 0

    @asynchronous
    async def test_in_mid_body_is_worth_another_attempt(self, client: Client, origin: Origin) -> None:
        origin.fault("film", Fault(delay=60))
        (await client.fetch("film", begun=True)).abort()
        assert client.accounts.retries == 1


@asynchronous
async def test_who_has_begun_makes_all_attempts_where_others_were_refused(client: Client, origin: Origin) -> None:
    origin.stop()
    for begun, sent in ((False, 3), (False, 3), (True, 6)):
        with pytest.raises(OriginUnreachable):
            await client.fetch("film", begun=begun)
        assert client.accounts.origin_requests == sent
    origin.start()
    (await client.fetch("film")).abort()
