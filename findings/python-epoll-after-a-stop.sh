#!/usr/bin/env bash
# select.epoll.poll() of CPython tells of no event, though there is one, where the process was stopped past the timeout.
#
# Guess: what a descriptor holds when the process goes on is told, since the system call was only interrupted.
# Seen with CPython 3.11.7 and 3.13.0 on Linux 6.18: a stop ends epoll_wait with EINTR; CPython reckons what is left of
# the timeout, and where that is nothing returns an empty list without having looked. The kernel itself goes on with
# poll and select, which tell.
# So an event loop runs its overdue timers (no byte for 30 s!) before it reads what came meanwhile; Twisted's is one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/waits.py" <<'PYTHON'
import os
import select
import sys


def waits(how, readable, seconds):
    if how == "select":
        return select.select([readable], [], [], seconds)[0]
    poller = select.epoll() if how == "epoll" else select.poll()
    poller.register(readable, select.EPOLLIN if how == "epoll" else select.POLLIN)
    return poller.poll(seconds if how == "epoll" else seconds * 1000)


readable, writable = os.pipe()
print(os.getpid(), writable, flush=True)
first = waits(sys.argv[1], readable, 1.0)
print(len(first), len(waits(sys.argv[1], readable, 0)), flush=True)
PYTHON
cat >"$folder/stops.py" <<'PYTHON'
import os
import signal
import subprocess
import sys
import time

for how in ("epoll", "poll", "select"):
    child = subprocess.Popen([sys.executable, sys.argv[1], how], stdout=subprocess.PIPE, text=True)
    pid, writable = map(int, child.stdout.readline().split())
    time.sleep(0.3)
    os.kill(pid, signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)
    with open(f"/proc/{pid}/fd/{writable}", "wb") as pipe:
        pipe.write(b"x")
    time.sleep(1.2)
    os.kill(pid, signal.SIGCONT)
    print(how, child.stdout.readline().strip())
    child.wait()
PYTHON
seen=$(python3 "$folder/stops.py" "$folder/waits.py")
echo "events told by the wait that was stopped, and by the next look:"
echo "$seen"
[ "$seen" = $'epoll 0 1\npoll 1 1\nselect 1 1' ] || { echo "it changed" >&2; exit 1; }
