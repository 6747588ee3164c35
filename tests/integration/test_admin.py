"""The admin listener: health, readiness with reasons, metrics; and nothing of it on the public one."""

import json
import shutil
import time
from functools import partial
from pathlib import Path

import pytest

from tests.integration.rig import KIB, MIB, Rig, at_once, exact, told
from tests.servers.deadline import until
from tests.servers.fetch import Answer, fetch, same_stream
from tests.servers.origin import Fault, Origin
from tests.servers.proxycache import Config, Proxycache

FAMILIES = [
    "proxycache_requests_total",
    "proxycache_served_bytes_total",
    "proxycache_origin_bytes_total",
    "proxycache_origin_requests_total",
    "proxycache_origin_failures_total",
    "proxycache_running_fills",
    "proxycache_waiters",
    "proxycache_retries_total",
    "proxycache_passthroughs_total",
    "proxycache_damaged_chunks_total",
    "proxycache_first_byte_seconds_bucket",
    "proxycache_first_byte_seconds_count",
    "proxycache_first_byte_seconds_sum",
    "proxycache_cached_bytes",
    "proxycache_cache_limit_bytes",
]
PATHS = ["healthz", "readyz", "metrics", "api/", "api/entries"]


@pytest.fixture(scope="module")
def config() -> Config:
    """Fills that end with their clients."""
    return {"fetch": {"connect_timeout": 1, "idle_timeout": 2, "linger": 0.1}}


def admin(rig: Rig, path: str, method: str = "GET") -> Answer:
    """Ask the admin listener."""
    return fetch(rig.proxy.admin_url + path, method=method)


def readiness(proxy: Proxycache) -> tuple[int, dict[str, object]]:
    """The status and the reasons."""
    answer = fetch(proxy.admin_url + "readyz")
    assert answer.field("Content-Type") == "application/json", told(answer)
    return answer.status, json.loads(answer.body)


def growth(before: dict[str, float], after: dict[str, float], name: str) -> float:
    """By how much a sample grew."""
    return after.get(name, 0) - before.get(name, 0)


class TestHealth:
    def test_it_lives(self, rig: Rig) -> None:
        answer = admin(rig, "healthz")
        assert (answer.status, answer.body) == (200, b"ok\n"), told(answer)
        assert admin(rig, "healthz", "HEAD").status == 200

    def test_what_is_not_there(self, rig: Rig) -> None:
        film = rig.put(1000)
        film.get_whole()
        for path in ("", "nothing", film.path, "healthz/", "HEALTHZ"):
            assert admin(rig, path).status == 404, path

    def test_nothing_is_changed_by_asking_wrongly(self, rig: Rig) -> None:
        for path in ("healthz", "readyz", "metrics"):
            for method in ("POST", "DELETE"):
                assert admin(rig, path, method).status == 405


class TestReadiness:
    def test_ready(self, rig: Rig) -> None:
        rig.put(1000).get_whole()
        status, state = readiness(rig.proxy)
        assert (status, state["ready"], state["database"], state["disk"]) == (200, True, "ok", "ok"), state

    def test_an_origin_that_fails_is_told_and_is_no_reason(self, rig: Rig) -> None:
        film = rig.put(1000)
        film.fault(Fault(status=503), None)
        assert film.get().status == 503
        status, state = readiness(rig.proxy)
        assert (status, state["ready"]) == (200, True), state
        assert "503" in str(state["origins"])
        assert "films" in str(state["origins"])
        rig.origin.clear_faults()
        film.get_whole()
        assert "503" not in str(readiness(rig.proxy)[1]["origins"])

    def test_a_cache_directory_that_goes_away(self, tmp_path: Path, origin: Origin) -> None:
        """A file stands in its place, which not even root can write into."""
        database = f"sqlite:///{tmp_path}/index.sqlite"
        proxy = Proxycache(tmp_path, origin.url, config={"cache": {"database": database}})
        with proxy:
            rig = Rig(origin, proxy)
            rig.put(1000).get_whole()
            assert readiness(proxy)[0] == 200
            shutil.rmtree(proxy.cache_dir)
            proxy.cache_dir.write_text("in the way")
            status, state = readiness(proxy)
            assert (status, state["ready"]) == (503, False), state
            assert state["disk"] != "ok"
            assert str(proxy.cache_dir) in str(state["disk"]), state
            # All the same:
            assert fetch(proxy.admin_url + "healthz").status == 200
            rig.put(3 * MIB).get_whole()
            proxy.cache_dir.unlink()
            until(lambda: readiness(proxy)[0] == 200, "it to be ready again")
        proxy.assert_clean_log()


