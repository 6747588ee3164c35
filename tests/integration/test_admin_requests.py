"""What the admin listener does not want to be asked: a 4xx at once, without a body read and without a traceback."""

import pytest

from tests.integration.replies import Reply, reply_to
from tests.integration.rig import Rig
from tests.servers.fetch import Answer, fetch, raw
from tests.servers.ports import HOST
from tests.servers.proxycache import Config

CLOSE = b"Connection: close\r\n"
LARGE = 10 << 30


@pytest.fixture(scope="module")
def config() -> Config:
    """One name beside those that everybody has."""
    return {"server": {"admin_hosts": ["stats.example"]}}


def refusal(rig: Rig, data: bytes) -> Reply:
    """The one line in answer to a request, sent as it is."""
    reply = reply_to(rig.proxy.admin_port, data)
    assert reply.reason
    assert reply.fields.get("connection") == "close", reply
    return reply


def asked_as(rig: Rig, host: str, path: str = "healthz") -> Answer:
    """The answer to who knows us by that name."""
    return fetch(rig.proxy.admin_url + path, headers=[("Host", host)])


class TestHost:
    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:8081", "10.0.0.1", "stats.example:80"])
    def test_one_of_ours(self, rig: Rig, host: str) -> None:
        assert (asked_as(rig, host).status, asked_as(rig, host).body) == (200, b"ok\n")

    @pytest.mark.parametrize("host", ["evil.example", "evil.example:8081", "127.0.0.1.evil.example", "", "[", "a]:b"])
    @pytest.mark.parametrize("path", ["healthz", "metrics", "readyz", "nothing"])
    def test_one_of_somebody_else(self, rig: Rig, host: str, path: str) -> None:
        answer = asked_as(rig, host, path)
        assert answer.status == 421, answer
        assert answer.field("Content-Type") == "text/plain"
        assert b"server.admin_hosts" in answer.body
        assert b"proxycache_" not in answer.body

    def test_none_at_all(self, rig: Rig) -> None:
        assert refusal(rig, b"GET /healthz HTTP/1.1\r\n" + CLOSE + b"\r\n").status == 400
        assert b"\r\n\r\nok\n" in raw(HOST, rig.proxy.admin_port, b"GET /healthz HTTP/1.0\r\n\r\n")

    def test_the_public_listener_knows_every_name(self, rig: Rig) -> None:
        film = rig.put(1000)
        assert film.get(None, ("Host", "evil.example")).status == 200


class TestBody:
    @pytest.mark.parametrize("method", [b"POST", b"PUT", b"GET", b"HEAD", b"OPTIONS", b"NONSENSE"])
    @pytest.mark.parametrize(
        "framing", [b"Content-Length: %d" % LARGE, b"Content-Length: 1", b"Transfer-Encoding: chunked"]
    )
    def test_it_is_refused_before_it_comes(self, rig: Rig, method: bytes, framing: bytes) -> None:
        head = method + b" /healthz HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n" + framing + b"\r\n\r\n"
        assert refusal(rig, head).status == 413

    def test_none_of_it_is_kept(self, rig: Rig) -> None:
        before = rig.proxy.rss()
        head = b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % LARGE
        assert refusal(rig, head + bytes(64 << 20)).status == 413
        assert rig.proxy.rss() - before < 16 << 20

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "NONSENSE"])
    def test_without_one_it_is_the_method(self, rig: Rig, method: str) -> None:
        answer = fetch(rig.proxy.admin_url + "healthz", method=method)
        assert (answer.status, answer.field("Allow")) in [(405, "GET, HEAD"), (405, "HEAD, GET")]


class TestTarget:
    @pytest.mark.parametrize(
        "target",
        [
            b"/\xff",
            b"/%ff",
            b"/healthz%ff",
            b"/%c3%28",
            b"/%00",
            b"/%0d%0aX:%20y",
            b"/healthz%2f",
            b"//",
            b"/./healthz",
            b"/../healthz",
            b"//evil.example/healthz",
            b"/" + b"a" * 8000,
            b"/%",
            b"/%zz",
            b"/healthz;a",
            b"*",
            b"healthz",
            b"?",
            b"http://localhost/healthz",
            b"http://evil.example/healthz",
            b"localhost:8081",
            b"\xff\xfe",
        ],
    )
    @pytest.mark.parametrize("method", [b"GET", b"OPTIONS", b"POST", b"CONNECT"])
    def test_nothing_is_there(self, rig: Rig, method: bytes, target: bytes) -> None:
        reply = reply_to(
            rig.proxy.admin_port, method + b" " + target + b" HTTP/1.1\r\nHost: localhost\r\n" + CLOSE + b"\r\n"
        )
        assert reply.status in (400, 404, 405), reply

    @pytest.mark.parametrize("method", [b"\xff", b"G\xc3\xa9T", b"G(T"])
    def test_no_method(self, rig: Rig, method: bytes) -> None:
        reply = reply_to(rig.proxy.admin_port, method + b" /healthz HTTP/1.1\r\nHost: localhost\r\n" + CLOSE + b"\r\n")
        assert reply.status in (400, 405), reply

    def test_a_query_changes_nothing(self, rig: Rig) -> None:
        for query in ("?", "?a=%ff&b", "?" + "a&" * 4000):
            assert fetch(rig.proxy.admin_url + "healthz" + query).body == b"ok\n", query


def test_a_head_that_does_not_end(rig: Rig) -> None:
    """What is refused at the public listener is refused here."""
    for line in (b"X: " + b"y" * 100_000, b"A: b\r\n c", b"Host: localhost"):
        assert refusal(rig, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + line + b"\r\n\r\n").status in (400, 431)
