"""The object changes at the origin: a client gets one version, or a torn answer, never a mix."""

import time
from email.utils import formatdate

import pytest

from tests.integration.rig import KIB, MIB, Rig, Thing, aborted, at_once, exact, exact_part, refused, told
from tests.servers.fetch import Stream, fetch, same, same_stream
from tests.servers.origin import Change, Fault, Pattern
from tests.servers.proxycache import Config

NEW = 1_000_000
"""Seed of the new versions."""
LONG_AGO, LATER = (formatdate(seconds, usegmt=True) for seconds in (1_000_000_000, 1_000_000_001))


@pytest.fixture(scope="module")
def config() -> Config:
    """Short deadlines, and tokens that are no part of the key."""
    return {
        "fetch": {"connect_timeout": 1, "first_byte_timeout": 5, "idle_timeout": 3},
        "origin": {"ignore_query": ["token"]},
    }


def replace(film: Thing, etag: str = '"v2"', length: int | None = None) -> Pattern:
    """Put another version in the object's place."""
    new = Pattern(film.length if length is None else length, seed=NEW)
    film.origin.put(film.path, new, etag=etag)
    return new


class TestInMidAnswer:
    @pytest.mark.parametrize("length", [2 * MIB, 3 * MIB, 4 * MIB])
    @pytest.mark.parametrize("after", [1, MIB, 2 * MIB - 1])
    def test_the_client_is_torn_and_the_next_gets_the_new_one(self, rig: Rig, after: int, length: int) -> None:
        film, new = rig.put(3 * MIB), Pattern(length, seed=NEW)
        film.fault(Fault(change_after=Change(after, new, '"v2"')))
        aborted(film.get(), film.body)
        exact(film.get(), new)
        exact_part(film.get("5-99"), new, 5, 100)

    def test_a_crowd(self, rig: Rig) -> None:
        film, new = rig.put(8 * MIB), Pattern(8 * MIB, seed=NEW)
        film.fault(Fault(change_after=Change(3 * MIB, new, '"v2"')))
        for answer in at_once([film.get] * 10):
            if answer.complete:
                exact(answer, new)
            else:
                aborted(answer, film.body)
        exact(film.get(), new)

    def test_the_new_one_has_no_validator(self, rig: Rig) -> None:
        film, new = rig.put(3 * MIB), Pattern(3 * MIB, seed=NEW)
        film.fault(Fault(change_after=Change(MIB, new, None)))
        aborted(film.get(), film.body)
        exact(film.get(), new)

    def test_the_old_one_had_none(self, rig: Rig) -> None:
        film, new = rig.put(3 * MIB, etag=None), Pattern(3 * MIB, seed=NEW)
        film.fault(Fault(change_after=Change(MIB, new, None)))
        aborted(film.get(), film.body)
        exact(film.get(), new)

    def test_past_the_cache(self, rig: Rig) -> None:
        film, new = rig.put(3 * MIB, cache_control="no-store"), Pattern(3 * MIB, seed=NEW)
        film.fault(Fault(change_after=Change(MIB, new, '"v2"')))
        aborted(film.get(), film.body)
        exact(film.get(), new)

    def test_it_is_gone(self, rig: Rig) -> None:
        film = rig.put(3 * MIB)
        film.fault(Fault(cut_after=MIB))
        film.fault(Fault(status=404, body=b"gone\n"), None)
        aborted(film.get(), film.body)


