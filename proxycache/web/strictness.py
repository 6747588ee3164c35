"""What Twisted lets pass in the head and the framing of a request and we must not, since others read it otherwise."""

from __future__ import annotations

import re

from twisted.web.http import _ChunkedTransferDecoder, _MalformedChunkedDataError
from twisted.web.http_headers import Headers

from proxycache.policy.answers import MAX_LENGTH

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

_HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*\Z")


def problem_of_line(line: bytes) -> bytes | None:
    """What makes a line of a header section unacceptable; None where nothing does.

    That it is folded (RFC 9112, section 5.2), or has control characters (RFC 9110, section 5.5).
    """
    if line[:1] in (b" ", b"\t"):
        return b"a folded or indented header line"
    if _CONTROL.search(line):
        return b"a control character in the header section"
    return None


def problem_of_head(headers: Headers, version: bytes) -> bytes | None:
    """What makes the head of a request unacceptable (RFC 9112, sections 3.2 and 6.1); None where nothing does."""
    hosts = headers.getRawHeaders(b"host") or []
    if len(hosts) > 1:
        return b"more than one Host"
    if not hosts and version == b"HTTP/1.1":
        return b"Host is missing"
    if hosts and not _HOST.match(hosts[0]):
        return b"Host is not a host"
    codings = headers.getRawHeaders(b"transfer-encoding") or []
    if codings and [coding.lower() for coding in codings] != [b"chunked"]:
        return b"a Transfer-Encoding that is not understood"
    if version == b"HTTP/1.0" and codings:
        return b"Transfer-Encoding in HTTP/1.0"
    return None


class StrictChunks(_ChunkedTransferDecoder):
    """A chunked body whose chunks are no larger than anything is."""

    length: int

    def _dataReceived_CHUNK_LENGTH(self) -> bool:
        known: bool = super()._dataReceived_CHUNK_LENGTH()
        if known and self.length > MAX_LENGTH:
            raise _MalformedChunkedDataError("an absurd chunk size")
        return known
