"""From where an object is fetched for all: the address that was brought last, for as long as it gives a right."""

from __future__ import annotations

from attrs import evolve

from proxycache.policy.fields import Fields

from .managed import Managed
from .scriptedorigin import NOW


def test_an_address_that_has_ended_is_not_the_freshest() -> None:
    managed = Managed()
    generation = managed.obtain("film")
    plain = generation.representation.source_url

    def brought(end: float) -> bytes:
        """What is asked for after a client came by an address that ends then."""
        url = b"%s?Expires=%d&Signature=x" % (plain, end)
        managed.manager.lookup(evolve(managed.target("film"), source_url=url), Fields())
        return generation.representation.source_url

    good = brought(NOW + 60)
    assert good != plain
    assert brought(NOW - 1) == good
