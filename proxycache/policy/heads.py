"""HEAD: what an answer to it is good for (RFC 9110, section 9.3.2; RFC 9111, section 4.3.5).

It renews what is stored, where it is of the same version, and tells the same to others who ask by HEAD. Of what a GET
would get it is no proof: servers answer HEAD with another length, or other fields.
"""

from __future__ import annotations

from .accept import selects
from .entry import Representation
from .fields import Fields
from .latest import Latest

MAX_HEADS = 1024
"""Keys of which the answers to HEAD are remembered."""

MAX_VARIANTS = 16


def head_failed(status: int) -> bool:
    """Whether a GET may tell what a HEAD did not: it was no answer about the object."""
    return status >= 400 and status not in (404, 410, 429)


def is_unknown(status: int) -> bool:
    """Whether an answer to HEAD says that the method is not known, for whatever object."""
    return status in (400, 405, 501)


class Heads:
    """Answers to HEAD, of objects of which no answer to a GET is stored."""

    def __init__(self) -> None:
        self._by_key: Latest[bytes, list[Representation]] = Latest(MAX_HEADS)

    def note(self, told: Representation) -> None:
        """One came."""
        others = [known for known in self._by_key.get(told.key, ()) if known.vary != told.vary]
        self._by_key[told.key] = [told, *others][:MAX_VARIANTS]

    def of(self, key: bytes, request: Fields) -> Representation | None:
        """The one that was of the variant that C{request} selects, fresh or not; None where there is none."""
        return next((each for each in self._by_key.get(key, ()) if selects(each, request)), None)

    def forget(self, key: bytes) -> None:
        """The object was changed, or an answer to a GET is stored."""
        self._by_key.pop(key, None)
