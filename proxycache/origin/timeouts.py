"""How long is waited for what."""

from __future__ import annotations

from attrs import frozen


@frozen
class Timeouts:
    """Deadlines in seconds, each for progress, none for the whole.

    @ivar upload_rate: bytes a second that a client has to send of its request's body, on average over C{idle}.
    """

    resolve: float = 5.0
    connect: float = 5.0
    first_byte: float = 30.0
    idle: float = 30.0
    queue: float = 30.0
    upload_rate: int = 0
