"""A body that breaks is resumed at the byte it broke at, under the same validator, unseen by the client."""

import time
from collections.abc import Callable
from email.utils import formatdate
from functools import partial

import pytest

from proxycache.policy.retrying import FIRST_DELAY_SECONDS
from tests.integration.rig import KIB, MIB, Rig, Thing, aborted, at_once
from tests.integration.side_by_side import Running, Scenarios
from tests.servers.origin import Fault
from tests.servers.proxycache import Config

LONG_AGO = formatdate(1_000_000_000, usegmt=True)

BREAKS: dict[str, Callable[[int], Fault]] = {
    "closed": lambda after: Fault(cut_after=after),
    "reset": lambda after: Fault(cut_after=after, reset=True),
    "stalled": lambda after: Fault(stall_after=after),
}


@pytest.fixture(scope="module")
def config() -> Config:
    """Little patience, and connections for all."""
    return {"fetch": {"idle_timeout": 2, "connections": 256, "connections_per_origin": 256}}


def assert_resumed(film: Thing, *, at: int, validator: str = '"v1"') -> None:
    """The second request asked for what was missing, and no byte was sent twice."""
    second = film.requests[1]
    assert (second.range or "").startswith(f"bytes={at}-"), film.ranges
    assert second.field("If-Range") == validator
    film.assert_sent_once()


SLOW = Scenarios()


@SLOW
def in_every_way(rig: Rig) -> None:
    film = rig.put(5 * MIB)
    for after in (1000, 700_000, 33):
        for how in BREAKS.values():
            film.fault(how(after))
    film.get_whole()
    film.assert_sent_once()


@SLOW
def before_the_first_byte(rig: Rig) -> None:
    films = [rig.put(3 * MIB) for _ in BREAKS]
    for film, how in zip(films, BREAKS.values(), strict=True):
        film.fault(how(0))
    at_once([film.get_whole for film in films])
    for film in films:
        film.assert_sent_once()


@SLOW
def a_resumption_that_fails_at_first(rig: Rig) -> None:
    film = rig.put(3 * MIB)
    film.fault(Fault(cut_after=MIB))
    film.fault(Fault(refuse=True))
    film.fault(Fault(status=503))
    film.get_whole()
    film.assert_sent_once()


@SLOW
def without_progress_it_ends(rig: Rig) -> None:
    film = rig.put(3 * MIB)
    film.fault(Fault(cut_after=MIB))
    film.fault(Fault(cut_after=0), None)
    before = time.monotonic()
    aborted(film.get(), film.body)
    assert time.monotonic() - before < 25
    assert len(film.requests) < 15


@SLOW
def with_next_to_no_progress_it_ends(rig: Rig) -> None:
    """Some bytes each time, then it breaks or stalls; also where the answers are for so little."""
    breaks = [
        Fault(cut_after=1000),
        Fault(stall_after=1000),
        Fault(framing="chunked", cut_after=1000),
        Fault(ignore_range=True, cut_after=1000),
    ]
    films = [rig.put(3 * MIB) for _ in breaks] + [rig.put(3 * MIB, cache_control="no-store") for _ in breaks]
    for film, fault in zip(films, breaks * 2, strict=True):
        film.fault(fault, None)
    for answer, film in zip(at_once([film.get for film in films]), films, strict=True):
        aborted(answer, film.body)
        assert len(film.requests) < 15


@SLOW
def with_answers_for_a_few_bytes_each_it_ends(rig: Rig) -> None:
    """Each of them is right, and says so."""
    film = rig.put(3 * MIB)
    film.get_part(0, MIB)
    for number in range(100):
        start = MIB + 10 * number
        fault = Fault(body_range=(start, start + 10), content_range=f"bytes {start}-{start + 9}/{3 * MIB}")
        film.fault(fault, None, when=lambda served, start=start: served.range.startswith(f"bytes={start}-"))  # type: ignore[misc]
    aborted(film.get(f"{MIB}-"), film.body, MIB)
    assert len(film.requests) < 15


@SLOW
def a_byte_now_and_then_is_a_stall(rig: Rig) -> None:
    films = [rig.put(3 * MIB), rig.put(3 * MIB, cache_control="no-store")]
    for film in films:
        rig.origin.throttle(film.path, 20)
    for answer, film in zip(at_once([film.get for film in films]), films, strict=True):
        aborted(answer, film.body)
        assert len(film.requests) < 15


@SLOW
def an_origin_that_is_gone_for_good(rig: Rig) -> None:
    film = rig.put(3 * MIB)
    film.fault(Fault(cut_after=MIB))
    film.fault(Fault(refuse=True), None)
    aborted(film.get(), film.body)
    # For the cache, again, and past the cache: three times each, and once more where the connection was a kept one.
    assert len(film.requests) <= 1 + 3 * (3 + 1)


@SLOW
def slowness_is_no_stall(rig: Rig) -> None:
    """The deadline is for the next byte: the whole may take longer."""
    film = rig.put(600 * KIB)
    rig.origin.throttle(film.path, 400 * KIB)
    film.get_whole()
    assert len(film.requests) == 1


def wherever(rig: Rig, how: str) -> None:
    """Broken at each place of the whole object, and of a range."""
    places = [1, 100_000, MIB - 1, MIB, MIB + 1, 2 * MIB + 7, 3 * MIB - 1]
    films = [rig.put(3 * MIB) for _ in places]
    for film, after in zip(films, places, strict=True):
        film.fault(BREAKS[how](after))
    at_once([film.get_whole for film in films])
    for film, after in zip(films, places, strict=True):
        assert_resumed(film, at=after)


