"""A request's body on its way to an origin: who has to make progress, and what becomes of it if not."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.iweb import IBodyProducer
from zope.interface.verify import verifyObject

from proxycache.errors import UploadBroken
from proxycache.origin.timeouts import Timeouts
from proxycache.origin.upload import Upload
from proxycache.web.requestbody import RequestBody

from .consumer import Consumer

IDLE = 30.0
RATE = 100
FIRST_BYTE = 20.0


class Uploading:
    """A body, a client that sends it, and an origin that takes it."""

    def __init__(self, rate: int = RATE) -> None:
        self.clock = Clock()
        self.late = 0
        self.uploaded = 0
        self.body = RequestBody(None, lambda: None, lambda: None)
        self.upload = Upload(
            self.body,
            self._uploaded,
            self.clock.callLater(5.0, self._late),
            Timeouts(first_byte=FIRST_BYTE, idle=IDLE, upload_rate=rate),
            self.clock,
        )
        self.consumer = Consumer()
        self.sent: Deferred[None] = self.upload.startProducing(self.consumer)

    def _late(self) -> None:
        self.late += 1

    def _uploaded(self) -> None:
        self.uploaded += 1

    def send(self, count: int, every: float, times: int) -> None:
        """The client sends so much, again and again."""
        for _ in range(times):
            self.clock.advance(every)
            self.body.arrived(bytes(count))

    async def broken(self) -> str:
        """Why it broke, which must be the client's doing."""
        assert not self.late
        with pytest.raises(UploadBroken) as raised:
            await self.sent
        assert self.upload.broken == str(raised.value)
        return self.upload.broken


def now(uploading: Uploading) -> str:
    found: list[str] = []
    Deferred.fromCoroutine(uploading.broken()).addCallback(found.append)
    return found[0]


def test_the_interface() -> None:
    assert verifyObject(IBodyProducer, Uploading().upload)


def test_a_steady_client_has_all_the_time_it_needs() -> None:
    uploading = Uploading()
    uploading.send(RATE * 15, every=10.0, times=100)
    assert not uploading.sent.called
    uploading.body.ended()
    assert uploading.sent.called
    assert (uploading.uploaded, len(uploading.consumer.data)) == (1, 100 * RATE * 15)
    uploading.clock.advance(FIRST_BYTE - 0.1)
    assert not uploading.late
    uploading.clock.advance(0.1)
    assert uploading.late


@pytest.mark.parametrize(("count", "every"), [(1, 1.0), (RATE * 5, 10.0), (RATE * 25, 29.0)])
def test_one_that_only_trickles_is_given_up(count: int, every: float) -> None:
    uploading = Uploading()
    uploading.send(count, every, int((IDLE - 0.1) // every))
    assert not uploading.sent.called
    uploading.send(count, every, 1)
    assert now(uploading) == f"less than {RATE} bytes a second of the request came in 30 s"
    assert len(uploading.consumer.data) < RATE * IDLE


def test_or_that_stops() -> None:
    uploading = Uploading()
    uploading.send(RATE * 1000, every=1.0, times=1)
    uploading.clock.advance(IDLE)
    uploading.clock.advance(IDLE)
    assert "less than" in now(uploading)


def test_it_is_not_to_blame_while_the_origin_takes_nothing() -> None:
    uploading = Uploading()
    uploading.upload.pauseProducing()
    uploading.clock.advance(IDLE - 0.1)
    uploading.upload.resumeProducing()
    uploading.clock.advance(IDLE - 0.1)
    assert not uploading.sent.called
    uploading.upload.pauseProducing()
    uploading.clock.advance(IDLE)
    assert uploading.late == 1


def test_nor_where_nothing_is_asked_of_it() -> None:
    uploading = Uploading(rate=0)
    uploading.clock.advance(100 * IDLE)
    assert not uploading.sent.called


def test_nor_once_there_is_an_answer() -> None:
    uploading = Uploading()
    uploading.upload.detach()
    uploading.clock.advance(100 * IDLE)
    assert not uploading.sent.called


def test_its_client_leaves() -> None:
    uploading = Uploading()
    uploading.body.lost(Failure(ConnectionLost("gone")))
    assert "its client left" in now(uploading)
