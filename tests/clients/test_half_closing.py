"""socat and busybox nc, which pass on what their standard input says, and its end, before they have read anything."""

from urllib.parse import urlsplit

import pytest

from tests.clients.front import Front
from tests.clients.programs import run
from tests.servers.origin import Pattern

MIB = 1 << 20


@pytest.mark.parametrize("program", ["socat", "nc"])
@pytest.mark.parametrize("length", [100, 5 * MIB])
def test_whole_cold_and_hot(front: Front, program: str, length: int) -> None:
    content = Pattern(length, seed=1).read(0, length)
    url = urlsplit(front.put(f"{program}/{length}.bin", content))
    request = f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode()
    command = {
        "socat": ["socat", "-t", "60", "-", f"TCP:{url.netloc}"],
        "nc": ["busybox", "nc", str(url.hostname), str(url.port)],
    }
    for _ in ("cold", "hot"):
        said = run(*command[program], standard_input=request, encoding="latin-1")
        head, _, body = said.encode("latin-1").partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert body == content