class TestBetweenChunks:
    @pytest.mark.parametrize("length", [1000, 5 * MIB, 8 * MIB, 9 * MIB])
    def test_a_later_range_is_of_the_new_version(self, rig: Rig, length: int) -> None:
        """A chunk of the old one is fresh; the answer begins anew when the change is noticed."""
        film = rig.put(8 * MIB)
        film.get_part(0, MIB)
        new = replace(film, length=length)
        answer = film.get("4000000-4999999")
        if length == 1000:
            assert (answer.status, answer.field("Content-Range")) == (416, "bytes */1000"), told(answer)
        else:
            exact_part(answer, new, 4_000_000, 5_000_000)
        exact_part(film.get("0-99"), new, 0, 100)
        exact(film.get(), new)

    def test_a_range_over_both_is_torn_at_the_border(self, rig: Rig) -> None:
        """Its first byte is from the cache, and with the client when the change is noticed."""
        film = rig.put(8 * MIB)
        film.get_part(0, MIB)
        new = replace(film)
        answer = film.get("1000-2999999")
        aborted(answer, film.body, 1000)
        exact_part(film.get("1000-2999999"), new, 1000, 3_000_000)

    def test_a_player_that_asks_for_one_range(self, rig: Rig) -> None:
        """The object is fetched in windows: after the change none is of the version that was begun."""
        film = rig.put(64 * MIB)
        with film.stream("0-", buffer=64 * KIB) as playing:
            same_stream(film.body, 0, MIB, playing)
            new = replace(film)
            rest = playing.rest()
            same(film.body, MIB, rest)
            assert not playing.answer.complete
        exact_part(film.get("0-99"), new, 0, 100)
        exact_part(film.get(f"{40 * MIB}-{40 * MIB + 99}"), new, 40 * MIB, 40 * MIB + 100)

    def test_a_player_that_asks_for_the_whole(self, rig: Rig) -> None:
        """One answer of the origin brings it all, to this client and to another, at the old version's end."""
        film = rig.put(16 * MIB)
        rig.origin.throttle(film.path, 16 * MIB)
        with film.stream() as playing:
            same_stream(film.body, 0, MIB, playing)
            replace(film)
            same_stream(film.body, MIB, film.length, playing)
            assert playing.answer.complete
        film.assert_sent_once()

    def test_a_reader_of_the_old_is_not_disturbed_by_one_of_the_new(self, rig: Rig) -> None:
        """The old generation, complete on disk, serves out its readers."""
        film = rig.put(32 * MIB)
        film.get_whole()
        with film.stream(buffer=64 * KIB) as slow:
            same_stream(film.body, 0, 1000, slow)
            new = replace(film)
            exact(film.get(None, ("Cache-Control", "no-cache")), new)
            same_stream(film.body, 1000, film.length, slow)
            assert slow.answer.complete

    def test_the_origin_is_of_two_minds(self, rig: Rig) -> None:
        """Two servers behind one name that disagree on the entity tag, each with the same bytes."""
        film = rig.put(8 * MIB)
        other = Fault(headers=(("ETag", '"other"'),))
        film.fault(other, None, when=lambda served: len(film.requests) % 2 == 0)
        for start in [*range(0, 8 * MIB, MIB), 0, 5 * MIB]:
            answer = film.get(f"{start}-{start + 99}")
            if answer.complete and answer.status == 206:
                exact_part(answer, film.body, start, start + 100)
            elif answer.complete:
                refused(answer, 502, 503)
            else:
                aborted(answer, film.body, start)


PREVIEW = (("Cookie", "preview"),)


