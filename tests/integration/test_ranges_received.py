"""What an origin makes of a range: the client gets the exact bytes, or an error in place of them."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.integration.rig import KIB, MIB, Rig, Thing, aborted, exact_part, refused, told
from tests.servers.deadline import until
from tests.servers.fetch import same
from tests.servers.origin import Fault, Served
from tests.servers.proxycache import Config


@pytest.fixture(scope="module")
def config() -> Config:
    """A fill that goes on for a while after its client."""
    return {"fetch": {"idle_timeout": 2, "first_byte_timeout": 5, "linger": 10}}


class TestWholeInPlaceOfARange:
    """An origin without ranges: what it sends is the object, taken from its start."""

    def test_the_rest_is_not_asked_for_again(self, rig: Rig) -> None:
        film = rig.put(5 * MIB, accept_ranges=False)
        film.get_part(2 * MIB + 5, 2 * MIB + 105)
        film.get_whole()
        film.get_part(0, 10)
        film.get_part(film.length - 10, film.length)
        film.assert_sent_once()
        assert len(film.requests) == 1

    @pytest.mark.parametrize("length", [1, 1000, MIB, MIB + 1])
    def test_small_ones(self, rig: Rig, length: int) -> None:
        film = rig.put(length, accept_ranges=False)
        film.get_part(length - 1, length)
        film.get_part(0, length)
        film.get_whole()
        film.assert_sent_once()

    def test_seeks_are_exact(self, rig: Rig) -> None:
        """The first seek asks for a range, since none was asked for yet; the others know better."""
        film = rig.put(30 * MIB, accept_ranges=False)
        with film.stream(buffer=64 * KIB) as playing:
            same(film.body, 0, playing.recv_exactly(100))
            for start in (20 * MIB - 50, 10 * MIB, 29 * MIB + 7, 5, 12 * MIB + 1):
                film.get_part(start, start + 100)
            same(film.body, 100, playing.rest())
            assert playing.answer.complete
        assert film.ranges[0] is None
        assert len(film.requests) == 2

    def test_a_suffix(self, rig: Rig) -> None:
        film = rig.put(3 * MIB, accept_ranges=False)
        exact_part(film.get("-1000"), film.body, film.length - 1000, film.length)
        film.assert_sent_once()

    def test_beyond_the_end(self, rig: Rig) -> None:
        film = rig.put(3 * MIB, accept_ranges=False)
        answer = film.get(f"{film.length}-")
        assert (answer.status, answer.field("Content-Range")) == (416, f"bytes */{film.length}"), told(answer)

    def test_ranges_that_fail_later(self, rig: Rig) -> None:
        """The origin knew ranges when it was asked first, and forgets them then."""
        film = rig.put(8 * MIB)
        film.get_part(0, 100)
        film.fault(Fault(ignore_range=True), None)
        film.get_part(5 * MIB + 5, 5 * MIB + 1000)
        film.get_whole()


class TestNarrower:
    def test_told_truly_the_rest_is_fetched(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        film.fault(Fault(body_range=(0, 1000), content_range=f"bytes 0-999/{film.length}"))
        film.get_part(0, 5000)
        assert film.requests[1].field("If-Range") == '"v1"'
        assert (film.ranges[1] or "").startswith("bytes=1000-")

    def test_an_origin_that_never_sends_more(self, rig: Rig) -> None:
        film = rig.put(320 * KIB)
        for start in range(0, film.length, 64 * KIB):
            stop = start + 64 * KIB
            capped = Fault(body_range=(start, stop), content_range=f"bytes {start}-{stop - 1}/{film.length}")
            film.fault(capped, None, when=begins_at(start))
        film.get_part(0, film.length)
        film.assert_sent_once()

    def test_told_falsely_the_whole_is_asked_for(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        film.fault(Fault(body_range=(0, 1000), content_range=f"bytes 0-4999/{film.length}"), None, when=ranged)
        film.get_part(0, 5000)
        assert film.ranges[1] is None

    def test_told_falsely_once_in_mid_object_is_mended(self, rig: Rig) -> None:
        film = rig.put(8 * MIB)
        film.get_part(0, MIB)
        short = Fault(body_range=(MIB, MIB + 1000), content_range=f"bytes {MIB}-{2 * MIB - 1}/{film.length}")
        film.fault(short)
        film.get_part(MIB, MIB + 5000)


class TestWider:
    def test_at_its_end(self, rig: Rig) -> None:
        film = rig.put(8 * MIB)
        film.fault(Fault(body_range=(100, 4 * MIB), content_range=f"bytes 100-{4 * MIB - 1}/{film.length}"))
        film.get_part(100, 200)
        film.get_whole()

    def test_at_its_start_the_whole_is_asked_for(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        whole = Fault(body_range=(0, film.length), content_range=f"bytes 0-{film.length - 1}/{film.length}")
        film.fault(whole, None, when=ranged)
        film.get_part(100, 200)
        assert film.ranges[1] is None

    def test_a_suffix_that_is_longer(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        start = film.length - 500
        longer = f"bytes {start}-{film.length - 1}/{film.length}"
        film.fault(Fault(body_range=(start, film.length), content_range=longer), None, when=ranged)
        exact_part(film.get("-100"), film.body, film.length - 100, film.length)


class TestShifted:
    """A lie that hangs together, with other bytes under the very Content-Range asked for, nobody can tell."""

    @pytest.mark.parametrize("truthful", [True, False])
    @pytest.mark.parametrize("start", [0, 99, 101, 200])
    def test_the_whole_is_asked_for(self, rig: Rig, truthful: bool, start: int) -> None:
        film = rig.put(300 * KIB)
        shifted = Fault(content_range=f"bytes {start}-{film.length - 1}/{film.length}")
        if truthful:
            shifted = replace(shifted, body_range=(start, film.length))
        film.fault(shifted, None, when=ranged)
        film.get_part(100, 200)
        assert film.ranges[1] is None

    @pytest.mark.parametrize("truthful", [True, False])
    @pytest.mark.parametrize("by", [-1, 1, 4096])
    @pytest.mark.parametrize("times", [1, None])
    def test_in_mid_object(self, rig: Rig, truthful: bool, by: int, times: int | None) -> None:
        film = rig.put(4 * MIB)
        film.get_part(0, MIB)
        film.fault(shifted_by(film, by, truthful), times, when=ranged)
        film.get_part(5, 2 * MIB)

    @pytest.mark.parametrize("truthful", [True, False])
    def test_an_error_if_the_whole_is_no_better(self, rig: Rig, truthful: bool) -> None:
        film = rig.put(4 * MIB)
        film.get_part(0, MIB)
        film.fault(replace(shifted_by(film, 512, truthful), status=206), None)
        refused(film.get(f"{MIB}-{2 * MIB - 1}"), 502)
        aborted(film.get(f"0-{2 * MIB - 1}"), film.body)


class TestUnknownLength:
    """`Content-Range: bytes a-b/*` tells which bytes, not how many there are."""

    def test_the_range_is_passed_and_the_object_found_out(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        hidden = Fault(content_range=f"bytes 100-{film.length - 1}/*")
        film.fault(hidden, None, when=lambda served: served.range not in (None, "bytes=100-199"))
        film.fault(Fault(content_range="bytes 100-199/*"), None, when=lambda served: served.range is not None)
        answer = film.get("100-199")
        assert (answer.status, answer.complete, len(answer.body)) == (206, True, 100), told(answer)
        assert answer.field("Content-Range") == "bytes 100-199/*"
        assert "detail=no-length" in answer.cache_status
        same(film.body, 100, answer.body)
        until(
            lambda: film.get_part(100, 200).cache_status == "proxycache; hit",
            "the object to be cached",
        )

    def test_in_mid_object(self, rig: Rig) -> None:
        """The length that is known already is not contradicted, but a part of unknown length joins nothing."""
        film = rig.put(4 * MIB)
        film.get_part(0, MIB)
        film.fault(Fault(content_range=f"bytes {MIB}-{2 * MIB - 1}/*"))
        film.get_part(MIB, 2 * MIB)


class TestNoPart:
    """What is no answer to a range is not used; the whole is asked for."""

    def test_several_parts(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        content = b"".join(bytes(piece) for piece in film.body.pieces(100, 200))
        body = (
            b"\r\n--frontier\r\nContent-Type: text/plain\r\n"
            b"Content-Range: bytes 100-199/%d\r\n\r\n%s\r\n--frontier--\r\n" % (film.length, content)
        )
        kind = (("Content-Type", "multipart/byteranges; boundary=frontier"),)
        film.fault(Fault(status=206, headers=kind, body=body, without=("Content-Range",)), None, when=ranged)
        answer = film.get_part(100, 200)
        assert answer.field("Content-Type") == "application/octet-stream"

    def test_without_content_range(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        film.fault(Fault(without=("Content-Range",)), None, when=ranged)
        film.get_part(100, 200)

    @pytest.mark.parametrize(
        "value",
        [
            "bytes 100-307199",
            "bytes 199-100/307200",
            "bytes 100-307199/200",
            "bytes 100-307199/99999999999999999999999",
            "items 100-307199/307200",
            "bytes */307200",
            "*",
            "",
        ],
    )
    def test_with_an_invalid_one(self, rig: Rig, value: str) -> None:
        film = rig.put(300 * KIB)
        film.fault(Fault(content_range=value), None, when=ranged)
        film.get_part(100, 200)
        assert film.ranges[1] is None

    def test_with_two(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        first, second = (("Content-Range", f"bytes {start}-307199/307200") for start in (100, 200))
        film.fault(Fault(headers=(first, second)), None, when=ranged)
        film.get_part(100, 200)

    def test_to_every_request(self, rig: Rig) -> None:
        """What the client asked for himself is answered by the origin as it will."""
        film = rig.put(300 * KIB)
        film.fault(Fault(status=206, without=("Content-Range",)), None)
        for range, start, stop in (("100-199", 100, 200), (None, 0, film.length)):
            answer = film.get(range)
            assert (answer.status, answer.field("Content-Range"), answer.complete) == (206, None, True), told(answer)
            assert len(answer.body) == stop - start
            same(film.body, start, answer.body)
            assert "stored" not in answer.cache_status

    def test_refused_although_it_exists(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        film.fault(Fault(status=416, content_range="bytes */50"))
        answer = film.get("100-199")
        assert (answer.status, answer.field("Content-Range")) == (416, "bytes */50"), told(answer)
        film.get_part(100, 200)


class TestContradictions:
    """The same version, by its entity tag, that differs from what is known of it."""

    @pytest.mark.parametrize("length", [4 * MIB - 1, 4 * MIB + 1])
    def test_another_length_in_mid_object(self, rig: Rig, length: int) -> None:
        film = rig.put(4 * MIB)
        film.get_part(0, MIB)
        film.fault(Fault(content_range=f"bytes {MIB}-{2 * MIB - 1}/{length}"), None, when=begins_at(MIB))
        aborted(film.get(f"0-{2 * MIB - 1}"), film.body)

    def test_an_encoded_part_in_mid_object(self, rig: Rig) -> None:
        film = rig.put(4 * MIB)
        film.get_part(0, MIB)
        film.fault(Fault(content_encoding="gzip"), None)
        aborted(film.get(f"0-{2 * MIB - 1}"), film.body)


def ranged(served: Served) -> bool:
    """Whether a request asks for a range."""
    return served.range is not None


def begins_at(start: int) -> Callable[[Served], bool]:
    """Whether a request asks for bytes from there on."""

    def asks(served: Served) -> bool:
        return (served.range or "").startswith(f"bytes={start}-")

    return asks


def shifted_by(film: Thing, by: int, truthful: bool) -> Fault:
    """A second chunk that is somewhere else, or says so."""
    start, stop = MIB + by, 2 * MIB + by
    told = Fault(content_range=f"bytes {start}-{stop - 1}/{film.length}")
    return replace(told, body_range=(start, stop)) if truthful else told
