"""Free ports of 127.0.0.1: no two servers are told the same, also where tests run side by side."""

import os
import random
import socket

HOST = "127.0.0.1"
FIRST, LAST = 10240, 32767
"""Below the kernel's ephemeral ports: no outgoing connection takes such a port while its server is down,
and none connects to itself."""
_handed_out: set[int] = set()


def _candidates() -> list[int]:
    """Ports in no order; of as many processes of tests as there are, each has its own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    mine = [port for port in range(FIRST + worker, LAST + 1, workers) if port not in _handed_out]
    return random.SystemRandom().sample(mine, 200)


def bound(port: int | None = None) -> socket.socket:
    """A TCP socket bound to the port, or to a free one."""
    for each in _candidates() if port is None else [port]:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((HOST, each))
        except OSError as error:
            sock.close()
            if port is not None:
                raise AssertionError(f"port {port} was taken") from error
        else:
            _handed_out.add(each)
            return sock
    raise AssertionError("no free port")


def is_listening(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        return sock.connect_ex((HOST, port)) == 0


def free_port() -> int:
    """A port that nobody has now, for a server that must be told its port."""
    with bound() as sock:
        port: int = sock.getsockname()[1]
        return port