class TestForOneClient:
    """The origin has another version for who brings a certain cookie, and does not say so by Vary."""

    def put(self, rig: Rig) -> tuple[Thing, Pattern]:
        film, new = rig.put(32 * MIB), Pattern(32 * MIB, seed=NEW)
        rig.origin.put(film.path, new, etag='"preview"', cookie="preview")
        return film, new

    def test_others_read_on(self, rig: Rig) -> None:
        """They wait for other bytes of it when he is told."""
        film, new = self.put(rig)
        film.fault(Fault(stall_after=3 * MIB))
        with film.stream() as one, film.stream(None, ("X-Player", "2")) as two:
            for reader in (one, two):
                same_stream(film.body, 0, 2 * MIB, reader)
            exact_part(film.get(f"{20 * MIB}-{20 * MIB + 99}", *PREVIEW), new, 20 * MIB, 20 * MIB + 100)
            rig.origin.release.set()
            for reader in (one, two):
                same_stream(film.body, 2 * MIB, film.length, reader)
                assert reader.answer.complete

    @pytest.mark.parametrize("begun", [False, True])
    def test_others_who_wait_for_the_very_bytes_ask_for_themselves(self, rig: Rig, begun: bool) -> None:
        film, new = self.put(rig)
        start = 0 if begun else 20 * MIB
        film.get_part(0, MIB)
        asked = f"{start}-{start + 3 * MIB - 1}"
        with rig.origin.gate(film.path) as gate:
            first = film.stream(asked, *PREVIEW) if begun else ask(film, asked, *PREVIEW)
            gate.wait_held(1)
            others = [film.stream(asked) if begun else ask(film, asked) for _ in range(5)]
            fetch(rig.proxy.url, method="OPTIONS")  # by then it has read what they ask
            gate.release()
            for other in others:
                if not begun:
                    other.read_head()
                same_stream(film.body, start, start + 3 * MIB, other)
                assert other.answer.complete
                other.close()
            with first:
                if begun:
                    same(film.body, 0, first.rest())
                    assert not first.answer.complete
                else:
                    first.read_head()
                    same_stream(new, start, start + 3 * MIB, first)
        assert sum(served.field("Cookie") is None for served in film.requests) < 5

    def test_by_an_address_that_he_alone_brought(self, rig: Rig) -> None:
        """The freshest address is used for all, and a client need not be told anything to bring one."""
        film = rig.put(32 * MIB)
        rig.origin.put(film.path + "?token=bad", b"please log in", etag='"login"')
        with Stream(film.url + "?token=good", [("Range", "bytes=0-")], receive_buffer=64 * KIB) as playing:
            same_stream(film.body, 0, MIB, playing)
            again = fetch(film.url + "?token=bad", headers=[("Range", "bytes=0-99")])
            exact_part(again, film.body, 0, 100)
            same_stream(film.body, MIB, film.length, playing)
            assert playing.answer.complete
        assert fetch(film.url + "?token=good", headers=[("Range", "bytes=0-99")]).cache_status == "proxycache; hit"
        assert [served.status for served in rig.origin.requests(film.path + "?token=bad")] == [200]


def ask(film: Thing, range: str, *headers: tuple[str, str]) -> Stream:
    """Ask, and do not wait for the answer."""
    return Stream(film.url, (("Range", f"bytes={range}"), *headers), ask_only=True)


class TestValidators:
    def test_a_weak_tag_joins_nothing(self, rig: Rig) -> None:
        """Equal weak tags, other bytes."""
        film = rig.put(4 * MIB, etag='W/"v1"')
        film.get_part(0, 100)
        new = replace(film, etag='W/"v1"')
        answer = film.get(f"0-{3 * MIB}")
        if answer.complete:
            exact_part(answer, new, 0, 3 * MIB + 1)
        else:
            aborted(answer, film.body)

    def test_a_date_beside_it_does(self, rig: Rig) -> None:
        film = rig.put(4 * MIB, etag='W/"v1"', last_modified=LONG_AGO)
        film.get_part(3 * MIB, 4 * MIB)
        film.get_part(0, 100)
        film.get_whole()
        film.assert_sent_once()
        assert {served.field("If-Range") for served in film.requests} == {None}, "a date may not where there is a tag"

    @pytest.mark.parametrize(
        ("etag", "last_modified", "length"),
        [('W/"v2"', LONG_AGO, 4 * MIB), ('W/"v1"', LATER, 4 * MIB), ('W/"v1"', LONG_AGO, 4 * MIB + 1)],
    )
    def test_but_not_what_differs_in_any_of_them(self, rig: Rig, etag: str, last_modified: str, length: int) -> None:
        film = rig.put(4 * MIB, etag='W/"v1"', last_modified=LONG_AGO)
        film.get_part(0, 100)
        new = Pattern(length, seed=NEW)
        film.origin.put(film.path, new, etag=etag, last_modified=last_modified)
        answer = film.get(f"0-{3 * MIB}")
        if answer.complete:
            exact_part(answer, new, 0, 3 * MIB + 1)
        else:
            aborted(answer, film.body)
        exact(film.get(), new)

    def test_without_a_validator_the_length_joins_nothing(self, rig: Rig) -> None:
        film = rig.put(4 * MIB, etag=None)
        film.get_part(0, 100)
        new = Pattern(film.length, seed=NEW)
        rig.origin.put(film.path, new, etag=None)
        answer = film.get(f"0-{3 * MIB}")
        if answer.complete:
            exact_part(answer, new, 0, 3 * MIB + 1)
        else:
            aborted(answer, film.body)

    def test_ranges_of_an_object_without_a_validator_are_exact(self, rig: Rig) -> None:
        film = rig.put(4 * MIB, etag=None)
        for start, stop in ((0, 100), (3 * MIB - 5, 3 * MIB + 5), (100, 4 * MIB), (0, 4 * MIB)):
            film.get_part(start, stop)
        film.get_whole()


