"""An origin, the product and objects, with the questions that all tests ask."""

import contextlib
import itertools
import json
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.faults.faultydisk import FaultyDisk
from tests.faults.index import Index
from tests.servers.deadline import PATIENCE_SECONDS, until
from tests.servers.fetch import Answer, Headers, Stream, fetch, same
from tests.servers.origin import Fault, Origin, Pattern, Served
from tests.servers.proxycache import Proxycache

MIB = 1 << 20
CHUNK = MIB
"""The product's default."""
HIT = "proxycache; hit"
UNAVAILABLE = "proxycache; fwd=bypass; detail=database-unavailable"

Config = Mapping[str, object]
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Rig:
    """The product before an origin, on a disk."""

    origin: Origin
    proxy: Proxycache
    disk: FaultyDisk

    @property
    def index(self) -> Index:
        """The database."""
        return Index(self.proxy.database)

    def put(self, mib: float) -> "Subject":
        """Register a new object, like no other, at the origin."""
        number = next(_numbers)
        name = f"film{number}"
        content = Pattern(int(mib * MIB), seed=number)
        source = self.origin.put(name, content)
        return Subject(self, name, content, source, self.proxy.url + name)

    def put_cached(self, mib: float) -> "Subject":
        """The same, with all of it cached and recorded; the origin's log is empty then."""
        subject = self.put(mib)
        subject.read()
        subject.wait_recorded()
        self.origin.clear_log()
        return subject

    def metric(self, name: str) -> float:
        """A metric now; 0 if it has no sample yet."""
        return self.proxy.metrics().get(f"proxycache_{name}", 0.0)

    def meter(self) -> Callable[[str], float]:
        """Tells by how much a metric has grown since this call."""
        before = self.proxy.metrics()

        def grown(name: str) -> float:
            return self.metric(name) - before.get(f"proxycache_{name}", 0.0)

        return grown

    def ready(self) -> tuple[bool, str]:
        """What /readyz says: whether it is ready, and what is not, in words joined by commas."""
        try:
            with urllib.request.urlopen(self.proxy.admin_url + "readyz", timeout=PATIENCE_SECONDS) as answer:
                state = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                state = json.load(error)
        failing = [name for name in ("database", "disk") if state[name] != "ok"]
        return state["ready"], ",".join(failing)

    def files_overhead(self) -> int:
        """Bytes that the file system may need beside those of the files: 64 KiB a file."""
        return sum(1 << 16 for _ in self.proxy.cache_dir.glob("[0-9a-f][0-9a-f]/*"))

    def blocks_on_disk(self) -> int:
        """Bytes that the cache files really take, at one moment: looked at until two looks agree.

        Else a chunk might be counted in a file that it leaves, and its successor in a file looked at later.
        """
        before = None
        while (now := self._blocks_by_file()) != before:
            before = now
        return sum(now.values())

    def _blocks_by_file(self) -> dict[str, int]:
        found = {}
        for path in self.proxy.cache_dir.glob("[0-9a-f][0-9a-f]/*"):
            with contextlib.suppress(FileNotFoundError):
                found[path.name] = path.stat().st_blocks * 512
        return found


def cache_status(answer: Answer) -> str:
    """What the product says of an answer."""
    return answer.cache_status


@dataclass(frozen=True)
class Subject:
    """An object, with its true content."""

    rig: Rig
    name: str
    content: Pattern
    source_url: str
    url: str

    @property
    def length(self) -> int:
        """The complete length."""
        return self.content.length

    @property
    def all_chunks(self) -> set[int]:
        """The indices of its chunks."""
        return set(range(-(-self.length // CHUNK)))

    def read(self, start: int = 0, stop: int | None = None, *, timeout: float = PATIENCE_SECONDS) -> Answer:
        """Read all of it, or bytes from start to stop, which have to be right and complete."""
        stop = self.length if stop is None else stop
        headers = [] if (start, stop) == (0, self.length) else [("Range", f"bytes={start}-{stop - 1}")]
        answer = self.get(headers, timeout=timeout)
        assert answer.status == (206 if headers else 200), f"{answer.status}: {answer.body[:200]!r}"
        same(self.content, start, answer.body)
        assert answer.complete, f"aborted after {len(answer.body)} bytes"
        assert len(answer.body) == stop - start
        return answer

    def get(self, headers: Headers = (), *, timeout: float = PATIENCE_SECONDS) -> Answer:
        """Whatever comes."""
        return fetch(self.url, headers=headers, timeout=timeout)

    def stream(self, receive_buffer: int | None = None) -> Stream:
        """A client that reads as the test wants it."""
        return Stream(self.url, receive_buffer=receive_buffer)

    def read_as_hit(self) -> None:
        """Read all of it: a hit, for which the origin is not asked."""
        asked = len(self.rig.origin.requests(self.name))
        answer = self.read()
        assert cache_status(answer) == HIT
        assert len(self.rig.origin.requests(self.name)) == asked, "the origin was asked"

    def until_hit(self) -> None:
        """Read it, exactly each time, until it is a hit that asks the origin nothing."""

        def is_hit() -> bool:
            asked = len(self.rig.origin.requests(self.name))
            status = cache_status(self.read())
            return status == HIT and len(self.rig.origin.requests(self.name)) == asked

        until(is_hit, f"a hit on {self.name}")

    def wait_recorded(self, chunks: set[int] | None = None) -> None:
        """Wait until all its chunks, or these, are in the database."""
        wanted = self.all_chunks if chunks is None else chunks
        until(lambda: self.recorded() >= wanted, f"{self.name} to be recorded")

    def recorded(self) -> set[int]:
        """Its chunks in the database; none if there is no database."""
        try:
            return self.rig.index.chunks(self.source_url)
        except sqlite3.OperationalError:
            return set()

    @property
    def file(self) -> Path:
        """Its cache file."""
        id = self.rig.index.id(self.source_url)
        return self.rig.proxy.cache_dir / id[:2] / id

    def sent(self) -> list[tuple[int, int]]:
        """What the origin sent of it since its log was cleared, once that is over: half-open intervals."""
        self.rig.origin.wait_for(lambda log: all(served.done for served in log))
        served = self.rig.origin.requests(self.name)
        return [(begin, begin + each.sent) for each in served if each.sent for begin in [_begin(each)]]

    def chunks_sent(self) -> set[int]:
        """The chunks of which the origin sent bytes since its log was cleared."""
        return {index for start, stop in self.sent() for index in range(start // CHUNK, -(-stop // CHUNK))}

    def bytes_sent(self) -> int:
        """How many bytes of it the origin sent since its log was cleared."""
        return sum(stop - start for start, stop in self.sent())

    def change(self) -> "Subject":
        """Replace it at the origin by another version of the same length."""
        content = Pattern(self.length, seed=next(_numbers))
        self.rig.origin.put(self.name, content, etag=f'"v{content.seed}"')
        return replace(self, content=content)

    def break_requests(self, condition: Callable[[Served], bool]) -> None:
        """From now on the origin answers 503 to requests for it that meet the condition."""
        self.rig.origin.fault(self.name, Fault(status=503), None, when=condition)


def _begin(served: Served) -> int:
    if served.status != 206 or served.range is None:
        return 0
    return int(served.range.removeprefix("bytes=").partition("-")[0])
