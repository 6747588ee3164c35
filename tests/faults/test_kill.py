"""Killed at any moment of a download: what was recorded is right, and is not fetched again."""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.conftest import MakeRig
from tests.faults.killing import kill_during
from tests.faults.rig import MIB, Rig

KILLS = 50
LANES = 2
"""Products that are killed side by side: it is their starts that take the time."""
OBJECT_MIB = 16
RATE = 40 * MIB
AFTER = 4 * MIB
"""Some kills come after the last byte, as late as that many more would have taken."""


def test_at_fifty_moments(make_rig: MakeRig, tmp_path: Path) -> None:
    rigs = [make_rig({}) for _ in range(LANES)]
    with ThreadPoolExecutor(LANES) as pool:
        lanes = [pool.submit(kill_and_read, rig, tmp_path, seed) for seed, rig in enumerate(rigs)]
        kept = sum(lane.result() for lane in lanes)
    # About half of a download was over when the kill came, and much of that was recorded.
    assert kept > KILLS * OBJECT_MIB / 8


def kill_and_read(rig: Rig, directory: Path, seed: int) -> int:
    """Kill it so often; the number of chunks that were recorded before."""
    moments = random.Random(seed)
    kept = 0
    rig.proxy.start()
    for number in range(KILLS // LANES + (seed < KILLS % LANES)):
        subject = rig.put(OBJECT_MIB)
        rig.origin.throttle(subject.name, RATE)
        moment = moments.randrange(subject.length + AFTER)
        kill_during(subject, min(moment, subject.length), max(0, moment - subject.length) / RATE)
        recorded = rig.index.copied(directory / f"{seed}-{number}").chunks(subject.source_url)
        kept += len(recorded)
        rig.origin.throttle(subject.name, None)
        rig.proxy.start()
        rig.origin.clear_log()
        subject.read()
        assert subject.chunks_sent() == subject.all_chunks - recorded, f"killed after {moment} bytes"
        assert subject.bytes_sent() == subject.length - len(recorded) * MIB
    return kept