def at(seconds: float) -> str:
    """So many seconds from now, as a Last-Modified."""
    return formatdate(time.time() + seconds, usegmt=True)


class TestATagThatOutlivesTheFile:
    """A server hashes a file once and keeps its strong tag when another one of the same length comes in its place."""

    def replace(self, film: Thing, modified: float = 60) -> Pattern:
        new = Pattern(film.length, seed=NEW)
        film.origin.put(film.path, new, last_modified=at(modified))
        return new

    def test_a_whole_after_a_part(self, rig: Rig) -> None:
        film = rig.put(3 * MIB, last_modified=at(-3600))
        film.get_part(0, MIB)
        new = self.replace(film)
        answer = film.get()
        if answer.complete:
            exact(answer, new)
        else:
            aborted(answer, film.body)
        exact(film.get(), new)

    def test_a_part_after_a_part(self, rig: Rig) -> None:
        film = rig.put(8 * MIB, last_modified=at(-3600))
        film.get_part(0, MIB)
        new = self.replace(film)
        exact_part(film.get("5000000-5000099"), new, 5_000_000, 5_000_100)
        exact(film.get(), new)

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_told_by_a_304_or_to_a_head(self, rig: Rig, method: str) -> None:
        film = rig.put(2 * MIB, last_modified=at(-3600))
        film.get_whole()
        new = self.replace(film)
        asked = film.get(None, ("Cache-Control", "no-cache"), method=method)
        assert asked.status == 200, told(asked)
        exact(film.get(), new)

    def test_told_by_a_whole_that_was_asked_for_under_the_tag(self, rig: Rig) -> None:
        """A server that answers no condition."""
        film = rig.put(2 * MIB, last_modified=at(-3600), cache_control="max-age=0")
        film.get_part(0, MIB)
        new = self.replace(film)
        film.fault(Fault(ignore_range=True, status=200, body_range=(0, film.length)), None)
        exact(film.get(), new)

    @pytest.mark.parametrize("cache_control", ["max-age=3600", "no-store"])
    def test_while_a_body_is_resumed(self, rig: Rig, cache_control: str) -> None:
        film = rig.put(3 * MIB, last_modified=at(-3600), cache_control=cache_control)
        film.fault(Fault(stall_after=MIB))
        with film.stream() as playing:
            same_stream(film.body, 0, MIB // 2, playing)
            new = self.replace(film)
            rig.origin.drop_connections()
            same(film.body, MIB // 2, playing.rest())
            assert not playing.answer.complete
        exact(film.get(), new)

    @pytest.mark.parametrize("modified", [-1800, -7200])
    def test_replicas_whose_dates_differ_are_of_one_version(self, rig: Rig, modified: float) -> None:
        film = rig.put(3 * MIB, last_modified=at(-3600))
        film.get_part(0, MIB)
        film.fault(Fault(headers=(("Last-Modified", at(modified)),)), None)
        film.get_whole()
        film.get_whole(("Cache-Control", "no-cache"))
        film.assert_sent_once()
