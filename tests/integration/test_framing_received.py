"""How an origin tells the end of a body, or fails to: complete and exact, or visibly torn."""

import pytest

from tests.integration.rig import KIB, MIB, Rig, Thing, aborted, at_once, refused, told
from tests.integration.side_by_side import Running, Scenarios
from tests.servers.faults import Framing
from tests.servers.fetch import fetch, same
from tests.servers.origin import Fault, Served
from tests.servers.proxycache import Config


@pytest.fixture(scope="module")
def config() -> Config:
    """Connections for all."""
    return {"fetch": {"first_byte_timeout": 20, "idle_timeout": 2, "connections_per_origin": 64}}


LENGTHS = [0, 1, 1000, MIB - 1, MIB, MIB + 1, 3 * MIB + 5]


def whole(served: Served) -> bool:
    """Whether a request is for all of the object."""
    return served.range is None


def beginning(film: Thing, length: int) -> bytes:
    """So many of its first bytes."""
    return b"".join(bytes(piece) for piece in film.body.pieces(0, length))


NO_ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 20\r\n\r\n" + b"0123456789" * 2,
    b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n0123456789",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n0123456789",
    b"HTTP/1.1 abc OK\r\nContent-Length: 10\r\n\r\n0123456789",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\x15\x03\x01\x00\x02\x02\x50",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000 + b"\r\nContent-Length: 2\r\n\r\nno",
    b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000 + b"Content-Length: 2\r\n\r\nno",
    b"",
]


SLOW = Scenarios()


@SLOW
def chunks_that_always_break_are_torn(rig: Rig) -> None:
    films = [rig.put(MIB), rig.put(MIB, etag=None)]
    for film in films:
        film.fault(Fault(framing="chunked-truncated", cut_after=500 * KIB), None, when=whole)
        film.fault(Fault(cut_after=0), None)
    for film, answer in zip(films, at_once([film.get for film in films]), strict=True):
        aborted(answer, film.body)


@SLOW
def a_reset_that_does_not_end_is_torn(rig: Rig) -> None:
    films = [rig.put(3 * MIB), rig.put(3 * MIB, etag=None)]
    for film in films:
        film.fault(Fault(framing="close", cut_after=MIB + 5, reset=True), None, when=whole)
        film.fault(Fault(cut_after=0), None)
    for film, answer in zip(films, at_once([film.get for film in films]), strict=True):
        aborted(answer, film.body)


@SLOW
def less_than_its_length_for_ever_is_torn(rig: Rig) -> None:
    """The origin claims more than it has."""
    films = [rig.put(MIB) for _ in range(2)]
    for film, reset in zip(films, (False, True), strict=True):
        film.fault(Fault(headers=(("Content-Length", str(2 * MIB)),), cut_after=MIB, reset=reset), None)
    for film, answer in zip(films, at_once([film.get for film in films]), strict=True):
        aborted(answer, film.body)


@SLOW
def a_range_without_a_byte_for_ever_is_torn(rig: Rig) -> None:
    film = rig.put(MIB)
    film.fault(Fault(cut_after=0), None)
    aborted(film.get("0-99"), film.body)
    assert len(film.requests) <= 12


@SLOW
def what_is_no_answer_is_told(rig: Rig) -> None:
    """And what is malformed is not asked for again."""
    pages = [rig.put(b"0123456789") for _ in NO_ANSWERS]
    for page, raw in zip(pages, NO_ANSWERS, strict=True):
        page.fault(Fault(raw=raw), None)
    for answer in at_once([page.get for page in pages]):
        refused(answer, 502)
    assert [len(page.requests) for page, raw in zip(pages, NO_ANSWERS, strict=True) if raw] == [1] * (len(pages) - 1)


@SLOW
def no_answer_at_all_once_does_not_matter(rig: Rig) -> None:
    page = rig.put(b"0123456789")
    page.fault(Fault(raw=b""))
    page.get_whole()


@pytest.mark.parametrize("name", SLOW.names)
def test_slow(running: Running, name: str) -> None:
    running[name].result()


class TestChunked:
    @pytest.mark.parametrize("length", LENGTHS)
    def test_is_exact_and_kept(self, rig: Rig, length: int) -> None:
        film = rig.put(length)
        film.fault(Fault(framing="chunked"))
        film.get_whole()
        again = film.get_whole()
        assert again.cache_status == "proxycache; hit"
        assert again.field("Content-Length") == str(length)
        film.assert_sent_once()

    def test_to_a_range(self, rig: Rig) -> None:
        film = rig.put(3 * MIB)
        film.fault(Fault(framing="chunked"), None)
        film.get_part(MIB + 5, 2 * MIB)
        film.get_part(0, film.length)

    def test_to_a_range_of_an_origin_without_ranges(self, rig: Rig) -> None:
        """Its length is not known: the range is answered once it is, or not as one."""
        film = rig.put(3 * MIB, accept_ranges=False)
        film.fault(Fault(framing="chunked"), None)
        answer = film.get("100-199")
        if answer.status == 200:
            assert answer.complete
            same(film.body, 0, answer.body)
            assert len(answer.body) == film.length
        else:
            assert (answer.status, answer.complete, len(answer.body)) == (206, True, 100), told(answer)
            same(film.body, 100, answer.body)
        film.get_part(100, 200)

    @pytest.mark.parametrize("cut", [0, 1, 70_000, MIB, 2 * MIB + 7])
    @pytest.mark.parametrize("framing", ["chunked-truncated", "chunked-bad"])
    def test_that_breaks_is_resumed(self, rig: Rig, framing: Framing, cut: int) -> None:
        film = rig.put(3 * MIB)
        film.fault(Fault(framing=framing, body=beginning(film, cut)), when=whole)
        film.get_whole()
        assert [range for range in film.ranges[1:] if (range or "bytes=0-").startswith(f"bytes={cut}-")] != []
        film.assert_sent_once()

    @pytest.mark.parametrize("framing", ["chunked-truncated", "chunked-bad"])
    def test_that_breaks_at_its_end(self, rig: Rig, framing: Framing) -> None:
        """All of it is here, and nobody said so: the origin's 416 to the rest does."""
        film = rig.put(3 * MIB)
        film.fault(Fault(framing=framing), when=whole)
        film.get_whole()
        assert film.get_whole().cache_status == "proxycache; hit"

    @pytest.mark.parametrize("framing", ["chunked-truncated", "chunked-bad"])
    def test_that_breaks_without_ranges(self, rig: Rig, framing: Framing) -> None:
        """What came is skipped in the second answer, which does not tell its length either."""
        film = rig.put(3 * MIB, accept_ranges=False)
        film.fault(Fault(framing=framing, body=beginning(film, MIB + 7)))
        film.fault(Fault(framing="chunked"), None)
        film.get_whole()


