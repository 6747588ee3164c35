"""An origin with one object, whose every step is somebody else's choice."""

from __future__ import annotations

from random import Random

from attrs import Factory, define
from twisted.internet.defer import Deferred
from zope.interface import implementer

from proxycache.errors import BodyBroken
from proxycache.interfaces import IBodyReceiver, IOrigin, IOriginResponse, OriginRequest, Priority
from proxycache.policy.byterange import ByteRange, format_content_range, format_range
from proxycache.policy.fields import Fields

TAG = b'"v1"'
NOW = 1_700_000_000.0


@define
class Behaviour:
    """What an origin does beside sending what it is asked.

    @ivar piece: most bytes at once.
    @ivar breaks: how often a body breaks off, as a probability at each piece; in the end it holds.
    @ivar narrow: how often an answer ends earlier than asked.
    @ivar rangeless: it ignores Range.
    @ivar surplus: pieces that still arrive after a pause.
    @ivar crowded: what was not answered yet has no connection.
    """

    piece: int
    breaks: float = 0.0
    narrow: float = 0.0
    rangeless: bool = False
    surplus: int = 0
    crowded: bool = False
    breaks_left: int = 20


@implementer(IOriginResponse)
@define(eq=False)
class Body:
    """A body on its way.

    @ivar position: next byte to send.
    @ivar stop: one past the last byte of the body.
    """

    origin: SimulatedOrigin
    status: int
    fields: Fields
    position: int
    stop: int
    priority: Priority
    receiver: IBodyReceiver | None = None
    over: bool = False
    surplus: int | None = None
    url: bytes = b"http://origin.example/film.mp4"
    request_time: float = NOW
    response_time: float = NOW
    fresh_for: float | None = None
    body_length: int | None = None
    stalled: bool = False

    def deliver(self, receiver: IBodyReceiver) -> None:
        assert self.receiver is None
        self.receiver = receiver

    def pause(self) -> None:
        self.surplus = self.origin.behaviour.surplus

    def resume(self) -> None:
        self.surplus = None

    def abort(self) -> None:
        self.over = True

    def reprioritise(self, priority: Priority) -> None:
        self.priority = priority

    def stall(self, stalled: bool) -> None:
        self.stalled = stalled

    @property
    def ready(self) -> bool:
        """Whether it has something to send, and may."""
        return self.receiver is not None and not self.over and self.surplus != 0

    def step(self, chance: Random) -> None:
        """Send the next piece, or end."""
        assert self.receiver is not None
        if self.surplus is not None:
            self.surplus -= 1
        behaviour = self.origin.behaviour
        if behaviour.breaks_left and chance.random() < behaviour.breaks:
            behaviour.breaks_left -= 1
            self.over = True
            self.receiver.ended(BodyBroken("simulated"))
        elif self.position >= self.stop:
            self.over = True
            self.receiver.ended(None)
        else:
            self.send(chance.randint(1, behaviour.piece))

    def send(self, most: int) -> None:
        """Send the next bytes."""
        assert self.receiver is not None
        start = self.position
        self.position = min(self.stop, start + most)
        self.origin.sent.append((start, self.position))
        self.receiver.received(self.origin.content[start : self.position])


@define(eq=False)
class Question:
    """A request that was not answered yet."""

    request: OriginRequest
    priority: Priority
    answer: Deferred[IOriginResponse]


@implementer(IOrigin)
@define(eq=False)
class SimulatedOrigin:
    """Has one object.

    @ivar questions: requests not answered yet.
    @ivar asked: byte ranges that were asked for, half-open.
    @ivar sent: bytes that were sent, half-open, piece by piece.
    """

    content: bytes
    behaviour: Behaviour
    questions: list[Question] = Factory(list)
    bodies: list[Body] = Factory(list)
    asked: list[tuple[int, int]] = Factory(list)
    sent: list[tuple[int, int]] = Factory(list)

    def fetch(self, request: OriginRequest, priority: Priority) -> Deferred[IOriginResponse]:
        def forget(_: Deferred[IOriginResponse]) -> None:
            self.questions.remove(question)

        question = Question(request, priority, Deferred(forget))
        self.questions.append(question)
        return question.answer

    def urge(self, pending: Deferred[IOriginResponse], priority: Priority) -> None:
        (question,) = (each for each in self.questions if each.answer is pending)
        question.priority = priority

    def withdraw(self, pending: Deferred[IOriginResponse]) -> bool:
        if self.behaviour.crowded:
            pending.cancel()
        return self.behaviour.crowded

    def respond(self, question: Question, chance: Random) -> None:
        """Answer a request with a head."""
        self.questions.remove(question)
        request, length = question.request, len(self.content)
        asked = request.asked
        start, stop = 0, length
        if asked is not None:
            assert asked.first is not None
            assert asked.last is not None
            assert 0 <= asked.first <= asked.last < length
            assert request.fields.all(b"range") == [format_range(asked.first, asked.last + 1)]
            assert request.fields.all(b"if-range") == [TAG]
            start, stop = asked.first, asked.last + 1
        self.asked.append((start, stop))
        fields = Fields([(b"ETag", TAG)])
        if asked is None or self.behaviour.rangeless:
            body = Body(self, 200, fields, 0, length, question.priority, body_length=length)
        else:
            if chance.random() < self.behaviour.narrow:
                stop = chance.randint(start + 1, stop)
            content_range = format_content_range(ByteRange(start, stop), length)
            fields = fields.adding((b"Content-Range", content_range))
            body = Body(self, 206, fields, start, stop, question.priority, body_length=stop - start)
        self.bodies.append(body)
        question.answer.callback(body)
