"""A client's connection, as far as producers see it."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IConsumer, IProducer
from zope.interface import implementer


@implementer(IConsumer)
class Consumer:
    """Takes what is written.

    @ivar pieces: what was written, call by call.
    @ivar on_write: called after each piece.
    """

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.on_write: Callable[[], None] = lambda: None

    @property
    def data(self) -> bytes:
        """All that was written."""
        return b"".join(self.pieces)

    def write(self, data: bytes) -> None:
        self.pieces.append(data)
        self.on_write()

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        raise AssertionError("a body producer does not register itself")

    def unregisterProducer(self) -> None:
        raise AssertionError("a body producer does not unregister itself")
