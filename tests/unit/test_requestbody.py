"""The body of a client's request: what waits, and what becomes of it when the client leaves."""

from __future__ import annotations

import pytest
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from proxycache.web.requestbody import MAX_WAITING, RequestBody

from .asynchronous import asynchronous
from .consumer import Consumer


class Client:
    """Is held up, and let go."""

    def __init__(self) -> None:
        self.held = False
        self.body = RequestBody(None, self.hold, self.release)

    def hold(self) -> None:
        self.held = True

    def release(self) -> None:
        self.held = False


def test_a_client_is_held_up_once_enough_waits() -> None:
    """Not before: of a client that is not read nobody would notice that it leaves."""
    client, consumer = Client(), Consumer()
    client.body.arrived(b"x")
    assert not client.held
    client.body.arrived(bytes(MAX_WAITING))
    assert client.held
    done = client.body.startProducing(consumer)
    assert not client.held
    assert consumer.data == b"x" + bytes(MAX_WAITING)
    client.body.ended()
    assert done.called


@asynchronous
async def test_a_client_that_left_before_anybody_wanted_its_body() -> None:
    client = Client()
    client.body.arrived(b"x")
    client.body.lost(Failure(ConnectionLost()))
    with pytest.raises(ConnectionLost):
        await client.body.startProducing(Consumer())


@asynchronous
async def test_not_where_all_of_it_is_here() -> None:
    client, consumer = Client(), Consumer()
    client.body.arrived(b"x")
    client.body.ended()
    client.body.lost(Failure(ConnectionLost()))
    await client.body.startProducing(consumer)
    assert consumer.data == b"x"
