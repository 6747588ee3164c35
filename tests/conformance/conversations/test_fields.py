"""Header fields of a stored response are the origin's own, line by line (RFC 9111, sections 3.1 and 3.2)."""

from email.utils import formatdate
from itertools import pairwise
from time import time

import pytest

from tests.conformance.conversations.conversation import Room, response, restart
from tests.integration.rig import Rig
from tests.servers.byhand import Head
from tests.servers.deadline import until

Lines = list[tuple[bytes, bytes]]

OURS = {b"age", b"accept-ranges", b"via", b"cache-status", b"content-length", b"connection"}
LONG_AGO = formatdate(1_000_000_000, usegmt=True).encode()
FRESH: Lines = [(b"Cache-Control", b"max-age=3600"), (b"ETag", b'"a"'), (b"Date", formatdate(usegmt=True).encode())]


def theirs(head: Head) -> Lines:
    """The lines that are not ours to say."""
    return [line for line in head.lines if line[0].lower() not in OURS]


def written(lines: Lines) -> list[bytes]:
    """As they stand in a message."""
    return [name + b": " + value for name, value in lines]


def brought(room: Room, lines: Lines, *, method: str = "GET", status: bytes = b"200 OK", body: bytes = b"text") -> Head:
    """Ask the origin, which answers with these lines; what the client gets."""
    client, origin, _ = room.begin(method)
    with client, origin:
        origin.send(response(status, *written(lines), body=body))
        head = client.head()
        assert client.body(head) == body
        return head


def brought_and_hit(room: Room, lines: Lines, body: bytes = b"text") -> tuple[Head, Head]:
    """The same, and then a hit."""
    first = brought(room, lines, body=body)
    again, got = room.again()
    assert got == body
    return first, again


class TestLines:
    @pytest.mark.parametrize(
        "lines",
        [
            [(b"Link", b"</a>; rel=next"), (b"X-Between", b"1"), (b"Link", b"</b>; rel=prev")],
            [
                (b"Set-Cookie", b"a=1, b"),
                (b"X-Between", b"1"),
                (b"Set-Cookie", b"c=2; Expires=Wed, 09 Jun 2100 10:18:14 GMT"),
            ],
            [(b"x-lower", b"1"), (b"X-UPPER", b"2"), (b"x-MiXeD", b"3"), (b"X-mIxEd", b"4")],
            [(b"CONTENT-TYPE", b"text/plain"), (b"last-modified", LONG_AGO)],
            [(b"X-Text", bytes(range(0x80, 0x100)))],
            [(b"X-Inner", b"a  b\tc"), (b"X-Empty", b""), (b"X-Colon", b"a: b"), (b"!#$%&'*+-.^_`|~9z", b"token")],
            [(b"X-Quoted", b'"a, \\"b\\", c"'), (b"X-Listed", b"a,, b ,c")],
            [
                (b"Content-Language", b"de"),
                (b"Content-Location", b"http://elsewhere.example/x"),
                (b"Repr-Digest", b"abc"),
                (b"Expires", b"0"),
            ],
            [(b"X-%d" % number, b"v" * number) for number in range(200)],
            [(b"X-Long", b"v" * 10_000)],
        ],
        ids=["twice", "cookies", "case", "case-of-known", "obs-text", "values", "lists", "known", "many", "long"],
    )
    def test_are_kept_as_they_came(self, room: Room, lines: Lines) -> None:
        """In their order, none merged, none renamed: miss, hit and range alike."""
        lines = [*FRESH, *lines]
        first, again = brought_and_hit(room, lines)
        assert theirs(first) == theirs(again) == lines
        part, body = room.again("Range: bytes=1-2")
        assert (part.status, body) == (206, b"ex")
        assert [line for line in theirs(part) if line[0] != b"Content-Range"] == lines

    def test_are_kept_over_a_restart(self, room: Room, rig: Rig) -> None:
        lines = [*FRESH, (b"link", b"1"), (b"X-Text", b"\x80\xff"), (b"Link", b"2"), (b"X-Empty", b"")]
        brought(room, lines)
        restart(rig.proxy, room.source_url)
        assert theirs(room.again()[0]) == lines

    def test_are_kept_past_the_cache(self, room: Room) -> None:
        lines = [(b"Date", LONG_AGO), (b"Set-Cookie", b"a"), (b"x-Between", b"\xe4"), (b"Set-Cookie", b"b")]
        assert theirs(brought(room, [*lines, (b"Cache-Control", b"no-store")]))[:-1] == lines
        assert theirs(brought(room, lines, method="POST")) == lines

    def test_have_one_space_and_no_more(self, room: Room) -> None:
        """What surrounds a value is no part of it, and none may precede the colon (RFC 9112, section 5.1)."""
        client, origin, _ = room.begin("GET")
        with client, origin:
            origin.send(b"HTTP/1.1 200 OK\r\nX-Tight:1\r\nX-Wide: \t 2 \t\r\nX-Colon : 3\r\nX-Folded: 4\r\n 5\r\n")
            origin.send(b"Content-Length: 0\r\nConnection: close\r\n\r\n")
            head = client.head()
            found = {name: value for name, value in head.lines if name.startswith(b"X-")}
        assert found.pop(b"X-Folded").split() == [b"4", b"5"]
        assert found == {b"X-Tight": b"1", b"X-Wide": b"2", b"X-Colon": b"3"}