class TestMetrics:
    def test_all_families(self, rig: Rig) -> None:
        rig.put(1000, cache_control="no-store").get_whole()
        failing = rig.put(1000)
        failing.fault(Fault(refuse=True))
        failing.get_whole()
        names = {name.partition("{")[0] for name in rig.proxy.metrics()}
        assert [family for family in FAMILIES if family not in names] == []

    def test_the_format(self, rig: Rig) -> None:
        answer = admin(rig, "metrics")
        assert (answer.field("Content-Type") or "").startswith("text/plain; version=0.0.4"), told(answer)
        text = answer.body.decode()
        for family in FAMILIES:
            name = family.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum")
            assert f"# HELP {name} " in text
            assert f"# TYPE {name} " in text or f"# TYPE {name.removesuffix('_total')} " in text

    def test_requests_and_bytes(self, rig: Rig) -> None:
        before = rig.proxy.metrics()
        film = rig.put(3 * MIB)
        film.get_whole()
        until(lambda: film.get_part(0, 3 * MIB).cache_status == "proxycache; hit", "a hit")
        after_hit = rig.proxy.metrics()
        rig.put(2000, cache_control="no-store").get_whole()
        film.get("99999999-")
        after = rig.proxy.metrics()
        assert growth(before, after, 'proxycache_requests_total{cache="uri-miss",status="200"}') == 2
        assert growth(before, after, 'proxycache_requests_total{cache="hit",status="206"}') >= 1
        # It may have grown by now, which only the origin can tell.
        assert growth(before, after, 'proxycache_requests_total{cache="request",status="416"}') == 1
        served = "proxycache_served_bytes_total"
        sources = [
            growth(before, after, f'{served}{{source="{source}"}}') for source in ("cache", "fill", "passthrough")
        ]
        assert sources[2] == 2000
        assert growth(before, after_hit, f'{served}{{source="cache"}}') >= 2 * MIB
        assert sum(sources) % (3 * MIB) == 2000
        assert growth(before, after, "proxycache_origin_bytes_total") == 3 * MIB + 2000
        assert growth(before, after, "proxycache_origin_requests_total") == 3
        assert growth(before, after, 'proxycache_passthroughs_total{cause="no-store"}') == 1

    def test_retries_and_failures(self, rig: Rig) -> None:
        before = rig.proxy.metrics()
        film = rig.put(1000)
        # On a connection that was kept, the first says nothing of the origin.
        film.fault(Fault(refuse=True), 2)
        film.get_whole()
        after = rig.proxy.metrics()
        assert growth(before, after, "proxycache_retries_total") >= 1
        assert growth(before, after, 'proxycache_origin_failures_total{kind="unreachable"}') >= 1

    def test_fills_and_waiters_come_and_go(self, rig: Rig) -> None:
        film = rig.put(3 * MIB)
        film.fault(Fault(stall_after=100_000), None)
        with film.stream() as one, film.stream() as two:
            same_stream(film.body, 0, 100_000, one)
            same_stream(film.body, 0, 100_000, two)
            metrics = rig.proxy.metrics()
            assert metrics["proxycache_running_fills"] == 1
            assert metrics["proxycache_waiters"] == 2
        rig.origin.clear_faults()
        rig.origin.release.set()
        until(lambda: rig.proxy.metrics()["proxycache_waiters"] == 0, "no waiter")
        until(lambda: rig.proxy.metrics()["proxycache_running_fills"] == 0, "no fill")

    def test_nothing_runs_in_the_end(self, rig: Rig) -> None:
        """After failures, breaks and clients that left there is nothing left behind."""
        films = [rig.put(2 * MIB) for _ in range(12)]
        for film in films[:4]:
            film.fault(Fault(cut_after=1000))
        for film in films[4:6]:
            film.fault(Fault(status=404))

        def leave(number: int) -> None:
            with films[number].stream(buffer=64 * KIB) as reading:
                reading.recv(1000)

        at_once([partial(leave, number) for number in range(12)])
        at_once([film.get for film in films])
        until(lambda: rig.proxy.metrics()["proxycache_running_fills"] == 0, "no fill")
        until(lambda: rig.proxy.metrics()["proxycache_waiters"] == 0, "no waiter")

    def test_the_time_to_the_first_byte(self, rig: Rig) -> None:
        before = rig.proxy.metrics()
        film = rig.put(1000)
        film.fault(Fault(delay=0.3))
        began = time.monotonic()
        film.get_whole()
        film.get_whole()
        took = time.monotonic() - began
        after = rig.proxy.metrics()
        name = "proxycache_first_byte_seconds"
        assert growth(before, after, f"{name}_count") == 2
        assert 0.3 <= growth(before, after, f"{name}_sum") <= took
        assert growth(before, after, f'{name}_bucket{{le="0.25"}}') == 1
        assert growth(before, after, f'{name}_bucket{{le="+Inf"}}') == 2


def test_the_public_listener_has_none_of_it(rig: Rig) -> None:
    """There these are names of objects, like any other."""
    for path in PATHS:
        answer = fetch(rig.proxy.url + path)
        assert (answer.status, answer.body) == (404, b"not found\n"), told(answer)
        film = rig.put(1000, path=path)
        exact(fetch(film.url, headers=[("Cache-Control", "no-cache")]), film.body)
    assert {served.path.lstrip("/") for served in rig.origin.log} == set(PATHS)
