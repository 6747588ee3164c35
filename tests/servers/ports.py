"""Free ports of 127.0.0.1."""

import random
import socket

HOST = "127.0.0.1"
FIRST, LAST = 10240, 32767
"""Below the kernel's ephemeral ports: no outgoing connection takes such a port while its server is down,
and none connects to itself."""


def bound(port: int | None = None) -> socket.socket:
    """A TCP socket bound to the port, or to a free one."""
    tries = [port] if port is not None else random.SystemRandom().sample(range(FIRST, LAST + 1), 200)
    for each in tries:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((HOST, each))
        except OSError as error:
            sock.close()
            if port is not None:
                raise AssertionError(f"port {port} was taken") from error
        else:
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
