"""How much may lie on the disk."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from proxycache.accounts import Accounts
from proxycache.interfaces import FileSystemSpace, ICacheFiles, StoredEntry
from proxycache.policy.eviction import ENTRY, ChunkName
from proxycache.store.space import LOOK_SECONDS, Space, SpaceLimits

from .filesystem import FileSystem


class Room:
    """A space, and what it evicts.

    @ivar leaving: what was evicted and is still on the disk, where that takes its time.
    """

    def __init__(
        self,
        limits: SpaceLimits,
        total: int = 10**9,
        free: int = 10**9,
        slow: bool = False,
        begun: bool = True,
        chunk_room: int = 0,
    ) -> None:
        self.clock = Clock()
        self.files = FileSystem(total, free)
        self.accounts = Accounts()
        self.pinned: set[ChunkName] = set()
        self.evicted: list[ChunkName] = []
        self.slow = slow
        self.leaving: list[Deferred[None]] = []
        self.space = Space(
            self.clock, self.files, limits, self.accounts, self.pinned.__contains__, self._evict, chunk_room
        )
        if begun:
            self.space.begin()

    def _evict(self, name: ChunkName) -> Deferred[None]:
        self.evicted.append(name)
        gone: Deferred[None] = Deferred()
        if self.slow:
            self.leaving.append(gone)
        else:
            gone.callback(None)
        return gone

    def reserve(self, size: int) -> bool | None:
        """Whether there is room; None while somebody has to leave first."""
        return answer(self.space.reserve(size))

    def write(self, chunk: int, size: int = 10, id: str = "a") -> None:
        """Reserve and admit a chunk."""
        assert self.reserve(size)
        self.space.admit((id, chunk), size)

    def fill(self, count: int) -> None:
        for chunk in range(count):
            self.write(chunk)


def answer(pending: Deferred[bool]) -> bool | None:
    heard: list[bool] = []
    pending.addCallback(heard.append)
    return heard[0] if heard else None


def stored(id: str, sizes: dict[int, int], room: int = 0, chunk_room: int = 0) -> StoredEntry:
    """An entry in the database, whose chunks are no larger than a block."""
    packed = ",".join(f"{chunk}:{size}" for chunk, size in sizes.items()) or None
    whole = room + sum(sizes.values()) + chunk_room * len(sizes)
    return StoredEntry(id, 100, room, len(sizes), whole, packed)


def names(*chunks: int) -> list[ChunkName]:
    return [("a", chunk) for chunk in chunks]


def test_the_file_system_is_one() -> None:
    assert verifyObject(ICacheFiles, FileSystem())


def test_the_limit_is_max_size_until_the_disk_was_seen() -> None:
    assert Room(SpaceLimits(100), free=50).space.limit == 100


def test_the_limit_keeps_the_disk_free() -> None:
    room = Room(SpaceLimits(max_size=100, min_free=30), free=50)
    room.space.look()
    assert room.space.limit == 20
    room.fill(2)
    room.space.look()
    # What we hold ourselves is not lost to us.
    assert room.space.limit == 40
    room.files.free = 1000
    room.space.look()
    assert room.space.limit == 100
    room.files.free = 0
    room.space.look()
    assert room.space.limit == 0


def test_a_part_of_the_disk_may_have_to_stay_free() -> None:
    room = Room(SpaceLimits(max_size=1000, min_free_fraction=0.05), total=2000, free=150)
    room.space.look()
    assert room.space.limit == 50


def test_a_disk_that_does_not_tell_leaves_the_limit() -> None:
    room = Room(SpaceLimits(max_size=100), free=50)
    room.space.look()
    room.files.answer = fail(OSError("gone"))
    room.space.look()
    assert room.space.limit == 50
    room.files.answer = None
    room.files.free = 70
    room.space.look()
    assert room.space.limit == 70


def test_room_is_made_by_dropping_the_least_recently_used() -> None:
    room = Room(SpaceLimits(100))
    room.fill(10)
    room.space.use(("a", 0))
    assert room.reserve(15)
    assert room.evicted == names(1, 2)
    assert room.space.used == 80
    assert room.accounts.evicted_chunks == 2
    assert ("a", 1) not in room.space
    assert ("a", 0) in room.space


def test_nothing_goes_without_need() -> None:
    room = Room(SpaceLimits(100))
    room.fill(9)
    assert room.reserve(10)
    assert room.evicted == []


def test_what_is_read_stays() -> None:
    room = Room(SpaceLimits(100))
    room.fill(10)
    room.pinned.update(names(*range(9)))
    assert room.reserve(10)
    assert room.evicted == names(9)
    assert room.reserve(20) is False
    assert room.evicted == names(9)


def test_a_chunk_larger_than_the_limit_never_fits() -> None:
    room = Room(SpaceLimits(100))
    room.fill(5)
    assert room.reserve(101) is False


def test_what_is_reserved_counts() -> None:
    room = Room(SpaceLimits(100))
    assert room.reserve(60)
    assert room.reserve(60) is False
    assert room.reserve(40)
    room.space.release(60)
    assert room.reserve(60)


def test_a_reservation_ends_with_the_write() -> None:
    room = Room(SpaceLimits(100))
    for chunk in range(50):
        room.write(chunk)
    assert room.space.used == 100
    assert len(room.evicted) == 40


def test_a_chunk_that_is_gone_leaves_room() -> None:
    room = Room(SpaceLimits(100))
    room.fill(10)
    room.space.remove(("a", 5))
    assert room.space.used == 90
    assert room.reserve(10)
    assert room.evicted == []


def test_room_is_there_once_the_bytes_are_given_back() -> None:
    room = Room(SpaceLimits(100), slow=True)
    room.fill(10)
    first, second = room.space.reserve(10), room.space.reserve(20)
    assert room.evicted == names(0, 1, 2)
    assert (first.called, second.called) == (False, False)
    room.leaving[0].callback(None)
    assert (first.called, second.called) == (True, False)
    room.leaving[1].callback(None)
    assert not second.called
    room.leaving[2].callback(None)
    assert answer(second)


def test_a_disk_that_shrinks_makes_chunks_go() -> None:
    room = Room(SpaceLimits(100, min_free=30), free=1000)
    room.fill(10)
    room.space.look()
    room.space.make_room(0)
    assert room.evicted == []
    room.files.free = 0
    room.space.look()
    room.space.make_room(0)
    assert room.evicted == names(0, 1, 2)


def test_what_is_leaving_will_be_free() -> None:
    """The disk still holds it when it is looked at; no more has to go for that."""
    room = Room(SpaceLimits(1000, min_free=30), slow=True)
    room.fill(10)
    room.files.free = 10
    room.space.look()
    room.space.make_room(0)
    assert room.evicted == names(0, 1)
    room.space.look()
    room.space.make_room(0)
    assert room.evicted == names(0, 1)


def test_nothing_is_written_before_it_is_known_what_is_there() -> None:
    room = Room(SpaceLimits(100), begun=False)
    first, second = room.space.reserve(30), room.space.reserve(30)
    assert (first.called, second.called) == (False, False)
    room.space.restore([stored("a", dict.fromkeys(range(10), 10))])
    assert (first.called, second.called) == (False, False)
    room.space.begin()
    assert answer(first)
    assert answer(second)
    assert room.evicted == names(*range(6))
    room.space.begin()
    assert room.evicted == names(*range(6))


def test_others_may_be_gone() -> None:
    room = Room(SpaceLimits(100))
    room.write(0)
    room.write(0, id="b")
    room.space.retain({"b"})
    assert room.space.used == 10
    assert ("b", 0) in room.space


def test_the_disk_is_looked_at_once_in_a_while() -> None:
    room = Room(SpaceLimits(100))
    for _ in range(3):
        room.reserve(1)
    assert room.files.looks == 1
    room.clock.advance(LOOK_SECONDS)
    room.reserve(1)
    assert room.files.looks == 2


def test_one_look_at_a_time() -> None:
    room = Room(SpaceLimits(100))
    slow: Deferred[FileSystemSpace] = Deferred()
    room.files.answer = slow
    room.reserve(1)
    room.clock.advance(10 * LOOK_SECONDS)
    room.reserve(1)
    assert room.files.looks == 1
    slow.callback(FileSystemSpace(1000, 40))
    assert room.space.limit == 40
    room.files.answer = None
    room.reserve(1)
    assert room.files.looks == 2


def test_restored_from_the_database() -> None:
    room = Room(SpaceLimits(100))
    room.write(1)
    room.write(0, id="new")
    room.space.restore([stored("a", {0: 10, 1: 99, 2: 10})])
    assert room.space.used == 40
    assert room.reserve(90)
    # What was used since the start is newer than all the database knows.
    assert room.evicted == [("a", 0), ("a", 2), ("a", 1)]


def test_restored_a_second_time() -> None:
    """As after a database that was lost half way through."""
    room = Room(SpaceLimits(1000))
    entries = [stored("a", {0: 10, 1: 20}, room=5), stored("b", {}, room=7)]
    for _ in range(2):
        room.space.restore(entries)
        assert room.space.used == 42
    room.space.use(("a", 1))
    room.space.restore(entries)
    assert room.space.used == 42
    room.space.make_room(1000)
    assert room.evicted == [("a", 0), ("b", ENTRY), ("a", 1), ("a", ENTRY)]


def test_a_chunk_counts_for_whole_blocks_and_its_record() -> None:
    room = Room(SpaceLimits(10_000), chunk_room=100)
    room.files.block_size = 4096
    room.write(0, size=1)
    assert room.space.used == 4196
    room.write(1, size=4096)
    assert room.space.used == 2 * 4196
    assert room.reserve(1)
    assert room.evicted == names(0)
    room.space.release(1)
    assert room.space.used == 4196
    room.space.restore([stored("b", {0: 4096}, room=4, chunk_room=100)])
    assert room.space.used == 2 * 4196 + 4
    room.space.use(("b", 0))
    room.space.remove(("b", ENTRY))
    assert room.space.used == 2 * 4196


def test_an_entry_counts_and_goes_after_its_chunks() -> None:
    room = Room(SpaceLimits(100))
    assert room.space.admit_entry("a", 10)
    assert room.space.admit_entry("b", 10)
    room.fill(3)
    assert room.space.used == 50
    assert not room.space.holds("b")
    room.space.use(("b", ENTRY))
    room.space.use(("a", 0))
    assert room.reserve(100)
    assert room.evicted == [("a", 1), ("a", 2), ("b", ENTRY), ("a", 0), ("a", ENTRY)]
    assert (room.accounts.evicted_chunks, room.accounts.evicted_entries) == (3, 2)


def test_an_entry_that_there_is_no_room_for() -> None:
    room = Room(SpaceLimits(100))
    room.fill(10)
    room.pinned.update(names(*range(9)))
    assert room.space.admit_entry("b", 10)
    assert room.evicted == names(9)
    room.pinned.add(("b", ENTRY))
    assert not room.space.admit_entry("c", 1)
    assert room.space.used == 100
    # What is recorded already, and becomes a little larger, is in use itself.
    assert room.space.admit_entry("b", 20)
    assert room.space.used == 110
    assert room.space.admit_entry("b", 5)
    assert room.space.used == 95


def test_an_entry_that_has_to_go_itself_is_not_recorded_again() -> None:
    room = Room(SpaceLimits(100, min_free=30))
    assert room.space.admit_entry("a", 50)
    room.files.free = 0
    room.space.look()
    assert not room.space.admit_entry("a", 50)
    assert room.evicted == [("a", ENTRY)]
    assert room.space.used == 0


def test_what_lies_beside_leaves_less_room() -> None:
    room = Room(SpaceLimits(100))
    room.files.beside = 30
    room.space.look()
    assert room.space.limit == 70
    room.files.beside = 300
    room.space.look()
    assert room.space.limit == 0


class TestTheFileSystemIsFull:
    """Before the limit is reached."""

    def room(self, *, entries: bool = False, slow: bool = False) -> tuple[Room, list[None]]:
        """Of three entries the oldest has to give way."""
        room = Room(SpaceLimits(10**6), slow=slow)
        for id in ("old", "b", "c"):
            assert room.space.admit_entry(id, 1)
            for chunk in range(2):
                room.write(chunk, id=id)
        heard: list[None] = []
        room.space.give_way(10, entries).addCallback(heard.append)
        return room, heard

    def test_the_oldest_chunk_goes(self) -> None:
        room, heard = self.room()
        assert room.evicted == [("old", 0)]
        assert (heard, room.space.used) == ([None], 53)

    def test_it_is_waited_for(self) -> None:
        room, heard = self.room(slow=True)
        assert heard == []
        room.leaving[0].callback(None)
        assert heard == [None]

    def test_the_oldest_entry_goes(self) -> None:
        room, heard = self.room(entries=True)
        assert room.evicted == [("old", ENTRY)]
        assert (heard, room.space.used) == ([None], 42)
        assert (room.accounts.evicted_entries, room.accounts.evicted_chunks) == (1, 2)

    def test_nothing_may_go(self) -> None:
        room = Room(SpaceLimits(10**6))
        room.fill(2)
        room.pinned.update(names(0, 1))
        heard: list[None] = []
        room.space.give_way(10, entries=False).addCallback(heard.append)
        assert (heard, room.evicted) == ([None], [])


def test_where_no_hole_can_be_punched_entries_go_whole() -> None:
    room = Room(SpaceLimits(60))
    room.files.punches = False
    for id in ("a", "b"):
        assert room.space.admit_entry(id, 1)
        for chunk in range(2):
            room.write(chunk, id=id)
    room.space.use(("a", 1))
    room.pinned.add(("b", ENTRY))
    assert room.reserve(20)
    assert room.evicted == [("a", ENTRY)]
    assert room.space.used == 21
