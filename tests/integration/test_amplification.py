"""One request does not make us fetch out of proportion to what it asks for."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.rig import KIB, MIB, Rig, Thing, told
from tests.servers.deadline import until
from tests.servers.fetch import fetch, same
from tests.servers.origin import Fault
from tests.servers.proxycache import Config

LEAST = 4 * MIB


@pytest.fixture(scope="module")
def config() -> Config:
    """What was begun for those who may come back is soon over."""
    return {"fetch": {"idle_timeout": 2, "linger": 2}}


def settled(rig: Rig) -> None:
    """Wait until nothing is fetched any more, and the origin has counted."""
    until(lambda: rig.proxy.metrics()["proxycache_running_fills"] == 0, "all fetching to end")
    rig.origin.wait_for(lambda log: all(served.done for served in log), 5)


def pieces(film: Thing, starts: list[int], size: int) -> str:
    """Ask for so many bytes at each place, and get them; Cache-Status."""
    answer = film.get(",".join(f"{start}-{start + size - 1}" for start in starts))
    assert (answer.status, answer.complete) == (206, True), told(answer)
    at = 0
    for start in starts:
        at = answer.body.index(f"Content-Range: bytes {start}-{start + size - 1}/{film.length}\r\n\r\n".encode(), at)
        at = answer.body.index(b"\r\n\r\n", at) + 4
        same(film.body, start, answer.body[at : at + size])
    return answer.cache_status


@pytest.mark.parametrize("size", [1, 2000])
def test_many_small_pieces_of_a_cold_object(rig: Rig, size: int) -> None:
    film = rig.put(200 * MIB)
    pieces(film, [3 * MIB * number + 700 * KIB for number in range(64)], size)
    settled(rig)
    assert film.sent <= 64 * size + LEAST + 64 * 64 * KIB + MIB


def test_from_the_last_to_the_first(rig: Rig) -> None:
    film = rig.put(200 * MIB)
    pieces(film, [3 * MIB * number + 700 * KIB for number in range(64)][::-1], 1)
    settled(rig)
    assert film.sent <= LEAST + 64 * 64 * KIB + MIB


def test_what_is_asked_for_again_and_again_is_kept(rig: Rig) -> None:
    film = rig.put(200 * MIB)
    starts = [3 * MIB * number + 700 * KIB for number in range(16)]
    cached = rig.proxy.metrics()["proxycache_cached_bytes"]

    def is_kept() -> bool:
        return rig.proxy.metrics()["proxycache_cached_bytes"] - cached >= 16 * MIB

    for _ in range(30):
        before = film.sent
        pieces(film, starts, 100)
        settled(rig)
        assert film.sent - before <= LEAST + 16 * 64 * KIB + MIB
        if is_kept():
            # Sooner where the machine has time: what goes on after its client does so for `linger` alone.
            break
    until(is_kept, "all of it to be kept")
    asked = len(film.requests)
    pieces(film, starts, 100)
    assert len(film.requests) == asked


def test_large_pieces_are_fetched_in_whole_chunks(rig: Rig) -> None:
    film = rig.put(200 * MIB)
    starts = [5 * MIB * number + 100 for number in range(10)]
    pieces(film, starts, MIB)
    settled(rig)
    assert film.sent == 20 * MIB
    assert pieces(film, starts, MIB) == "proxycache; hit"


def test_single_bytes_one_after_the_other(rig: Rig) -> None:
    """They are no player who goes on to read it all."""
    film = rig.put(200 * MIB)
    for start in range(20):
        film.get_part(start, start + 1)
    with film.stream("20-") as leaving:
        leaving.recv_exactly(1)
    settled(rig)
    assert film.sent <= LEAST


def test_a_byte_of_what_does_not_tell_its_length(rig: Rig) -> None:
    """What is fetched beside the client, so that the next one finds the length, ends before the object does."""
    film = rig.put(512 * MIB, accept_ranges=False)
    film.fault(Fault(framing="chunked"), None)
    for range in (None, "bytes=0-0"):
        answer = fetch(film.url, headers=[] if range is None else [("Range", range)], read=100)
        assert answer.status == 200
        settled(rig)
    assert max(served.sent for served in film.requests) < film.length / 4


def test_what_costs_out_of_proportion_goes_out_unchanged(rig: Rig) -> None:
    """RFC 9110, section 17.15: this origin ignores several ranges."""
    film = rig.put(2048 * MIB)
    value = ",".join(f"{number * MIB}-{number * MIB}" for number in range(1025, 2048, 1)) + ",0-0,9000000-9000000"
    answer = fetch(film.url, headers=[("Range", f"bytes={value}")], read=1000)
    assert (answer.status, answer.field("Content-Length")) == (200, str(film.length))
    assert answer.cache_status == "proxycache; fwd=bypass; detail=out-of-proportion"
    assert film.ranges[-1] == f"bytes={value}"


def test_many_pieces_cost_little_memory(rig: Rig) -> None:
    """Each is in another chunk, of which no more than some are in memory at once."""
    film = rig.put(1100 * MIB)
    starts = [number * MIB + 700 * KIB for number in range(600)]
    pieces(film, starts[:5], 1)
    settled(rig)
    before = rig.proxy.rss()
    pieces(film, starts, 1)
    assert rig.proxy.rss() - before <= 64 * MIB
    settled(rig)
    assert film.sent <= LEAST + 600 * 64 * KIB + 10 * MIB


def test_the_next_pieces_are_asked_for_meanwhile(rig: Rig) -> None:
    """Not one after the other: that would be a round trip to the origin for each."""
    film = rig.put(200 * MIB)
    film.get_part(0, 10)
    settled(rig)
    starts = [3 * MIB * number + 700 * KIB for number in range(1, 9)]
    with rig.origin.gate(film.path) as gate, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(pieces, film, starts, 2000)
        until(lambda: len(film.requests) >= 1 + len(starts), "all pieces to be asked for")
        gate.release()
        assert answer.result() == "proxycache; fwd=partial; stored"


def test_what_is_here_in_part_is_no_hit(rig: Rig) -> None:
    film = rig.put(200 * MIB)
    film.get_part(0, MIB)
    assert pieces(film, [0, 100], 10) == "proxycache; hit"
    assert pieces(film, [0, 50 * MIB], 10) == "proxycache; fwd=partial; stored"
