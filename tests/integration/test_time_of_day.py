"""The clock is set forward and back, and the process stands still, in the middle of answers."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.index import Index
from tests.integration.rig import KIB, MIB, Rig, exact
from tests.servers.deadline import until
from tests.servers.origin import Fault, Origin
from tests.servers.proxycache import Config, Proxycache
from tests.servers.walltime import DAY, HOUR, TimeOfDay


@pytest.fixture(scope="module")
def config() -> Config:
    return {"fetch": {"idle_timeout": 2}}


@pytest.fixture(scope="module")
def time_of_day(tmp_path_factory: pytest.TempPathFactory) -> TimeOfDay:
    return TimeOfDay(tmp_path_factory.mktemp("time"))


@pytest.fixture(scope="module")
def proxy(
    tmp_path_factory: pytest.TempPathFactory, origin: Origin, config: Config, time_of_day: TimeOfDay
) -> Iterator[Proxycache]:
    directory = tmp_path_factory.mktemp("proxycache")
    with Proxycache(directory, origin.url, config=config, env=time_of_day.environment) as proxy:
        yield proxy
    proxy.assert_clean_log()


@pytest.fixture(autouse=True)
def right_time(time_of_day: TimeOfDay) -> None:
    time_of_day.set(0)


def test_a_body_that_stalls_is_resumed_and_recorded_though_the_clock_is_set_back(
    rig: Rig, time_of_day: TimeOfDay
) -> None:
    thing = rig.put(3 * MIB)
    thing.fault(Fault(stall_after=2 * MIB))
    with thing.stream() as stream:
        begun = stream.recv_exactly(64 * KIB)
        time_of_day.set(-HOUR)
        stream.answer.body = begun + stream.rest()
    exact(stream.answer, thing.body)
    assert len(thing.requests) == 2
    index = Index(rig.proxy.database)
    until(lambda: index.chunks(thing.origin.url + thing.path) == {0, 1, 2}, "all of it to be recorded")


def test_a_client_slower_than_we_keeps_its_answer_though_the_clock_is_set_forward(
    rig: Rig, time_of_day: TimeOfDay
) -> None:
    thing = rig.put(24 * MIB)
    with thing.stream() as stream:
        begun = stream.recv_exactly(KIB)
        # What is read ahead of this client, and what its sockets hold, is less than all of it: it is waited for.
        before = -1
        while before < (before := thing.sent) or before == 0:
            rig.proxy.metrics()
        time_of_day.set(DAY)
        rig.proxy.metrics()
        stream.answer.body = begun + stream.rest()
    exact(stream.answer, thing.body)


def test_what_is_stored_grows_old_though_the_clock_is_set_back(rig: Rig, time_of_day: TimeOfDay) -> None:
    thing = rig.put(KIB, cache_control="max-age=1")
    thing.get_whole()
    time_of_day.set(-HOUR)

    def asked_about() -> bool:
        thing.get_whole()
        return len(thing.requests) > 1

    until(asked_about, "it to be asked about")


def test_what_came_in_the_future_is_asked_about(rig: Rig, time_of_day: TimeOfDay) -> None:
    thing = rig.put(KIB, cache_control=f"max-age={DAY}")
    time_of_day.set(HOUR)
    thing.get_whole()
    index = Index(rig.proxy.database)
    until(lambda: index.chunks(thing.origin.url + thing.path) == {0}, "it to be recorded")
    rig.proxy.stop()
    time_of_day.set(0)
    rig.proxy.start()
    assert thing.get_whole().cache_status == "proxycache; fwd=stale; fwd-status=304; stored"
    assert [served.status for served in thing.requests] == [200, 304]
    assert thing.get_whole().cache_status == "proxycache; hit"


@pytest.fixture
def frozen(tmp_path: Path, origin: Origin) -> Iterator[tuple[Rig, TimeOfDay]]:
    """The product, all of whose clocks may be set: so it looks to a process that was stopped for as long."""
    clocks = TimeOfDay(tmp_path, all_clocks=True)
    with Proxycache(tmp_path, origin.url, env=clocks.environment) as proxy:
        yield Rig(origin, proxy), clocks
    proxy.assert_clean_log()


def test_what_came_while_the_process_stood_still_has_come_in_time(frozen: tuple[Rig, TimeOfDay]) -> None:
    rig, clocks = frozen
    # The rest of it has room in the sockets.
    thing = rig.put(192 * KIB, path="frozen.bin")
    thing.fault(Fault(stall_after=128 * KIB))
    with thing.stream() as stream:
        begun = stream.recv_exactly(128 * KIB)
        os.kill(rig.proxy.pid, signal.SIGSTOP)
        rig.origin.release.set()
        rig.origin.wait_for(lambda log: all(served.done for served in log if served.path == "/frozen.bin"))
        clocks.set(DAY)
        os.kill(rig.proxy.pid, signal.SIGCONT)
        stream.answer.body = begun + stream.rest()
    exact(stream.answer, thing.body)
    assert len(thing.requests) == 1
