"""An origin, the product before it, and assertions on what its clients get."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from tests.servers.deadline import until
from tests.servers.fetch import Answer, Stream, fetch, same
from tests.servers.origin import Body, Fault, Origin, Pattern, Served
from tests.servers.pattern import body_of
from tests.servers.proxycache import Proxycache

KIB = 1 << 10
MIB = 1 << 20

Headers = tuple[tuple[str, str], ...]
T = TypeVar("T")


@dataclass(frozen=True)
class Thing:
    """An object at an origin, as clients of the product see it."""

    origin: Origin
    path: str
    url: str
    body: Body

    @property
    def length(self) -> int:
        """Its complete length."""
        return self.body.length

    def get(self, range: str | None = None, *headers: tuple[str, str], method: str = "GET") -> Answer:
        """Ask for it, or for a range such as "0-99"."""
        return fetch(self.url, headers=_ranged(range, headers), method=method)

    def stream(self, range: str | None = None, *headers: tuple[str, str], buffer: int | None = None) -> Stream:
        """Ask for it, to read as the test wants."""
        return Stream(self.url, _ranged(range, headers), receive_buffer=buffer)

    def get_whole(self, *headers: tuple[str, str]) -> Answer:
        """Ask for all of it, which must come."""
        answer = self.get(None, *headers)
        exact(answer, self.body)
        return answer

    def get_part(self, start: int, stop: int, *headers: tuple[str, str]) -> Answer:
        """Ask for `[start, stop)`, which must come."""
        answer = self.get(f"{start}-{stop - 1}", *headers)
        exact_part(answer, self.body, start, stop)
        return answer

    def fault(
        self, fault: Fault, times: int | None = 1, *, when: Callable[[Served], bool] = lambda served: True
    ) -> None:
        """Break the next answers."""
        self.origin.fault(self.path, fault, times, when=when)

    @property
    def requests(self) -> list[Served]:
        """What the origin was asked for it."""
        return self.origin.requests(self.path)

    @property
    def ranges(self) -> list[str | None]:
        """The ranges the origin was asked for."""
        return [served.range for served in self.requests]

    @property
    def sent(self) -> int:
        """Body bytes the origin sent of it."""
        return self.origin.body_bytes(self.path)

    def assert_sent_once(self) -> None:
        """Each byte left the origin once. It counts a piece once it is sent, when the client may have it already."""
        until(lambda: self.sent >= self.length, "the origin to have counted")
        assert self.sent == self.length, [(each.range, each.status, each.sent) for each in self.requests]


@dataclass(frozen=True)
class Rig:
    """The product before one origin; a test's objects have names of their own."""

    origin: Origin
    proxy: Proxycache
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def put(
        self,
        body: bytes | Body | int,
        *,
        path: str | None = None,
        etag: str | None = '"v1"',
        last_modified: str | None = None,
        cache_control: str | None = "max-age=3600",
        accept_ranges: bool = True,
        headers: Headers = (),
        prefix: str = "",
        content_type: str = "application/octet-stream",
    ) -> Thing:
        """Register an object, of so many bytes if it is a number; `prefix` leads clients to it."""
        number = next(self._numbers)
        path = path or f"object-{number}.bin"
        content = Pattern(body, seed=number) if isinstance(body, int) else body_of(body)
        self.origin.put(
            path,
            content,
            etag=etag,
            last_modified=last_modified,
            cache_control=cache_control,
            accept_ranges=accept_ranges,
            headers=headers,
            content_type=content_type,
        )
        return Thing(self.origin, path, self.proxy.url + prefix + path, content)

    @contextmanager
    def clean_log(self) -> Iterator[None]:
        """Fail if meanwhile an exception got away in the product."""
        before = len(self.proxy.log())
        yield
        log = self.proxy.log()[before:]
        assert "Traceback" not in log, log
        assert "Unhandled" not in log, log


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Make all the calls at the same time, each in a thread; what they return, or the first failure."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [running.result() for running in [pool.submit(call) for call in calls]]


def at_once_held(thing: Thing, calls: Sequence[Callable[[], T]]) -> list[T]:
    """The same, while the origin's first answer about an object is held back until it was asked for."""
    with thing.origin.gate(thing.path) as gate, ThreadPoolExecutor(len(calls)) as pool:
        running = [pool.submit(call) for call in calls]
        gate.wait_held(1)
        gate.release()
        return [each.result() for each in running]


def _ranged(range: str | None, headers: Headers) -> Headers:
    return headers if range is None else (*headers, ("Range", f"bytes={range}"))


def exact(answer: Answer, body: Body) -> None:
    """All of it, and nothing else."""
    assert (answer.status, answer.complete, len(answer.body)) == (200, True, body.length), told(answer)
    same(body, 0, answer.body)


def exact_part(answer: Answer, body: Body, start: int, stop: int) -> None:
    """Just `[start, stop)` of it, and labelled so."""
    assert (answer.status, answer.complete, len(answer.body)) == (206, True, stop - start), told(answer)
    assert answer.field("Content-Range") == f"bytes {start}-{stop - 1}/{body.length}"
    same(body, start, answer.body)


def refused(answer: Answer, *statuses: int) -> str:
    """An error in one line of text, which is returned."""
    assert answer.status in statuses, told(answer)
    assert answer.complete, told(answer)
    assert (answer.field("Content-Type") or "").startswith("text/plain"), answer.fields
    reason = answer.body.decode()
    assert reason.endswith("\n"), told(answer)
    assert reason.count("\n") == 1, told(answer)
    assert len(reason) > 5, told(answer)
    return reason


def aborted(answer: Answer, body: Body, start: int = 0) -> None:
    """A connection that broke: what came is right, and cannot be taken for all there is."""
    assert answer.status in (0, 200, 206), told(answer)
    assert not answer.complete, told(answer)
    same(body, start, answer.body)


def told(answer: Answer) -> str:
    """An answer for a failure's message."""
    complete = "complete" if answer.complete else "torn"
    return f"{answer.status} {answer.fields} {len(answer.body)} bytes, {complete}: {answer.body[:200]!r}"
