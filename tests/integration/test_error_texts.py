"""What failed is told in words: to clients, in /readyz, in labels and in the log, where nothing of others breaks a line."""

import json
import re
from collections.abc import Iterator
from typing import cast

import pytest

from tests.integration.rig import Rig, at_once, refused
from tests.servers.deadline import until
from tests.servers.fetch import fetch
from tests.servers.origin import Fault, Origin
from tests.servers.ports import HOST, free_port
from tests.servers.proxycache import Config, Proxycache
from tests.servers.tls import Certificates, TlsFront

PYTHON = re.compile(r"[a-z][A-Z]\w*|Error|Exception|Errno|Failure|<|>|\[|\bb'|\b\w+\.\w+\.\w+\b|Timeout\b|\bNone\b")
"""Names as Python has them: of classes, modules and attributes, representations of objects."""

SECRET = "s3cr3t"


@pytest.fixture(scope="module")
def config() -> Config:
    """Little patience, and a parameter that is nobody's business."""
    fetch = {"connect_timeout": 1, "first_byte_timeout": 1, "idle_timeout": 1}
    return {"fetch": fetch, "origin": {"ignore_query": ["token"]}}


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, origin: Origin, config: Config) -> Iterator[Proxycache]:
    """With origins beside the right one that fail each in its own way."""
    directory = tmp_path_factory.mktemp("proxycache")
    with TlsFront(Certificates(directory), origin.port) as untrusted:
        proxy = Proxycache(directory, origin.url, config=config)
        right = cast(list[object], proxy.config["origin"])[0]
        others = {"closed": f"http://{HOST}:{free_port()}/", "untrusted": untrusted.url}
        proxy.config["origin"] = [
            right,
            *({"name": name, "prefix": f"/{name}/", "url": url} for name, url in others.items()),
        ]
        with proxy:
            yield proxy
        proxy.assert_clean_log()


FAULTS = {
    "closed before": (Fault(refuse=True), 502, "the connection was closed"),
    "reset before": (Fault(refuse=True, reset=True), 502, "the connection was lost"),
    "nonsense": (Fault(raw=b"nonsense\r\n\r\n"), 502, "not HTTP"),
    "a field without a colon": (Fault(raw=b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n"), 502, "not HTTP"),
    "a length that is none": (Fault(raw=b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), 502, "not HTTP"),
    "too large": (Fault(headers=(("X", "y" * 300_000),)), 502, "too l"),
    "another protocol": (Fault(raw=b"HTTP/1.1 101 Switching\r\n\r\n"), 502, "changed the protocol"),
    "a coding of its own": (Fault(headers=(("Transfer-Encoding", "gzip"),)), 502, "a transfer coding"),
    "late": (Fault(delay=60), 504, "no answer from the origin in 1 s"),
    "closed in mid-head": (Fault(raw=b"HTTP/1.1 200 OK\r\nX: y"), 502, "the connection was closed"),
}


@pytest.fixture(scope="module")
def answers(numbered: Rig) -> dict[str, tuple[str, str]]:
    """The line that a client gets for each, and what /readyz says after it; all are asked side by side."""
    films = {name: numbered.put(1000) for name in FAULTS}
    for name, film in films.items():
        film.fault(FAULTS[name][0], None)
    found = at_once([film.get for film in films.values()])
    asked = {name: refused(answer, FAULTS[name][1]) for name, answer in zip(films, found, strict=True)}
    state = fetch(numbered.proxy.admin_url + "readyz").body.decode()
    numbered.origin.clear_faults()
    return {name: (line, state) for name, line in asked.items()}


def in_words(text: str) -> None:
    """Nothing of Python."""
    found = PYTHON.search(text)
    assert found is None, f"{found[0]!r} in {text!r}"


@pytest.mark.parametrize("name", FAULTS)
def test_what_an_answer_lacked(answers: dict[str, tuple[str, str]], name: str) -> None:
    line, _ = answers[name]
    assert FAULTS[name][2] in line, line
    in_words(line)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("closed", "the connection was refused"),
        ("untrusted", "TLS failed: certificate verify failed"),
    ],
)
def test_what_kept_a_connection_away(rig: Rig, name: str, words: str) -> None:
    line = refused(fetch(f"{rig.proxy.url}{name}/film"), 502)
    assert line.startswith(f"origin cannot be reached: {words}"), line
    in_words(line)
    state = json.loads(fetch(rig.proxy.admin_url + "readyz").body)
    assert state["origins"][name].startswith(words)
    in_words(state["origins"][name])


def test_labels_are_words(answers: object, rig: Rig) -> None:
    kinds = {
        name.partition('kind="')[2].rstrip('"}') for name in rig.proxy.metrics() if "origin_failures_total" in name
    }
    assert kinds >= {"unreachable", "timeout", "malformed"}
    assert all(re.fullmatch("[a-z]+", kind) for kind in kinds), kinds


def test_a_body_that_breaks_off_is_logged_in_words(rig: Rig) -> None:
    film = rig.put(100_000)
    film.fault(Fault(cut_after=1000, reset=True))
    before = len(rig.proxy.log())
    film.get_whole()
    (line,) = [line for line in rig.proxy.log()[before:].splitlines() if "resuming" in line]
    assert line.endswith(f"{film.path}>: the origin's body broke off: the connection was lost; resuming at 1000")
    in_words(line.partition(">: ")[2])


def test_a_line_is_a_line(rig: Rig) -> None:
    """Whatever is asked for: neither quotes nor length, user nor token."""
    before = len(rig.proxy.log())
    film = rig.put(b"film")
    film.fault(Fault(refuse=True, reset=True), None)
    long = "x" * 10_000
    for query in (f'"{long}', f"token={SECRET}", f"a=1;token={SECRET}", f"%74oken={SECRET}"):
        fetch(f"{film.url}?{query}")
    fetch(f"{film.url}?last")
    until(lambda: "?last" in rig.proxy.log()[before:], "the last of them")
    log = rig.proxy.log()[before:]
    assert "?\\x22xxx" in log
    assert "token=***" in log
    assert "retrying" in log
    assert SECRET not in log
    assert max(map(len, log.splitlines())) < 2000
