"""How long the address of a name is good, and what stands in for one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution, IResolutionReceiver
from zope.interface import implementer
from zope.interface.verify import verifyObject

from proxycache.origin import names as module
from proxycache.origin.names import (
    AGAIN_SECONDS,
    FALLBACK_AFTER_SECONDS,
    FALLBACK_SECONDS,
    KEPT_FAILURE_SECONDS,
    KEPT_SECONDS,
    MAX_LOOKUPS,
    Found,
    Names,
)

from .asynchronous import asynchronous, until
from .threadedclock import ThreadedClock

TIMEOUT = 5.0


class System:
    """The system's resolver. While C{open} is not set, it hangs."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.hosts = ["192.0.2.1"]
        self.error: Exception | None = None
        self.open = threading.Event()
        self.open.set()

    def getaddrinfo(self, name: str, port: None, family: int, kind: int) -> Found:
        self.asked.append(name)
        self.open.wait()
        if self.error is not None:
            raise self.error
        return [
            (socket.AF_INET6, kind, 0, "", (host, 0, 0, 0)) if ":" in host else (socket.AF_INET, kind, 0, "", (host, 0))
            for host in self.hosts
        ]


@implementer(IResolutionReceiver)
class Receiver:
    """Who asks."""

    def __init__(self) -> None:
        self.addresses: list[Any] = []
        self.complete = 0

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        assert resolutionInProgress.name

    def addressResolved(self, address: IAddress) -> None:
        assert not self.complete
        self.addresses.append(address)

    def resolutionComplete(self) -> None:
        self.complete += 1

    @property
    def hosts(self) -> list[str] | None:
        """None before there is an answer."""
        return [address.host for address in self.addresses] if self.complete else None


@pytest.fixture
def clock() -> ThreadedClock:
    return ThreadedClock()


@pytest.fixture
def system() -> Iterator[System]:
    system = System()
    yield system
    system.open.set()


@pytest.fixture
def names(clock: ThreadedClock, system: System) -> Names:
    names = Names(clock, TIMEOUT, system.getaddrinfo)
    verifyObject(IHostnameResolver, names)
    return names


def ask(names: Names, name: str = "films.example") -> Receiver:
    receiver = Receiver()
    names.resolveHostName(receiver, name, 80)
    return receiver


async def answer(names: Names, name: str = "films.example") -> list[str]:
    """The addresses of a name, once they come."""
    receiver = ask(names, name)
    await until(lambda: receiver.complete > 0)
    return receiver.hosts or []


@asynchronous
async def test_addresses_of_both_families_come_in_their_order(names: Names, system: System) -> None:
    system.hosts = ["2001:db8::1", "192.0.2.1"]
    receiver = ask(names)
    await until(lambda: receiver.complete > 0)
    assert receiver.addresses == [IPv6Address("TCP", "2001:db8::1", 80), IPv4Address("TCP", "192.0.2.1", 80)]


@asynchronous
async def test_an_answer_is_kept_for_some_seconds_and_then_asked_for_anew(
    names: Names, system: System, clock: ThreadedClock
) -> None:
    assert await answer(names) == ["192.0.2.1"]
    clock.advance(KEPT_SECONDS - 0.1)
    system.hosts = ["192.0.2.2"]
    assert ask(names).hosts == ["192.0.2.1"]
    clock.advance(0.1)
    assert await answer(names) == ["192.0.2.2"]
    assert len(system.asked) == 2


@asynchronous
async def test_all_who_ask_have_one_lookup(names: Names, system: System) -> None:
    system.open.clear()
    receivers = [ask(names) for _ in range(100)]
    assert {receiver.complete for receiver in receivers} == {0}
    system.open.set()
    await until(lambda: all(receiver.hosts == ["192.0.2.1"] for receiver in receivers))
    assert system.asked == ["films.example"]