class TestClosedByTheConnection:
    """Nothing tells whether such a body is complete: it is passed on, and not kept."""

    @pytest.mark.parametrize("length", LENGTHS)
    def test_is_exact_and_not_kept(self, rig: Rig, length: int) -> None:
        film = rig.put(length)
        film.fault(Fault(framing="close"), 2)
        film.get_whole()
        film.get_whole()
        assert len(film.requests) == 2

    def test_by_reset_it_is_resumed(self, rig: Rig) -> None:
        film = rig.put(3 * MIB)
        film.fault(Fault(framing="close", cut_after=MIB + 5, reset=True))
        film.get_whole()
        film.assert_sent_once()

    def test_a_range_tells_its_length(self, rig: Rig) -> None:
        film = rig.put(3 * MIB)
        film.fault(Fault(framing="close"), None)
        film.get_part(MIB + 5, 2 * MIB)
        assert film.get_part(MIB + 5, 2 * MIB).cache_status == "proxycache; hit"

    @pytest.mark.parametrize("cut", [0, 1, 5000, 199_999])
    def test_a_range_cut_short_is_resumed(self, rig: Rig, cut: int) -> None:
        film = rig.put(3 * MIB)
        film.fault(Fault(framing="close", cut_after=cut))
        film.get_part(0, 200_000)
        assert film.requests[1].field("Range") == f"bytes={cut}-{MIB - 1}"

    @pytest.mark.parametrize("version", [b"1.0", b"1.1"])
    def test_an_answer_of_old(self, rig: Rig, version: bytes) -> None:
        page = rig.put(b"0123456789")
        page.fault(Fault(raw=b"HTTP/%s 200 OK\r\nContent-Type: text/plain\r\n\r\n0123456789" % version))
        page.get_whole()


class TestTooLong:
    """What follows a body of a declared length is nobody's."""

    @pytest.mark.parametrize("extra", [b"EXTRA", b"\r\n", b"x" * 100_000])
    def test_the_declared_length_counts(self, rig: Rig, extra: bytes) -> None:
        film, other = rig.put(300 * KIB), rig.put(1000)
        film.fault(Fault(extra=extra), None)
        film.get_whole()
        other.get_whole()
        film.get_whole()

    def test_a_second_answer_is_not_taken_for_the_next(self, rig: Rig) -> None:
        poison = b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: "v1"\r\n\r\n' + b"p" * 1000
        for _ in range(20):
            film, other = rig.put(1000), rig.put(1000)
            film.fault(Fault(extra=poison))
            film.get_whole()
            rig.origin.wait_for(lambda log: log[-1].done)
            other.get_whole()

    def test_of_a_range(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        film.fault(Fault(extra=b"EXTRA"), None)
        film.get_part(100, 200)
        film.get_whole()

    def test_declared_shorter_than_it_is(self, rig: Rig) -> None:
        film = rig.put(1000)
        film.fault(Fault(headers=(("Content-Length", "10"),)), None)
        answer = film.get()
        assert (answer.status, answer.complete, len(answer.body)) == (200, True, 10), told(answer)
        same(film.body, 0, answer.body)


class TestNonsense:
    @pytest.mark.parametrize("status", [100, 103])
    def test_interim_answers_do_not_matter(self, rig: Rig, status: int) -> None:
        film = rig.put(MIB + 1)
        film.fault(Fault(interim=(status, status)), None)
        film.get_whole()
        film.get_part(5, 100)

    @pytest.mark.parametrize("status", [204, 304])
    def test_no_body_although_one_was_asked_for(self, rig: Rig, status: int) -> None:
        page = rig.put(1000)
        page.fault(Fault(status=status, headers=(("Cache-Control", "no-store"),)))
        answer = fetch(page.url)
        assert (answer.status, answer.body) == (status, b""), told(answer)
        assert answer.field("Content-Length") is None
        page.get_whole()

    @pytest.mark.parametrize("status", [299, 404, 410, 451, 599])
    def test_other_statuses_pass(self, rig: Rig, status: int) -> None:
        page = rig.put(1000)
        page.fault(Fault(status=status, body=b"why not"))
        answer = fetch(page.url)
        assert (answer.status, answer.body, answer.complete) == (status, b"why not", True), told(answer)
