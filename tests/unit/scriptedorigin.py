"""An origin whose answers a test writes piece by piece."""

from __future__ import annotations

from attrs import Factory, define
from twisted.internet.defer import Deferred
from zope.interface import implementer

from proxycache.interfaces import IBodyReceiver, IOrigin, IOriginResponse, OriginRequest, Priority
from proxycache.policy.fields import Fields, Line
from proxycache.policy.origins import OriginPolicy

NOW = 1_700_000_000.0
POLICY = OriginPolicy("films", b"/", b"http://origin.example/")
REQUEST = OriginRequest(POLICY, b"http://origin.example/film.mp4", "GET", Fields([(b"X-Client", b"1")]))


@implementer(IOriginResponse)
@define(eq=False)
class ScriptedResponse:
    """A response whose body a test sends.

    @ivar aborted: how often it was aborted.
    """

    status: int
    fields: Fields
    body_length: int | None
    url: bytes = REQUEST.url
    request_time: float = NOW
    response_time: float = NOW
    fresh_for: float | None = None
    receiver: IBodyReceiver | None = None
    paused: bool = False
    aborted: int = 0
    over: bool = False
    priority: Priority | None = None
    stalled: bool = False

    def deliver(self, receiver: IBodyReceiver) -> None:
        assert self.receiver is None, "delivered twice"
        assert not self.over
        self.receiver = receiver

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def abort(self) -> None:
        self.aborted += 1
        self.over = True

    def reprioritise(self, priority: Priority) -> None:
        self.priority = priority

    def stall(self, stalled: bool) -> None:
        self.stalled = stalled

    def send(self, data: bytes) -> None:
        """The next bytes of the body."""
        assert self.receiver is not None
        assert not self.over
        self.receiver.received(data)

    def end(self, error: Exception | None = None) -> None:
        """No more bytes."""
        assert self.receiver is not None
        assert not self.over
        self.over = True
        self.receiver.ended(error)


@define(eq=False)
class Fetch:
    """One request that reached the origin."""

    request: OriginRequest
    priority: Priority
    answer: Deferred[IOriginResponse]
    cancelled: bool = False

    def respond(self, status: int, *lines: Line, body_length: int | None = None) -> ScriptedResponse:
        """Answer with a head."""
        response = ScriptedResponse(status, Fields(lines), body_length)
        self.answer.callback(response)
        return response

    def fail(self, error: Exception) -> None:
        """Answer not at all."""
        self.answer.errback(error)

    def field(self, name: bytes) -> bytes | None:
        """A field of the request."""
        return self.request.fields.first(name)


@implementer(IOrigin)
@define(eq=False)
class ScriptedOrigin:
    """Remembers what it is asked."""

    fetches: list[Fetch] = Factory(list)

    def fetch(self, request: OriginRequest, priority: Priority) -> Deferred[IOriginResponse]:
        def cancel(_: Deferred[IOriginResponse]) -> None:
            fetch.cancelled = True

        fetch = Fetch(request, priority, Deferred(cancel))
        self.fetches.append(fetch)
        return fetch.answer

    def urge(self, pending: Deferred[IOriginResponse], priority: Priority) -> None:
        (fetch,) = (each for each in self.fetches if each.answer is pending)
        fetch.priority = priority

    def withdraw(self, pending: Deferred[IOriginResponse]) -> bool:
        return False

    @property
    def last(self) -> Fetch:
        """The latest request."""
        return self.fetches[-1]
