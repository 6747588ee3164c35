"""Fields about the bytes of one message: they leave with those very bytes, and with nothing else.

A client checks what it got against them: the digest of the whole on a part of it, or that of a range which we asked for
on another one, has it call right bytes corrupt. Fields about the object, such as Repr-Digest (RFC 9530, section 3),
C{x-goog-hash} or C{x-ms-blob-content-md5}, are true of every answer.
"""

from __future__ import annotations

from .fields import Fields

_OF_ONE_MESSAGE = frozenset(
    {
        b"content-digest",  # RFC 9530, section 2
        b"content-md5",  # RFC 1864
        b"digest",  # RFC 3230: of the whole, but many take it for that of the part
        b"x-amz-mp-parts-count",
        b"x-ms-content-crc64",
    }
)

_CHECKSUM = b"x-amz-checksum-"


def is_message_digest(name: bytes) -> bool:
    """Whether a field is about the bytes of one message.

    @param name: in lower case.
    """
    return name in _OF_ONE_MESSAGE or name.startswith(_CHECKSUM)


def without_message_digests(fields: Fields) -> Fields:
    """The fields of an answer that carries other bytes than those with which they came."""
    return fields.without(name.lower() for name, _ in fields if is_message_digest(name.lower()))
