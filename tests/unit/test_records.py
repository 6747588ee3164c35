"""What each use of an object writes: what passes anyway is recorded once a minute, what lasts at once."""

from __future__ import annotations

import pytest

from proxycache.fill.generation import Generation
from proxycache.policy.fields import Fields, Line
from proxycache.policy.origins import ObjectTarget

from .managed import Managed
from .scriptedorigin import POLICY

SECONDS = 59


@pytest.fixture
def managed() -> Managed:
    return Managed()


def use_with_tokens(managed: Managed, first: int = 0) -> None:
    """A request each second of less than a minute, each with a token of its own."""
    for second in range(first, first + SECONDS):
        key = managed.target("film").key
        target = ObjectTarget(POLICY, key, POLICY.url + b"film?token=%d" % second)
        managed.manager.lookup(target, Fields())
        managed.clock.advance(1)


def recorded_url(managed: Managed, generation: Generation) -> bytes:
    return managed.metadata.saved[generation.id].source_url


class TestAFreshTokenInEachRequest:
    def test_is_written_once_a_minute(self, managed: Managed) -> None:
        generation = managed.obtain("film")
        managed.metadata.writes.clear()
        use_with_tokens(managed)
        assert managed.metadata.writes == []
        assert generation.representation.source_url.endswith(b"?token=58")
        managed.clock.advance(1)
        use_with_tokens(managed, first=100)
        assert managed.metadata.writes == ["save"]
        assert recorded_url(managed, generation).endswith(b"?token=100")

    def test_is_written_at_the_end(self, managed: Managed) -> None:
        generation = managed.obtain("film")
        use_with_tokens(managed)
        managed.manager.stop()
        assert recorded_url(managed, generation).endswith(b"?token=58")


def test_a_use_is_noted_once_a_minute(managed: Managed) -> None:
    managed.obtain("film")
    managed.metadata.writes.clear()
    for _ in range(180):
        managed.lookup("film")
        managed.clock.advance(1)
    assert managed.metadata.writes == ["used", "used"]


class TestA304:
    def renew(self, managed: Managed, generation: Generation, *lines: Line) -> None:
        managed.ask("film", stale=generation)
        managed.origin.last.respond(304, (b"ETag", b'"v1"'), (b"Cache-Control", b"max-age=60"), *lines)

    def test_that_changes_nothing_but_the_time_is_written_once_a_minute(self, managed: Managed) -> None:
        generation = managed.obtain("film")
        managed.metadata.writes.clear()
        for second in range(SECONDS):
            managed.lookup("film")
            self.renew(managed, generation, (b"Date", b"Thu, 01 Jan 1970 00:00:%02d GMT" % second), (b"Age", b"5"))
            managed.clock.advance(1)
        assert managed.metadata.writes == []
        managed.clock.advance(1)
        managed.lookup("film")
        assert managed.metadata.writes == ["save"]
        assert managed.metadata.saved[generation.id] == generation.representation

    def test_that_changes_more_is_written_at_once(self, managed: Managed) -> None:
        generation = managed.obtain("film")
        managed.metadata.writes.clear()
        self.renew(managed, generation, (b"X-New", b"1"))
        assert managed.metadata.writes == ["save"]
        assert managed.metadata.saved[generation.id] == generation.representation
