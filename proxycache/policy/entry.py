"""What is known of a stored response: an immutable record."""

from __future__ import annotations

from typing import Protocol

from attrs import evolve, frozen

from .fields import Fields
from .validators import Validator


class Received(Protocol):
    """A response as far as its age and its freshness depend on it. Times are seconds since the epoch."""

    @property
    def status(self) -> int:
        """The status code."""

    @property
    def fields(self) -> Fields:
        """Its fields."""

    @property
    def request_time(self) -> float:
        """When it was asked for."""

    @property
    def response_time(self) -> float:
        """When it came."""


@frozen
class Representation:
    """One generation of an entry: the stored response to a GET.

    @ivar id: names the cache file and the database's rows; unique for ever.
    @ivar key: the cache key.
    @ivar origin: name of the configured origin.
    @ivar source_url: the freshest URL the bytes can be fetched from.
    @ivar status: the status a hit is answered with; 200 for what arrived as 206.
    @ivar fields: the stored header fields, hop-by-hop ones and Content-Range removed.
    @ivar length: complete length in bytes; None while it is not known.
    @ivar validator: what parts are joined under; None forbids joining.
    @ivar request_time: seconds since the epoch at which the request was sent that stored or renewed this.
    @ivar response_time: likewise for the response.
    @ivar vary: the request's values of the fields that Vary names, in Vary's order, normalised.
    @ivar rangeless: the origin answered a Range request for it with 200.
    @ivar chunk_size: bytes per chunk; fixed for the life of the record.
    @ivar useful_until: seconds since the epoch after which it is good for nothing; None where the origin may renew it.
    @ivar sent_for: values of Accept that exclude its type, and for which the origin sent it all the same; not recorded.
    """

    id: str
    key: bytes
    origin: str
    source_url: bytes
    status: int
    fields: Fields
    length: int | None
    validator: Validator | None
    request_time: float
    response_time: float
    vary: tuple[tuple[bytes, bytes | None], ...]
    rangeless: bool
    chunk_size: int
    useful_until: float | None = None
    sent_for: tuple[bytes, ...] = ()

    def lasts_as(self, other: Representation) -> bool:
        """Whether it says the same but for what passes: when it was, and from where it may be fetched."""
        return self._lasting() == other._lasting()

    def _lasting(self) -> Representation:
        fields = self.fields.without({b"date", b"age"})
        return evolve(
            self,
            source_url=b"",
            request_time=0.0,
            response_time=0.0,
            fields=fields,
            useful_until=None,
            sent_for=(),
        )


@frozen
class StoredRepresentation:
    """A record as the database gives it back.

    @ivar chunks: checksum by index of every chunk that was recorded complete.
    """

    representation: Representation
    chunks: dict[int, int]