def wherever_in_a_range(rig: Rig, how: str) -> None:
    """The same in a range that begins and ends within chunks."""
    places = [1, 5000, MIB - 101, MIB - 100, MIB - 99, 2_000_000]
    films = [rig.put(8 * MIB) for _ in places]
    for film, after in zip(films, places, strict=True):
        film.fault(BREAKS[how](after))
    at_once([partial(film.get_part, 100, 2 * MIB + 100) for film in films])
    for film, after in zip(films, places, strict=True):
        resumed = [each for each in film.requests if (each.range or "").startswith(f"bytes={100 + after}-")]
        assert [each.field("If-Range") for each in resumed] == ['"v1"'], film.ranges
        assert film.sent <= 4 * MIB


@SLOW
def wherever_it_is_closed(rig: Rig) -> None:
    wherever(rig, "closed")
    wherever_in_a_range(rig, "closed")


@SLOW
def wherever_it_is_reset(rig: Rig) -> None:
    wherever(rig, "reset")
    wherever_in_a_range(rig, "reset")


@SLOW
def wherever_it_stalls(rig: Rig) -> None:
    wherever(rig, "stalled")
    wherever_in_a_range(rig, "stalled")


@pytest.mark.parametrize("name", SLOW.names)
def test_slow(running: Running, name: str) -> None:
    running[name].result()


class TestOnce:
    def test_it_is_not_put_off(self, rig: Rig) -> None:
        """Twenty breaks: were each put off like a request that failed, that would be ten seconds."""
        film = rig.put(2 * MIB)
        film.fault(Fault(cut_after=100_000), 20)
        before = time.monotonic()
        film.get_whole()
        assert time.monotonic() - before < 20 * FIRST_DELAY_SECONDS
        assert len(film.requests) == 21

    def test_a_modification_date_that_is_old_enough_will_do(self, rig: Rig) -> None:
        film = rig.put(3 * MIB, etag=None, last_modified=LONG_AGO)
        film.fault(Fault(cut_after=MIB))
        film.get_whole()
        assert_resumed(film, at=MIB, validator=LONG_AGO)

    def test_in_chunks(self, rig: Rig) -> None:
        """The answer did not tell the length; the rest does."""
        film = rig.put(3 * MIB)
        film.fault(Fault(framing="chunked", cut_after=MIB + 5))
        film.get_whole()
        assert_resumed(film, at=MIB + 5)

    def test_past_the_cache(self, rig: Rig) -> None:
        """What is not to be kept is resumed all the same."""
        film = rig.put(3 * MIB, cache_control="no-store")
        film.fault(Fault(cut_after=MIB + 5))
        film.get_whole()
        assert_resumed(film, at=MIB + 5)

    def test_a_crowd(self, rig: Rig) -> None:
        film = rig.put(16 * MIB)
        film.fault(Fault(cut_after=5 * MIB + 5))
        at_once([film.get_whole] * 12)
        assert_resumed(film, at=5 * MIB + 5)

    def test_again_and_again_as_long_as_it_progresses(self, rig: Rig) -> None:
        film = rig.put(3 * MIB)
        film.fault(Fault(cut_after=100_000), None)
        film.get_whole()
        film.assert_sent_once()
        assert len(film.requests) == -(-film.length // 100_000)


class TestInTheWay:
    """What makes it hard to go on."""

    def test_the_origin_ignores_ranges(self, rig: Rig) -> None:
        """The whole comes again, of the same version: its beginning is skipped."""
        film = rig.put(3 * MIB, accept_ranges=False)
        film.fault(Fault(cut_after=MIB + 5))
        film.get_whole()
        assert film.sent <= 2 * film.length

    def test_it_answers_with_other_ranges(self, rig: Rig) -> None:
        film = rig.put(3 * MIB)
        film.fault(Fault(cut_after=MIB))
        film.fault(Fault(body_range=(0, MIB), content_range=f"bytes 0-{MIB - 1}/{film.length}"))
        film.get_whole()

    @pytest.mark.parametrize("etag", [None, 'W/"v1"'])
    @pytest.mark.parametrize("after", [1, MIB + 5])
    def test_without_a_strong_validator_it_is_torn(self, rig: Rig, etag: str | None, after: int) -> None:
        film = rig.put(3 * MIB, etag=etag)
        film.fault(Fault(cut_after=after))
        aborted(film.get(), film.body)
        film.get_whole()

    def test_a_modification_date_that_is_too_young_is_none(self, rig: Rig) -> None:
        film = rig.put(3 * MIB, etag=None, last_modified=formatdate(usegmt=True))
        film.fault(Fault(cut_after=MIB))
        aborted(film.get(), film.body)
        film.get_whole()

    def test_past_the_cache_without_a_validator(self, rig: Rig) -> None:
        film = rig.put(3 * MIB, etag=None, cache_control="no-store")
        film.fault(Fault(cut_after=MIB))
        aborted(film.get(), film.body)

    def test_a_crowd_without_a_validator(self, rig: Rig) -> None:
        film = rig.put(3 * MIB, etag=None)
        film.fault(Fault(cut_after=MIB))
        for answer in at_once([film.get] * 10):
            if answer.complete:
                assert len(answer.body) == film.length
            else:
                aborted(answer, film.body)
        film.get_whole()