PRIVATE: Lines = [
    (b"Connection", b"X-Private, keep-alive, x-other"),
    (b"X-Private", b"1"),
    (b"X-OTHER", b"2"),
    (b"Keep-Alive", b"timeout=5"),
    (b"Proxy-Connection", b"keep-alive"),
    (b"Proxy-Authenticate", b"Basic"),
    (b"TE", b"trailers"),
    (b"Trailer", b"X-End"),
    (b"Upgrade", b"h2c"),
]


class TestOfTheConnection:
    def test_they_are_neither_stored_nor_passed_on(self, room: Room) -> None:
        lines = [*FRESH, (b"X-Public", b"3")]
        first, again = brought_and_hit(room, [*lines[:1], *PRIVATE, *lines[1:]])
        assert theirs(first) == theirs(again) == lines

    def test_nor_past_the_cache(self, room: Room) -> None:
        lines = [(b"Date", LONG_AGO), (b"X-Public", b"3")]
        assert theirs(brought(room, [*PRIVATE, *lines], method="POST")) == lines

    def test_nor_by_a_304(self, room: Room) -> None:
        brought(room, [*FRESH[1:], (b"Cache-Control", b"max-age=0")])
        client, origin, _ = room.begin("GET")
        with client, origin:
            lines = [*PRIVATE, (b"Cache-Control", b"max-age=60"), (b"X-Public", b"3")]
            origin.send(b"\r\n".join([b"HTTP/1.1 304 Not Modified", *written(lines), b"Connection: close", b"", b""]))
            renewed = client.head()
        for head in (renewed, room.again()[0]):
            names = {name.lower() for name, _ in theirs(head)}
            assert names == {b"etag", b"date", b"cache-control", b"x-public"}

    def test_to_name_the_cache_control_does_not_make_it_go(self, room: Room) -> None:
        """What the origin says of storing is obeyed, wherever it says it."""
        client, origin, _ = room.begin("GET")
        with client, origin:
            origin.send(response(b"200 OK", b"Connection: Cache-Control", b"Cache-Control: no-store", b'ETag: "a"'))
            assert b"stored" not in (client.head().field("Cache-Status") or b"")


class TestWhatCouldEndALine:
    @pytest.mark.parametrize("value", [b"a\rX-Injected: 1", b"a\r", b"\ra", b"a\0b", b"a\r\0\rb", b"a\r\r\rb"])
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_never_reaches_a_client(self, room: Room, method: str, value: bytes) -> None:
        """RFC 9110, section 5.5: refused, or replaced by spaces."""
        client, origin, _ = room.begin(method, "Connection: close")
        with client, origin:
            origin.send(response(b"200 OK", b"X-Value: " + value, *written(FRESH), body=b"text"))
            first = client.rest()
        received = [first]
        if method == "GET" and b" 200 " in first.partition(b"\r\n")[0]:
            received.append(b"\r\n".join(name + b":" + value for name, value in room.again()[0].lines))
        for message in received:
            assert b"\0" not in message
            assert b"\r" not in message.replace(b"\r\n", b"")
            assert b"\nX-Injected" not in message

    def test_nor_in_a_reason(self, room: Room) -> None:
        client, origin, _ = room.begin("POST", "Connection: close")
        with client, origin:
            origin.send(response(b"200 O\rK\0", body=b"text"))
            message = client.rest()
        assert b"\0" not in message
        assert b"\r" not in message.replace(b"\r\n", b"")


