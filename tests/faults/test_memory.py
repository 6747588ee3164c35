"""A slow reader of a fast origin costs no memory to speak of."""

import time

from tests.faults.rig import MIB, Rig
from tests.servers.fetch import same

OBJECT_MIB = 1024
RATE = 100_000
"""Bytes a second."""
SECONDS = 10.0
GROWTH = 8 * MIB


def test_slow_reader_of_a_fast_origin(rig: Rig) -> None:
    warm_up = rig.put(64)
    warm_up.read()
    warm_up.read()
    idle = rig.proxy.rss()
    subject = rig.put(OBJECT_MIB)
    highest, position = 0, 0
    with subject.stream(receive_buffer=8192) as reader:
        began = time.monotonic()
        while time.monotonic() - began < SECONDS:
            piece = reader.recv(RATE // 10)
            same(subject.content, position, piece)
            position += len(piece)
            highest = max(highest, rig.proxy.rss())
            time.sleep(max(0.0, began + position / RATE - time.monotonic()))
    assert position >= RATE * SECONDS * 0.8
    assert highest - idle <= GROWTH, f"{(highest - idle) / MIB:.1f} MiB more"
    # The origin was held up, not the disk filled.
    assert rig.origin.body_bytes(subject.name) < 64 * MIB
