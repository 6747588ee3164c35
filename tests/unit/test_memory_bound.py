"""What nobody reads leaves the memory, whatever is stored beside it, and whatever the database does."""

from __future__ import annotations

import pytest

from proxycache.fill import chunkmanager
from proxycache.fill.generation import Generation
from proxycache.policy.fields import Line

from .managed import LINGER, Managed

MAX_IDLE = 32
LANGUAGES = (b"de", b"en")
NAMES = [f"film{number}" for number in range(2 * MAX_IDLE)]


@pytest.fixture
def managed(monkeypatch: pytest.MonkeyPatch) -> Managed:
    monkeypatch.setattr(chunkmanager, "MAX_IDLE", MAX_IDLE)
    return Managed()


def come_and_go(managed: Managed, name: str, *lines: Line, vary: bytes | None = None, in_use: int = 0) -> Generation:
    """A client who leaves."""
    generation = managed.obtain(name, *lines, head=True, vary=vary)
    managed.clock.advance(LINGER)
    assert len(managed.manager.known_ids()) <= MAX_IDLE + in_use
    return generation


def obtain_variants(managed: Managed, name: str) -> None:
    for language in LANGUAGES:
        come_and_go(managed, name, (b"Accept-Language", language), vary=b"Accept-Language")


def flood(managed: Managed, in_use: int = 0) -> None:
    """Many others."""
    for name in NAMES:
        come_and_go(managed, f"other-{name}", in_use=in_use)


def test_one_variant(managed: Managed) -> None:
    for name in NAMES:
        come_and_go(managed, name)
    assert managed.lookup(NAMES[0]) is not None
    assert len(managed.metadata.saved) == len(NAMES)


def test_several_variants_go_and_come_together(managed: Managed) -> None:
    for name in NAMES:
        obtain_variants(managed, name)
    before = len(managed.manager.known_ids())
    for language in LANGUAGES:
        found = managed.lookup(NAMES[0], (b"Accept-Language", language))
        assert found is not None
        assert found.representation.vary == ((b"accept-language", language),)
        assert len(managed.manager.known_ids()) == before + len(LANGUAGES)


def test_the_database_takes_nothing(managed: Managed) -> None:
    """What it has learned of stays; what it has not is lost, with its file."""
    managed.metadata.failure = "locked"
    new = [come_and_go(managed, name).id for name in NAMES[:10]]
    managed.metadata.unwritten.update(new)
    for name in NAMES[10:]:
        come_and_go(managed, name)
    assert managed.metadata.saved.keys().isdisjoint(new)
    assert all(managed.files.opened[id].unlinked for id in new)
    assert len(managed.metadata.saved) == len(NAMES) - 10
    assert managed.lookup(NAMES[10]) is not None


def test_what_is_read_stays_with_its_variants(managed: Managed) -> None:
    obtain_variants(managed, "read")
    generation = managed.lookup("read", (b"Accept-Language", b"en"))
    assert generation is not None
    other = managed.lookup("read", (b"Accept-Language", b"de"))
    reader = generation.open_reader(0, 100, managed.request("read"))
    flood(managed, in_use=len(LANGUAGES))
    assert managed.lookup("read", (b"Accept-Language", b"en")) is generation
    assert managed.lookup("read", (b"Accept-Language", b"de")) is other
    reader.close()
    managed.clock.advance(LINGER)
    flood(managed)
    assert generation.id not in managed.manager.known_ids()
    assert managed.lookup("read", (b"Accept-Language", b"en")) is not generation


def test_what_is_being_renewed_stays(managed: Managed) -> None:
    generation = managed.obtain("renewed", head=True)
    heard = managed.ask("renewed", stale=generation)
    asked = managed.origin.last
    flood(managed)
    asked.respond(304, (b"ETag", b'"v1"'))
    assert len(heard) == 1
    assert managed.lookup("renewed") is generation


def test_a_replaced_one_goes_once_its_last_chunk_is_written(managed: Managed) -> None:
    generation = managed.obtain("film", length=10)
    managed.response.send(b"0123456789")
    managed.response.end()
    managed.readers[0].close()
    managed.clock.advance(LINGER)
    managed.obtain("film", length=10, etag=b'"v2"')
    file = managed.files.opened[generation.id]
    assert not file.unlinked
    file.step(file.under_way[0])
    assert file.unlinked
    assert generation.id not in managed.manager.known_ids()
