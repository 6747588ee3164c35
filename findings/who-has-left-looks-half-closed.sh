#!/usr/bin/env bash
# A client that has left looks like one that has ended its half of the connection; the first bytes of the answer tell.
#
# Guess: close() and shutdown(SHUT_WR) look different at the other end, at least to epoll (EPOLLHUP after close).
# Seen on Linux 6.18, over TCP: both are one FIN: EPOLLIN and EPOLLRDHUP, recv() gives nothing, and no EPOLLHUP, however long
# one waits. Once anything is sent, the one who has left answers with RST, and an epoll that watches the socket for
# nothing at all (events = 0) tells EPOLLHUP | EPOLLERR at once; from the other nothing comes, and he reads on.
# So a server finds out who has left, without harm to who has not, by sending what every answer begins with ("HTTP/1.1 ")
# before it knows the rest. Over a Unix socket EPOLLHUP comes with close() by itself.
set -euo pipefail
python3 - <<'PYTHON'
import select
import socket


def pair(family):
    if family is socket.AF_UNIX:
        return socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        return client, listening.accept()[0]


NAMES = ("EPOLLERR", "EPOLLHUP", "EPOLLIN", "EPOLLRDHUP")


def seen(watch, seconds):
    events = dict(watch.poll(seconds)).values()
    return [name for name in NAMES for each in events if each & getattr(select, name)]


for family in (socket.AF_INET, socket.AF_UNIX):
    for leaves in (False, True):
        client, server = pair(family)
        client.close() if leaves else client.shutdown(socket.SHUT_WR)
        ends, hangs_up = select.epoll(), select.epoll()
        ends.register(server, select.EPOLLIN | select.EPOLLRDHUP)
        hangs_up.register(server, 0)
        told = [family.name, "has left" if leaves else "half-closed", seen(ends, 1), server.recv(1), seen(hangs_up, 1)]
        if not told[-1]:
            server.send(b"HTTP/1.1 ")
            told += ["after nine bytes:", seen(hangs_up, 1)]
        if not leaves:
            told += ["the client reads", client.recv(100)]
        print(*told)
PYTHON
