#!/usr/bin/env bash
# libfaketime makes Python's threads take the interpreter's lock from each other all the time, unless
# FAKETIME_FORCE_MONOTONIC_FIX=0.
#
# Guess: with FAKETIME_DONT_FAKE_MONOTONIC=1 nothing changes but the time of day.
# Seen with libfaketime 0.9.10 (Debian 12) and CPython 3.11.7: of two busy threads one gets through a tenth to a hundredth of the rounds in a
# second, as the machine is: the wait for the lock, 5 ms in pthread_cond_timedwait, is over at once. time.sleep() raises
# OSError 22 either way (clock_nanosleep).
set -euo pipefail
library=$(echo /usr/lib/*/faketime/libfaketimeMT.so.1)
[ -e "$library" ] || { echo "install Debian's faketime" >&2; exit 1; }
program='
import threading, time

over, rounds = False, 0

def busy():
    while not over:
        pass

thread = threading.Thread(target=busy)
thread.start()
end = time.monotonic() + 1.0
while time.monotonic() < end:
    rounds += 1
over = True
thread.join()
try:
    time.sleep(0.01)
    slept = "sleeps"
except OSError as error:
    slept = f"error {error.errno}"
print(rounds, slept)
'
run() { env FAKETIME=+0 LD_PRELOAD="$library" FAKETIME_DONT_FAKE_MONOTONIC=1 "$@" python3 -c "$program"; }
read -r plain sleeps <<<"$(run UNUSED=)"
read -r fixed _ <<<"$(run FAKETIME_FORCE_MONOTONIC_FIX=0)"
echo "rounds in a second: $plain; with FAKETIME_FORCE_MONOTONIC_FIX=0: $fixed; time.sleep(): $sleeps"
[ $((plain * 2)) -lt "$fixed" ] && [ "$sleeps" = "error 22" ] || { echo "it changed" >&2; exit 1; }
