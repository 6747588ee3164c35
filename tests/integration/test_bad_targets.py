"""Whatever the target says, the origin is never asked for anything outside of its base path."""

import subprocess

import pytest

from tests.integration.replies import Reply, reply_to
from tests.integration.rig import Rig
from tests.servers.fetch import fetch, raw
from tests.servers.origin import Origin
from tests.servers.ports import HOST
from tests.servers.proxycache import Config

CLIMBING = [
    "/public/..",
    "/public/../",
    "/public/../secret",
    "/public/a/../../secret",
    "/public/a/..",
    "/public/..?x",
    "/public/%2e%2e/secret",
    "/public/%2E%2E/secret",
    "/public/.%2e/secret",
    "/public/%2e./secret",
    "/public/..%2fsecret",
    "/public/..%2Fsecret",
    "/public/%2e%2e%2fsecret",
    "/public/a%2f..%2f..%2fsecret",
    "/public/..\\secret",
    "/public/a\\..\\..\\secret",
    "/public/..%5csecret",
    "/public/%2e%2e%5csecret",
    "/public//../secret",
    "/../public/secret",
    "/..",
    "/%2e%2e/%2e%2e/etc/passwd",
    "http://films.example/public/../secret",
    "http://films.example/../secret",
]
NUL = ["/public/%00", "/public/a%00b", "/public/a%00/../b", "/public/..%00/secret"]
NO_TARGETS = [
    b"*",
    b"",
    b"public/object",
    b"a",
    b"?",
    b"\\public\\object",
    b"ftp://a/public/object",
    b"file:///etc/passwd",
    b"http:/public/object",
    b"http:public/object",
    b"http:///public/object",
    b"http://user@films.example/public/object",
    b"http://films.example:port/public/object",
    b"//public/object\x7f",
    b"/public/\xff",
    b"/public/\xc3\xa9",
    b"/public/\x01",
    b"/public/a#b",
    b"/public/#",
]


@pytest.fixture(scope="module")
def config(origin: Origin) -> Config:
    """One folder of the origin is public, by another name; what it lies at has names, too."""
    return {
        "server": {"hosts": ["films.example", "Other.Example:8080", "[::2]"]},
        "origin": [{"name": "library", "prefix": "/public/", "url": origin.url + "library/"}],
    }


@pytest.fixture(autouse=True)
def objects(rig: Rig) -> None:
    """What may be had, and what may not."""
    rig.origin.put("/library/object", b"public")
    for path in ("/secret", "/library/../secret", "/etc/passwd", "/object", "/"):
        rig.origin.put(path, b"SECRET")


def ask(rig: Rig, target: bytes) -> Reply:
    """Ask for a target as it stands; the origin sees nothing outside of its folder."""
    reply = reply_to(rig.proxy.port, b"GET " + target + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b"SECRET" not in reply.body
    for served in rig.origin.log:
        assert served.target.startswith(b"/library/"), served
    return reply


@pytest.mark.parametrize("target", CLIMBING)
def test_climbing(rig: Rig, target: str) -> None:
    reply = ask(rig, target.encode())
    assert reply.status == 400, reply
    assert reply.reason
    assert rig.origin.log == []


@pytest.mark.parametrize("target", NUL)
def test_nul(rig: Rig, target: str) -> None:
    reply = ask(rig, target.encode())
    assert reply.status == 400, reply
    assert reply.reason
    assert rig.origin.log == []


@pytest.mark.parametrize("target", NO_TARGETS)
def test_what_is_no_target(rig: Rig, target: bytes) -> None:
    reply = ask(rig, target)
    assert reply.status in (400, 404, 405), reply
    assert reply.reason
    assert rig.origin.log == []


@pytest.mark.parametrize(
    "authority",
    [
        "",
        "http://127.0.0.1:{port}",
        "http://localhost:{port}",
        "HTTP://LocalHost:{port}",
        "http://[::ffff:127.0.0.1]:{port}",
        "http://films.example",
        "HTTP://FILMS.example:80",
        "https://films.example",
        "https://films.example:443",
        "http://other.example:8080",
        "https://other.example:8080",
        "http://[0::2]",
    ],
)
def test_absolute_or_not_it_is_the_same_object(rig: Rig, authority: str) -> None:
    target = authority.format(port=rig.proxy.port) + "/public/object"
    reply = ask(rig, target.encode())
    assert (reply.status, reply.body) == (200, b"public"), reply


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"POST"])
@pytest.mark.parametrize(
    "authority",
    [
        "http://a",
        "http://elsewhere.example",
        "https://elsewhere.example",
        "http://127.0.0.1",
        "http://127.0.0.2:{port}",
        "http://localhost",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1:{other}",
        "http://127.0.0.1.evil.example:{port}",
        "http://films.example:8080",
        "http://other.example",
        "http://sub.films.example",
        "http://films.example.",
    ],
)
def test_what_is_for_somebody_else(rig: Rig, method: bytes, authority: str) -> None:
    """Whatever the Host field says, which the target's own replaces (RFC 9112, section 3.2.2)."""
    target = authority.format(port=rig.proxy.port, other=rig.origin.port) + "/public/object"
    for host in (b"films.example", target.split("/")[2].encode()):
        head = method + b" " + target.encode() + b" HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"
        raw_reply = raw(HOST, rig.proxy.port, head)
        assert raw_reply.startswith(b"HTTP/1.1 421 Misdirected Request\r\n"), raw_reply
    assert rig.origin.log == []


def test_curl_by_a_proxy_that_is_none(rig: Rig) -> None:
    command = ["curl", "-sS", "-w", " %{http_code}", "--proxy", rig.proxy.url, "http://elsewhere.example/public/object"]
    said = subprocess.run(command, capture_output=True, timeout=30, text=True).stdout
    assert said == "not a proxy for others, nor known as elsewhere.example:80\n 421"
    ours = subprocess.run([*command[:-1], rig.proxy.url + "public/object"], capture_output=True, timeout=30, text=True)
    assert ours.stdout == "public 200", ours


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"/public",
        b"/publi",
        b"/publica/object",
        b"/PUBLIC/object",
        b"http://films.example",
        b"http://films.example?x",
        b"//public/object",
    ],
)
def test_elsewhere_there_is_nothing(rig: Rig, target: bytes) -> None:
    reply = ask(rig, target)
    assert reply.status == 404, reply
    assert reply.reason
    assert rig.origin.log == []


@pytest.mark.parametrize(
    "target",
    [
        b"/public/...",
        b"/public/..a/b",
        b"/public/a../b",
        b"/public/.",
        b"/public/./object",
        b"/public/%252e%252e/secret",
        b"/public/..%252fsecret",
        b"/public/%c0%ae%c0%ae/secret",
        b"/public/?../secret",
        b"/public/object?/../../secret",
        b"/public/%0d%0aX:%20y",
        b"/public/%20",
        b"/public//etc/passwd",
        b"/public/http://elsewhere.example/",
        b"/public/@elsewhere.example/",
        b"/public/:80/",
    ],
)
def test_odd_ones_stay_inside(rig: Rig, target: bytes) -> None:
    """They do not climb, and reach the origin as they are."""
    reply = ask(rig, target)
    assert reply.status in (200, 404), reply
    assert [served.target for served in rig.origin.log] == [b"/library/" + target.removeprefix(b"/public/")]


def test_head_and_options_do_not_climb_either(rig: Rig) -> None:
    for method in ("HEAD", "OPTIONS"):
        assert fetch(rig.proxy.url + "public/../secret", method=method).status == 400
    assert rig.origin.log == []