@asynchronous
async def test_a_lookup_that_hangs_has_a_deadline_for_all_and_others_go_on(
    names: Names, system: System, clock: ThreadedClock
) -> None:
    system.open.clear()
    first = ask(names)
    clock.advance(TIMEOUT - 1.0)
    second = ask(names)
    assert (first.hosts, second.hosts) == (None, None)
    clock.advance(1.0)
    assert (first.hosts, second.hosts) == ([], [])
    clock.advance(10.0)
    assert ask(names).hosts == []
    assert len(system.asked) == 1
    system.open.set()
    assert await answer(names, "other.example") == ["192.0.2.1"]
    await until(lambda: ask(names).hosts == ["192.0.2.1"])


@asynchronous
async def test_the_last_answer_stands_in_for_one_that_does_not_come(
    names: Names, system: System, clock: ThreadedClock
) -> None:
    await answer(names)
    clock.advance(KEPT_SECONDS)
    system.open.clear()
    receiver = ask(names)
    clock.advance(FALLBACK_AFTER_SECONDS - 0.1)
    assert receiver.hosts is None
    clock.advance(0.1)
    assert receiver.hosts == ["192.0.2.1"]
    for _ in range(3):
        assert ask(names).hosts == ["192.0.2.1"]
        clock.advance(KEPT_SECONDS)
    assert len(system.asked) == 2


@asynchronous
async def test_another_lookup_is_begun_beside_one_that_never_ends_but_not_a_third(
    names: Names, system: System, clock: ThreadedClock
) -> None:
    system.open.clear()
    for _ in range(10):
        ask(names)
        clock.advance(AGAIN_SECONDS)
    await until(lambda: len(system.asked) == 2)


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_AGAIN, "later"), OSError(24, "no descriptors")])
@asynchronous
async def test_it_stands_in_for_a_failure_for_a_day(
    names: Names, system: System, clock: ThreadedClock, error: Exception
) -> None:
    await answer(names)
    system.error = error
    clock.advance(KEPT_SECONDS)
    assert await answer(names) == ["192.0.2.1"]
    clock.advance(KEPT_SECONDS - 0.1)
    assert ask(names).hosts == ["192.0.2.1"]
    clock.advance(FALLBACK_SECONDS)
    assert await answer(names) == []


@asynchronous
async def test_a_name_that_is_gone_has_no_address(names: Names, system: System, clock: ThreadedClock) -> None:
    await answer(names)
    system.error = socket.gaierror(socket.EAI_NONAME, "no such name")
    clock.advance(KEPT_SECONDS)
    assert await answer(names) == []


@asynchronous
async def test_a_failure_without_an_answer_before_is_kept_for_a_moment(
    names: Names, system: System, clock: ThreadedClock
) -> None:
    system.error = socket.gaierror(socket.EAI_AGAIN, "later")
    assert await answer(names) == []
    clock.advance(KEPT_FAILURE_SECONDS - 0.1)
    assert ask(names).hosts == []
    system.error = None
    clock.advance(0.1)
    assert await answer(names) == ["192.0.2.1"]
    assert len(system.asked) == 2


@asynchronous
async def test_threads_are_bounded_and_who_waits_for_one_is_served_then(names: Names, system: System) -> None:
    system.open.clear()
    receivers = [ask(names, f"{number}.example") for number in range(MAX_LOOKUPS + 1)]
    await until(lambda: len(system.asked) == MAX_LOOKUPS)
    system.open.set()
    await until(lambda: all(receiver.hosts for receiver in receivers))


@asynchronous
async def test_names_are_forgotten(clock: ThreadedClock, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_NAMES", 2)
    names = Names(clock, TIMEOUT, system.getaddrinfo)
    for name in ("a.example", "b.example", "c.example", "a.example"):
        await answer(names, name)
    assert system.asked == ["a.example", "b.example", "c.example", "a.example"]


@asynchronous
async def test_who_asks_only_whether_anything_is_known_waits_for_nothing_newer(
    names: Names, system: System, clock: ThreadedClock
) -> None:
    await answer(names)
    clock.advance(KEPT_SECONDS)
    system.open.clear()
    assert names.known("films.example").called
    assert not names.known("other.example").called
    clock.advance(TIMEOUT)
