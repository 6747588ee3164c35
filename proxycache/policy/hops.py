"""Redirects that were followed in a client's place, and what of them the answer tells that they led to.

The client never sees them: what they say of the object goes with the last answer, where that does not say it itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from attrs import frozen

from .cookies import SET_COOKIE
from .fields import HOP_BY_HOP, Fields, Line
from .integrity import is_message_digest
from .origins import OriginPolicy, same_host


@frozen
class Hop:
    """A redirect that was followed.

    @ivar url: whence it came.
    @ivar asked: the fields of the request that it answered.
    @ivar request_time: seconds since the epoch.
    @ivar response_time: seconds since the epoch.
    """

    url: bytes
    status: int
    fields: Fields
    asked: Fields
    request_time: float
    response_time: float


ABOUT_THE_OBJECT = ("docker-content-digest", "x-linked-*", "x-repo-commit")
"""Fields by which a registry or a hub tells about the object to which it redirects."""

OF_ONE_MESSAGE = HOP_BY_HOP | {
    b"accept-ranges",
    b"age",
    b"cache-control",
    b"cdn-cache-control",
    b"content-encoding",
    b"content-length",
    b"content-location",
    b"content-range",
    b"date",
    b"etag",
    b"expires",
    b"last-modified",
    b"location",
    b"pragma",
    b"set-cookie",
    b"surrogate-control",
    b"vary",
}
"""Fields that frame a message, tell its version, or bind who stores it: those of a redirect are never another's."""


def is_kept(name: str, keep: Collection[str]) -> bool:
    """Whether a field of a redirect stays with the answer that it led to.

    @param name: in lower case, as are those of C{keep}, where C{x-linked-*} stands for all that begin so.
    """
    if name.encode("latin-1") in OF_ONE_MESSAGE or is_message_digest(name.encode("latin-1")):
        return False
    return any(name.startswith(each[:-1]) if each.endswith("*") else name == each for each in keep)


def tells_of_object(redirect: Fields, origin: OriginPolicy) -> bool:
    """Whether a redirect has fields that stay with the answer."""
    names = (*ABOUT_THE_OBJECT, *origin.keep_hop_fields)
    return any(is_kept(name.lower().decode("latin-1"), names) for name, _ in redirect)


def _leads_around(line: Line) -> bool:
    """Whether a field sends clients of a hub for the same object to a store that we do not stand before."""
    name = line[0].lower()
    return name.startswith(b"x-xet-") or (name == b"link" and b"xet-auth" in line[1].lower())


def with_hop_fields(response: Fields, hops: Sequence[Hop], origin: OriginPolicy) -> Fields:
    """The fields of an answer with those of the redirects that led to it; a later one's before those of an earlier one.

    Cookies that C{origin} set on the way are the client's. What sends clients elsewhere for the same object does not go
    along: they get it here. Beside L{ABOUT_THE_OBJECT} those fields stay that are configured.
    """
    if not hops:
        return response
    names = (*ABOUT_THE_OBJECT, *origin.keep_hop_fields)
    cookies = [
        line for hop in hops if same_host(hop.url, origin.url) for line in hop.fields if line[0].lower() == SET_COOKIE
    ]
    lines = [*cookies, *response]
    for hop in reversed(hops):
        have = {name.lower() for name, _ in lines}
        lines += [
            (name, value)
            for name, value in hop.fields.end_to_end()
            if name.lower() not in have and is_kept(name.lower().decode("latin-1"), names)
        ]
    return Fields(line for line in lines if not _leads_around(line))