class TestContentRange:
    RANGE = (b"Content-Range", b"bytes 0-1/99")

    def test_of_a_200_is_a_field_like_any_other(self, room: Room) -> None:
        first, again = brought_and_hit(room, [*FRESH, self.RANGE])
        assert first.all("Content-Range") == again.all("Content-Range") == [b"bytes 0-1/99"]

    def test_it_gives_way_to_our_own(self, room: Room) -> None:
        brought(room, [*FRESH, self.RANGE])
        part, body = room.again("Range: bytes=1-2")
        assert (part.status, part.all("Content-Range"), body) == (206, [b"bytes 1-2/4"], b"ex")
        refused, _ = room.again("Range: bytes=9-")
        assert (refused.status, refused.all("Content-Range")) == (416, [b"bytes */4"])

    def test_several_have_it_each_in_its_part(self, room: Room) -> None:
        brought(room, [*FRESH, self.RANGE], body=b"x" * 1000)
        several, body = room.again("Range: bytes=0-0,900-900")
        assert (several.status, several.all("Content-Range")) == (206, [])
        assert b"bytes 0-1/99" not in body


OLD: Lines = [
    (b"Date", formatdate(time() - 20, usegmt=True).encode()),
    (b"ETag", b'"a"'),
    (b"Cache-Control", b"max-age=0"),
    (b"Content-Type", b"text/plain"),
    (b"Link", b"<1>"),
    (b"X-Kept", b"1"),
    (b"Link", b"<2>"),
    (b"Set-Cookie", b"old"),
]


class TestRenewal:
    def renewed(self, room: Room, *lines: bytes) -> list[Head]:
        """The answer that a 304 with these lines gave, and the hit after it."""
        brought(room, OLD)
        client, origin, asked = room.begin("GET")
        with client, origin:
            assert asked.all("If-None-Match") == [b'"a"']
            head = [b"HTTP/1.1 304 Not Modified", b"Cache-Control: max-age=60", b"Connection: close", *lines]
            origin.send(b"\r\n".join([*head, b"", b""]))
            answered = client.head()
            assert (answered.status, client.body(answered)) == (200, b"text")
        again, body = room.again()
        assert body == b"text"
        return [answered, again]

    def test_by_every_field(self, room: Room) -> None:
        now = formatdate(usegmt=True).encode()
        lines = [
            b"Date: " + now,
            b"Link: <3>",
            b"X-New: \xff",
            b"set-cookie: a",
            b"Set-Cookie: b",
            b"Content-Type: x/y",
        ]
        for head in self.renewed(room, *lines):
            assert head.all("Date") == [now]
            assert head.all("Link") == [b"<3>"]
            assert head.all("X-New") == [b"\xff"]
            assert head.all("X-Kept") == [b"1"]
            assert head.all("Set-Cookie") == [b"a", b"b"]
            # It is of the bytes that are here.
            assert head.all("Content-Type") == [b"text/plain"]
            assert head.all("Cache-Control") == [b"max-age=60"]
            assert head.all("ETag") == [b'"a"']

    def test_but_for_those_that_belong_to_the_bytes(self, room: Room) -> None:
        lines = [b"Content-Length: 999", b"Content-Encoding: gzip", b"Content-Range: bytes 0-1/2"]
        for head in self.renewed(room, *lines):
            assert head.all("Content-Length") == [b"4"]
            assert head.all("Content-Encoding") == head.all("Content-Range") == []

    def test_over_a_restart(self, room: Room, rig: Rig) -> None:
        self.renewed(room, b"X-New: 1", b"Link: <3>")
        restart(rig.proxy, room.source_url)
        head, _ = room.again()
        assert (head.all("X-New"), head.all("Link")) == ([b"1"], [b"<3>"])

    def test_its_age_counts_anew(self, room: Room) -> None:
        now = formatdate(usegmt=True).encode()
        for head, age in zip(self.renewed(room, b"Date: " + now, b"Age: 7"), (7, 7), strict=True):
            assert int(head.field("Age") or b"") in (age, age + 1)


class TestDate:
    def test_of_a_hit_is_the_stored_one(self, room: Room) -> None:
        date = formatdate(1_700_000_000, usegmt=True).encode()
        lines = [(b"Date", date), (b"ETag", b'"a"'), (b"Cache-Control", b"max-age=999999999")]
        first, again = brought_and_hit(room, lines)
        assert first.all("Date") == again.all("Date") == [date]

    def test_where_the_origin_says_none_it_is_when_the_answer_came(self, room: Room) -> None:
        """RFC 9110, section 6.6.1: recorded, and not renewed by each hit."""
        first = brought(room, FRESH[:2])
        dates = first.all("Date")
        assert len(dates) == 1
        until(lambda: int(room.again()[0].field("Age") or b"0") >= 1, "a second to pass")
        again = room.again()[0]
        assert again.all("Date") == dates

    def test_there_is_one_of_each_of_ours(self, room: Room) -> None:
        for head in brought_and_hit(room, FRESH):
            names = sorted(name.lower() for name, _ in head.lines)
            assert not [one for one, two in pairwise(names) if one == two]
