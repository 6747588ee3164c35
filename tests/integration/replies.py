"""What a server says to bytes that a well-behaved client would not send."""

from dataclasses import dataclass

from tests.servers.fetch import raw
from tests.servers.ports import HOST

SECONDS = 25.0
"""A refusal does not wait for a deadline: that of a header section is thirty."""


@dataclass(frozen=True)
class Reply:
    """One answer on a connection."""

    status: int
    fields: dict[str, str]
    body: bytes

    @property
    def reason(self) -> str:
        """The one line of text that a refusal has."""
        assert self.fields.get("content-type", "").startswith("text/plain"), self
        text = self.body.decode()
        assert text.endswith("\n"), self
        assert text.count("\n") == 1, self
        assert len(text) > 5, self
        return text


def replies_to(port: int, data: bytes) -> list[Reply]:
    """Send the bytes and read until the connection is closed, which they should ask for, or cause."""
    received = raw(HOST, port, data, timeout=SECONDS)
    replies = []
    while received:
        head, blank, received = received.partition(b"\r\n\r\n")
        assert blank, head
        first, *lines = head.decode("latin-1").split("\r\n")
        version, status, *_ = first.split(" ")
        assert version in ("HTTP/1.1", "HTTP/1.0"), first
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(fields.get("content-length", "0"))
        assert "transfer-encoding" not in fields, fields
        replies.append(Reply(int(status), fields, received[:length]))
        assert len(received) >= length or replies[-1].status == 200, replies[-1]
        received = received[length:]
    return replies


def reply_to(port: int, data: bytes) -> Reply:
    """The only answer."""
    replies = replies_to(port, data)
    assert len(replies) == 1, replies
    return replies[0]
