"""How much of a chunked body may be anything but the body."""

import pytest
from twisted.web._newclient import ParseError

from proxycache.origin.protocol import MAX_FRAMING_BYTES, ExactChunks


def decoded(*pieces: bytes) -> list[bytes]:
    """The body of these pieces as they arrive; the last of all is what came after it."""
    found: list[bytes] = []
    chunks = ExactChunks(found.append, found.append)
    for piece in pieces:
        chunks.dataReceived(piece)
    return found


def test_small_chunks_are_no_flood() -> None:
    """A server that flushes each byte has five bytes of framing for each."""
    pieces = [b"1\r\nx\r\n" * 1000] * 60
    assert MAX_FRAMING_BYTES < 60_000 * 5
    assert decoded(*pieces, b"0\r\n\r\n") == [b"x"] * 60_000 + [b""]


def test_short_extensions_are_none_either() -> None:
    """A signature with each chunk, as some object stores have it."""
    chunk = b"1000;chunk-signature=" + b"a" * 64 + b"\r\n" + b"x" * 4096 + b"\r\n"
    assert len(decoded(*[chunk] * 5000, b"0\r\n\r\n")) == 5001


@pytest.mark.parametrize("chunk", [b"1;a=" + b"b" * 500 + b"\r\nx\r\n", b"0" * 100 + b"1\r\nx\r\n"])
def test_long_ones_are(chunk: bytes) -> None:
    with pytest.raises(ParseError, match="framing"):
        decoded(*[chunk * 100] * 100)
