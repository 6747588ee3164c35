"""Cache files that are open, no more than there is room for."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from proxycache.store.descriptors import PART, Descriptor, Descriptors
from proxycache.store.location import Location

LIMIT = 1000
MOST = LIMIT // PART


def made(tmp_path: Path, name: str) -> Location:
    path = tmp_path / name
    path.write_bytes(b"x")
    return Location(path)


def get(descriptors: Descriptors, location: Location) -> Descriptor:
    return descriptors.get(location, location.look().st_ino)


def how_many(tmp_path: Path) -> int:
    """Files of the test that this process has open."""
    names = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    return sum(os.path.lexists(name) and os.readlink(name).startswith(str(tmp_path)) for name in names)


def test_the_least_recently_read_is_closed(tmp_path: Path) -> None:
    descriptors = Descriptors(LIMIT)
    locations = [made(tmp_path, str(number)) for number in range(MOST + 20)]
    numbers = [get(descriptors, location).number for location in locations[:MOST]]
    assert get(descriptors, locations[0]).number == numbers[0]
    for location in locations[MOST:]:
        get(descriptors, location)
        assert how_many(tmp_path) == MOST
    assert get(descriptors, locations[0]).number == numbers[0]
    descriptors.close(locations[0])
    assert how_many(tmp_path) == MOST - 1


def test_one_that_was_replaced_is_opened_again(tmp_path: Path) -> None:
    descriptors, location = Descriptors(LIMIT), made(tmp_path, "file")
    before = get(descriptors, location)
    made(tmp_path, "other").path.replace(location.path)
    after = get(descriptors, location)
    assert after.inode == location.look().st_ino != before.inode
    del before
    assert how_many(tmp_path) == 1


def test_who_works_on_one_keeps_it(tmp_path: Path) -> None:
    descriptors, location = Descriptors(LIMIT), made(tmp_path, "file")
    held = get(descriptors, location)
    descriptors.close(location)
    assert os.pread(held.number, 1, 0) == b"x"
    del held
    assert how_many(tmp_path) == 0


def test_one_piece_of_work_leaves_nothing_open(tmp_path: Path) -> None:
    descriptors, location = Descriptors(LIMIT), made(tmp_path, "file")
    descriptors.open(location)
    assert how_many(tmp_path) == 0


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_where_none_is_left_those_that_are_idle_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    descriptors = Descriptors(LIMIT)
    for name in "ab":
        get(descriptors, made(tmp_path, name))
    open_file = Location.open

    def full(location: Location, create: bool) -> int:
        if how_many(tmp_path):
            raise OSError(number, os.strerror(number))
        return open_file(location, create)

    monkeypatch.setattr(Location, "open", full)
    get(descriptors, made(tmp_path, "c"))
    assert how_many(tmp_path) == 1
    with (tmp_path / "d").open("wb"), pytest.raises(OSError, match=os.strerror(number)):
        descriptors.create(Location(tmp_path / "e"))
    assert how_many(tmp_path) == 0


def test_where_clients_take_them_cache_files_are_closed(tmp_path: Path) -> None:
    descriptors = Descriptors(LIMIT, reserved=100)
    for name in "ab":
        get(descriptors, made(tmp_path, name))
    assert descriptors.has_room(899)
    assert how_many(tmp_path) == 2
    assert descriptors.has_room(900)
    assert how_many(tmp_path) == 0
    assert not descriptors.has_room(900)
    # However few there are, most of them are for clients.
    assert Descriptors(100, reserved=100).has_room(74)
    assert not Descriptors(100, reserved=100).has_room(75)
