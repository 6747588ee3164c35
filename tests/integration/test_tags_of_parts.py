"""An origin that makes an entity tag out of the very bytes of each answer: no two parts are of one version."""

from email.utils import formatdate

import pytest

from tests.integration.rig import MIB, Rig, Thing
from tests.servers.origin import Fault, Origin
from tests.servers.proxycache import Config

MODIFIED = "Mon, 02 Nov 2020 10:00:00 GMT"
NOW = formatdate(usegmt=True)


@pytest.fixture(scope="module")
def config(origin: Origin) -> Config:
    """An origin for each test: what one is told says something of the next request."""
    return {"origin": [{"name": name, "prefix": f"/{name}/", "url": origin.url} for name in "abcd"]}


def put(rig: Rig, prefix: str, modified: str = MODIFIED) -> Thing:
    film = rig.put(4 * MIB, prefix=f"{prefix}/", last_modified=modified)
    film.fault(Fault(tags_of_parts=True), None)
    return film


def find_out(rig: Rig, prefix: str, modified: str = MODIFIED) -> None:
    """Two clients are cut off: one might be so since the object has changed."""
    for _ in range(2):
        assert not put(rig, prefix, modified).get("0-").complete


@pytest.mark.parametrize(("prefix", "modified"), [("a", MODIFIED), ("d", NOW)], ids=["old", "new"])
def test_is_found_out(rig: Rig, prefix: str, modified: str) -> None:
    find_out(rig, prefix, modified)
    film = put(rig, prefix, modified)
    for start, stop in ((0, 100), (3 * MIB, 3 * MIB + 100), (0, film.length), (MIB, film.length), (0, film.length)):
        film.get_part(start, stop)
    film.get_whole()
    assert "hit" in film.get_whole().cache_status
    assert film.get_part(5, 3 * MIB).cache_status == "proxycache; hit"


def test_a_seek_beside_what_is_here_is_the_origins_to_answer(rig: Rig) -> None:
    find_out(rig, "b")
    film = put(rig, "b")
    film.get_part(0, 100)
    answer = film.get_part(2 * MIB, 2 * MIB + 100)
    assert (answer.cache_status, answer.field("ETag")) == (
        "proxycache; fwd=bypass; detail=object-changes",
        f'"{2 * MIB}-{2 * MIB + 100}"',
    )


def test_an_object_that_changes_is_none(rig: Rig) -> None:
    """Nor what several requests find out about one change."""
    film = put(rig, "c")
    assert not film.get("0-").complete
    film.origin.clear_faults()
    other = rig.put(4 * MIB, prefix="c/", last_modified=MODIFIED)
    other.get_part(0, 100)
    assert other.get_part(3 * MIB, 3 * MIB + 100).cache_status == "proxycache; fwd=partial; stored"
