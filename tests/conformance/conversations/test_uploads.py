"""Bodies of requests are passed on while they arrive, at the pace of the slower side, and never twice."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conformance.conversations.conversation import Room, chunked, response
from tests.integration.rig import MIB, Rig, told
from tests.servers.byhand import Peer, connect
from tests.servers.deadline import until
from tests.servers.fetch import same
from tests.servers.origin import Fault, Pattern
from tests.servers.proxycache import Config, Proxycache

LARGE = Pattern(200 * MIB, seed=5)
IN_KERNELS = 64 * MIB
"""More than lies in the buffers of two connections."""
ALLOWED = 16 * MIB
"""By how much the memory of the product may grow."""
PATIENCE = 0.5
"""Seconds without progress that tell that somebody is held up."""

OK = response(b"200 OK", body=b"done")


@pytest.fixture(scope="module")
def config(config: Config) -> Config:
    """An origin that makes no progress is given up soon."""
    return {**config, "fetch": {"first_byte_timeout": 5, "idle_timeout": 5, "linger": 0.2}}


def pieces_of(body: Pattern, start: int = 0) -> Iterator[bytes]:
    """The body from there on."""
    return (bytes(piece) for piece in body.pieces(start, body.length))


def next_of(pieces: Iterator[bytes]) -> Callable[[], bytes]:
    """The next piece at each call, and nothing at the end."""
    return lambda: next(pieces, b"")


def read_exactly(peer: Peer, body: Pattern, start: int = 0) -> None:
    """Read the body from there on, piece by piece, which must be right."""
    while start < body.length:
        piece = peer.exactly(min(4 * MIB, body.length - start))
        same(body, start, piece)
        start += len(piece)


def failures_of_origins(proxy: Proxycache) -> dict[str, float]:
    """What the product counts as failures of origins."""
    return {name: value for name, value in proxy.metrics().items() if name.startswith("proxycache_origin_failures")}


def send_rest(peer: Peer, body: Pattern, start: int) -> None:
    """Send the body from there on."""
    peer.send(*pieces_of(body, start))


class TestWhileItArrives:
    def test_the_first_bytes_are_there_before_the_last_are_sent(self, room: Room) -> None:
        client, origin, head = room.begin("PUT", "Content-Length: 10", body=b"01234")
        with client, origin:
            assert head.field("Content-Length") == b"10"
            assert origin.exactly(5) == b"01234"
            client.send(b"56")
            assert origin.exactly(2) == b"56"
            client.send(b"789")
            assert origin.exactly(3) == b"789"
            origin.send(OK)
            assert client.body(client.head()) == b"done"

    def test_in_chunks_too(self, room: Room) -> None:
        client, origin, head = room.begin("PUT", "Transfer-Encoding: chunked", body=b"5\r\n01234\r\n")
        with client, origin:
            assert (head.all("Transfer-Encoding"), head.all("Content-Length")) == ([b"chunked"], [])
            assert origin.until(b"01234\r\n") == b"5\r\n"
            client.send(b"5\r\n56789\r\n0\r\n\r\n")
            assert origin.until(b"0\r\n\r\n") == b"5\r\n56789\r\n"
            origin.send(OK)
            assert client.body(client.head()) == b"done"

    def test_the_head_goes_before_any_of_the_body(self, room: Room) -> None:
        client, origin, _ = room.begin("PUT", "Content-Length: 3")
        with client, origin:
            client.send(b"abc")
            assert origin.exactly(3) == b"abc"
            origin.send(OK)
            assert client.head().status == 200

    def test_both_ways_at_once(self, room: Room) -> None:
        """An origin may answer to each piece as it comes."""
        client, origin, _ = room.begin("POST", "Content-Length: 6", body=b"ab")
        with client, origin:
            assert origin.exactly(2) == b"ab"
            origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nAB")
            head = client.head()
            assert client.exactly(2) == b"AB"
            client.send(b"cd")
            assert origin.exactly(2) == b"cd"
            origin.send(b"CD")
            assert client.exactly(2) == b"CD"
            client.send(b"ef")
            assert origin.exactly(2) == b"ef"
            origin.send(b"EF")
            assert (head.status, client.exactly(2)) == (200, b"EF")


class TestAtThePaceOfTheSlower:
    def test_an_origin_that_does_not_read_holds_the_client_up(self, room: Room, proxy: Proxycache) -> None:
        client, origin, _ = room.begin("PUT", f"Content-Length: {LARGE.length}")
        before = proxy.rss()
        with client, origin, ThreadPoolExecutor(1) as pool:
            sent = client.send_while_taken(next_of(pieces_of(LARGE)), PATIENCE)
            assert sent < IN_KERNELS
            assert proxy.rss() - before < ALLOWED
            rest = pool.submit(send_rest, client, LARGE, sent)
            read_exactly(origin, LARGE)
            rest.result()
            origin.send(OK)
            assert client.head().status == 200
        assert proxy.rss() - before < ALLOWED

    def test_in_chunks_too(self, room: Room, proxy: Proxycache) -> None:
        client, origin, _ = room.begin("PUT", "Transfer-Encoding: chunked")
        before = proxy.rss()
        with client, origin:
            sent = client.send_while_taken(next_of(chunked(pieces_of(LARGE))), PATIENCE)
            assert sent < IN_KERNELS
            assert proxy.rss() - before < ALLOWED

    def test_in_very_small_chunks(self, room: Room, proxy: Proxycache) -> None:
        """Each costs more to keep than it carries."""
        client, origin, _ = room.begin("PUT", "Transfer-Encoding: chunked")
        before = proxy.rss()
        with client, origin:
            many = iter([b"1\r\nx\r\n" * 10_000] * 1000)
            client.send_while_taken(next_of(many), PATIENCE)
            assert proxy.rss() - before < ALLOWED

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_a_client_that_does_not_read_holds_the_origin_up(self, room: Room, proxy: Proxycache, method: str) -> None:
        before = proxy.rss()
        client, origin, _ = room.begin(method)
        with client, origin, ThreadPoolExecutor(1) as pool:
            origin.send(b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: %d\r\n\r\n" % LARGE.length)
            sent = origin.send_while_taken(next_of(pieces_of(LARGE)), PATIENCE)
            assert sent < IN_KERNELS
            assert proxy.rss() - before < ALLOWED
            rest = pool.submit(send_rest, origin, LARGE, sent)
            assert client.head().status == 200
            read_exactly(client, LARGE)
            rest.result()

    def test_an_origin_that_reads_nothing_for_long_is_given_up(self, room: Room) -> None:
        client, origin, _ = room.begin("PUT", f"Content-Length: {LARGE.length}")
        with client, origin:
            client.send_while_taken(next_of(pieces_of(LARGE)), PATIENCE)
            assert client.head().status == 504


class TestByASlowClient:
    @pytest.mark.parametrize("line", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
    def test_it_is_given_up(self, room: Room, proxy: Proxycache, line: str) -> None:
        """A byte now and then is no progress; and it is not the origin that failed."""
        failures = failures_of_origins(proxy)
        client, origin, _ = room.begin("PUT", line)
        with client, origin:
            for _ in range(3000):
                client.send(b"x" if "Length" in line else b"1\r\nx\r\n")
                if not client.silent(0.02):
                    break
            head = client.head()
            assert (head.status, head.field("Connection")) == (408, b"close")
            assert client.body(head).startswith(b"the request's body did not come to its end: less than 1024 bytes")
            assert b"".join(origin.rest().split(b"1\r\nx\r\n")).strip(b"x") == b""
        assert failures_of_origins(proxy) == failures

    def test_one_that_leaves_is_no_failure_of_the_origin(self, room: Room, proxy: Proxycache) -> None:
        failures = failures_of_origins(proxy)
        client, origin, _ = room.begin("PUT", "Content-Length: 10", body=b"01234")
        with client, origin:
            assert origin.exactly(5) == b"01234"
            client.close()
            assert origin.rest() == b""
        assert failures_of_origins(proxy) == failures


class TestOptions:
    """Their bodies are read before the origin is asked: few have one, and none a long one."""

    @pytest.mark.parametrize("line", ["Content-Length: 5", "Transfer-Encoding: chunked"])
    def test_a_body_goes_along_once_it_is_here(self, room: Room, line: str) -> None:
        pieces = [b"01", b"234"] if "Length" in line else [b"2\r\n01\r\n", b"3\r\n234\r\n0\r\n\r\n"]
        with connect(room.port) as client:
            client.send(room.request("OPTIONS", line, "Content-Type: text/plain", "Expect: 100-continue"))
            assert client.head().status == 100
            client.send(pieces[0])
            assert room.hand.left_alone(0.1)
            client.send(pieces[1])
            origin, head = room.hand.asked()
            with origin:
                names = ("Content-Length", "Transfer-Encoding", "Content-Type", "Expect")
                assert [head.field(name) for name in names] == [b"5", None, b"text/plain", None]
                assert origin.exactly(5) == b"01234"
                origin.send(OK)
                assert client.body(client.head()) == b"done"

    def test_a_long_one_is_refused(self, room: Room) -> None:
        with connect(room.port) as client:
            client.send(room.request("OPTIONS", f"Content-Length: {64 * 1024 + 1}"))
            assert client.head().status == 413

    def test_also_where_it_does_not_tell_its_length(self, room: Room) -> None:
        with connect(room.port) as client:
            client.send(room.request("OPTIONS", "Transfer-Encoding: chunked"), b"10001\r\n" + bytes(0x10001))
            assert client.head().status == 413
        assert room.hand.left_alone(0)


class TestAnsweredEarly:
    @pytest.mark.parametrize("answer", [response(b"413 Content Too Large", body=b"too much"), OK])
    def test_before_any_of_the_body(self, room: Room, answer: bytes) -> None:
        client, origin, _ = room.begin("PUT", "Content-Length: 1000")
        with client, origin:
            origin.send(answer)
            head = client.head()
            assert head.first.split(b" ")[1] == answer.split(b" ")[1]
            assert client.body(head) == answer.rpartition(b"\r\n\r\n")[2]
            assert origin.rest() == b""

    def test_its_client_is_told_that_the_connection_is_over(self, room: Room) -> None:
        """What comes of the body could not be told from another request."""
        client, origin, _ = room.begin("PUT", "Content-Length: 1000")
        with client, origin:
            origin.send(response(b"413 Content Too Large"))
            assert [value.lower() for value in client.head().all("Connection")] == [b"close"]
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.rest() == b""

    @pytest.mark.parametrize("framing", ["length", "chunked"])
    def test_to_a_client_that_sends_all_the_same(self, room: Room, framing: str) -> None:
        line = f"Content-Length: {LARGE.length}" if framing == "length" else "Transfer-Encoding: chunked"
        pieces = pieces_of(LARGE) if framing == "length" else chunked(pieces_of(LARGE))
        client, origin, _ = room.begin("PUT", line)

        def send_all() -> None:
            with contextlib.suppress(ConnectionError):
                client.send(*pieces)

        with client, origin, ThreadPoolExecutor(1) as pool:
            sending = pool.submit(send_all)
            origin.exactly(100_000)
            origin.send(response(b"413 Content Too Large", body=b"too much"))
            head = client.head()
            assert (head.status, client.body(head)) == (413, b"too much")
            client.finish()
            sending.result()

    def test_with_a_long_answer(self, room: Room) -> None:
        """It is passed on to its end, although the client stopped sending."""
        answer = Pattern(8 * MIB, seed=6)
        client, origin, _ = room.begin("PUT", "Content-Length: 1000", body=b"x" * 10)
        with client, origin, ThreadPoolExecutor(1) as pool:
            origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % answer.length)
            sending = pool.submit(send_rest, origin, answer, 0)
            assert client.head().status == 200
            read_exactly(client, answer)
            sending.result()


class TestBrokenOff:
    @pytest.mark.parametrize("leave", [Peer.close, Peer.reset, Peer.finish])
    def test_by_the_client(self, room: Room, leave: Callable[[Peer], None]) -> None:
        """The origin is not made to believe that it has the whole."""
        client, origin, _ = room.begin("PUT", "Content-Length: 10", body=b"01234")
        with client, origin:
            assert origin.exactly(5) == b"01234"
            leave(client)
            assert origin.rest() == b""
        assert room.hand.left_alone(0)

    @pytest.mark.parametrize("leave", [Peer.close, Peer.reset, Peer.finish])
    def test_by_the_client_in_chunks(self, room: Room, leave: Callable[[Peer], None]) -> None:
        client, origin, _ = room.begin("PUT", "Transfer-Encoding: chunked", body=b"5\r\n01234\r\n")
        with client, origin:
            assert origin.until(b"01234\r\n") == b"5\r\n"
            leave(client)
            assert origin.rest() == b""

    def test_by_the_client_while_the_origin_answers(self, room: Room) -> None:
        client, origin, _ = room.begin("PUT", "Content-Length: 10", body=b"01234")
        with client, origin:
            origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfirst")
            client.head()
            client.reset()
            assert origin.rest() == b"01234"

    def test_by_a_client_that_is_held_up(self, room: Room, proxy: Proxycache) -> None:
        """Nothing is read from it for now; it is found out before the origin has failed for it."""

        def left() -> float:
            return sum(value for name, value in proxy.metrics().items() if name.endswith('status="499"}'))

        before, failures = left(), failures_of_origins(proxy)
        client, origin, _ = room.begin("PUT", f"Content-Length: {LARGE.length}")
        with client, origin:
            client.send_while_taken(next_of(pieces_of(LARGE)), PATIENCE)
            client.reset()
            until(lambda: left() == before + 1, "it to be found out")
        assert failures_of_origins(proxy) == failures

    def test_by_the_client_in_a_bad_chunk(self, room: Room) -> None:
        client, origin, _ = room.begin("PUT", "Transfer-Encoding: chunked", body=b"5\r\n01234\r\n")
        with client, origin:
            assert origin.until(b"01234\r\n") == b"5\r\n"
            client.send(b"zz\r\n\r\n0\r\n\r\n")
            assert origin.rest() == b""
            assert b" 200 " not in client.rest()

    @pytest.mark.parametrize("leave", [Peer.close, Peer.reset])
    @pytest.mark.parametrize("taken", [0, 5, 10])
    def test_by_the_origin(self, room: Room, leave: Callable[[Peer], None], taken: int) -> None:
        """It may have done what was asked: it is not asked twice."""
        client, origin, _ = room.begin("PUT", "Content-Length: 10", body=b"0123456789"[:taken])
        with client, origin:
            assert origin.exactly(taken) == b"0123456789"[:taken]
            leave(origin)
            assert client.head().status == 502
            assert room.hand.left_alone(0.1)

    def test_by_the_origin_while_the_client_sends(self, room: Room) -> None:
        client, origin, _ = room.begin("PUT", f"Content-Length: {LARGE.length}")
        with client, origin:
            client.send_while_taken(next_of(pieces_of(LARGE)), PATIENCE)
            origin.reset()
            assert client.head().status == 502
            assert room.hand.left_alone(0.1)

    @pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
    def test_without_a_body_it_is_sent_once_too(self, rig: Rig, method: str) -> None:
        film = rig.put(1000)
        film.get_whole()
        film.fault(Fault(refuse=True), None, when=lambda served: served.method == method)
        answer = film.get(method=method)
        assert answer.status == 502, told(answer)
        assert [served.method for served in film.requests] == ["GET", method]


class TestOnAKeptConnection:
    def test_one_after_the_other(self, room: Room) -> None:
        client, origin, _ = room.begin("PUT", "Content-Length: 3", body=b"abc")
        with client:
            for body in (b"abc", b"", b"defg"):
                with origin:
                    assert origin.exactly(len(body)) == body
                    origin.send(OK)
                    head = client.head()
                    assert (head.status, client.body(head)) == (200, b"done")
                following = b"" if body else b"defg"
                client.send(room.request("PUT", f"Content-Length: {len(following)}") + following)
                origin, _ = room.hand.asked()
            origin.close()

    @pytest.mark.parametrize("chunks", [False, True])
    def test_a_request_right_behind_it(self, rig: Rig, chunks: bool) -> None:
        """In the same packet as the end of the body."""
        film = rig.put(1000)
        line, body = (
            (b"Transfer-Encoding: chunked", b"5\r\n01234\r\n0\r\n\r\n") if chunks else (b"Content-Length: 5", b"01234")
        )
        target = b"/" + film.path.encode()
        with connect(rig.proxy.port) as client:
            client.send(
                b"PUT %s HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n%s" % (target, line, body)
                + b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % target
                + b"PUT %s HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n%s" % (target, line, body)
            )
            assert client.body(client.head()) == b"done\n"
            same(film.body, 0, client.body(client.head()))
            assert client.body(client.head()) == b"done\n"
        assert [(served.method, served.body) for served in film.requests] == [
            ("PUT", b"01234"),
            ("GET", b""),
            ("PUT", b"01234"),
        ]

    def test_a_body_that_looks_like_a_request_is_none(self, rig: Rig) -> None:
        film = rig.put(1000)
        smuggled = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        with connect(rig.proxy.port) as client:
            target = b"/" + film.path.encode()
            client.send(
                b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (target, len(smuggled)), smuggled
            )
            assert client.body(client.head()) == b"done\n"
            assert client.silent(0.1)
        assert [served.body for served in rig.origin.log] == [smuggled]


class TestExpectations:
    def test_continue_is_the_origins_to_say(self, room: Room) -> None:
        client, origin, head = room.begin("PUT", "Content-Length: 5", "Expect: 100-continue")
        with client, origin:
            assert head.field("Expect") == b"100-continue"
            assert client.silent(0.2)
            origin.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            assert client.head().status == 100
            client.send(b"01234")
            assert origin.exactly(5) == b"01234"
            origin.send(OK)
            head = client.head()
            assert (head.status, client.body(head)) == (200, b"done")

    @pytest.mark.parametrize("status", [b"417 Expectation Failed", b"403 Forbidden", b"200 OK", b"303 See Other"])
    def test_a_final_answer_without_it(self, room: Room, status: bytes) -> None:
        client, origin, _ = room.begin("PUT", "Content-Length: 5", "Expect: 100-continue")
        with client, origin:
            origin.send(response(status, body=b"no"))
            head = client.head()
            assert (head.first, client.body(head)) == (b"HTTP/1.1 " + status, b"no")
            assert origin.rest() == b""

    def test_a_client_that_does_not_wait(self, room: Room) -> None:
        client, origin, _ = room.begin("PUT", "Content-Length: 5", "Expect: 100-continue", body=b"01234")
        with client, origin:
            assert origin.exactly(5) == b"01234"
            origin.send(OK)
            assert client.head().status == 200

    def test_an_origin_that_knows_nothing_of_it(self, room: Room) -> None:
        """The client goes on by itself after a while."""
        client, origin, _ = room.begin("PUT", "Content-Length: 5", "Expect: 100-continue")
        with client, origin:
            assert client.silent(0.1)
            client.send(b"01234")
            assert origin.exactly(5) == b"01234"
            origin.send(OK)
            assert client.head().status == 200

    def test_without_a_body_there_is_nothing_to_expect(self, room: Room) -> None:
        head, _ = room.exchange("POST", OK, "Expect: 100-continue")
        assert head.field("Expect") is None
