"""What a request makes out of date is not reused without asking (RFC 9111, section 4.4)."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.conformance.conversations.conversation import Room, response, restart
from tests.integration.rig import KIB, MIB, Rig, Thing, exact, told
from tests.servers.byhand import Listener
from tests.servers.deadline import until
from tests.servers.fetch import Answer, fetch, same_stream
from tests.servers.origin import Fault, Origin, Pattern

HIT = "proxycache; hit"
UNSAFE = ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "purge"]

_numbers = itertools.count(1)


def stored(rig: Rig, *headers: tuple[str, str], length: int = 1000) -> Thing:
    """An object whose entry is a hit."""
    film = rig.put(length, headers=headers)
    film.get_whole()
    assert film.get_whole().cache_status == HIT
    return film


def send(film: Thing, method: str, status: int = 200, *headers: tuple[str, str]) -> Answer:
    """An unsafe request about the object, which the origin answers so."""
    film.fault(Fault(status=status, headers=headers), when=lambda served: served.method == method)
    answer = film.get(method=method)
    assert answer.status == status, told(answer)
    return answer


def is_kept(film: Thing) -> bool:
    """Whether a GET is answered without asking the origin; either way the answer has to be right."""
    before = len(film.requests)
    answer = film.get_whole()
    asked = len(film.requests) > before
    assert asked == (answer.cache_status != HIT), told(answer)
    return not asked


class TestOfTheTarget:
    @pytest.mark.parametrize("method", UNSAFE)
    def test_every_method_that_is_not_known_to_be_safe(self, rig: Rig, method: str) -> None:
        film = stored(rig)
        send(film, method)
        assert not is_kept(film)
        assert is_kept(film)

    @pytest.mark.parametrize("status", [201, 202, 204, 299, 301, 303, 399])
    def test_every_answer_that_is_no_failure(self, rig: Rig, status: int) -> None:
        film = stored(rig)
        send(film, "POST", status)
        assert not is_kept(film)

    @pytest.mark.parametrize("status", [400, 404, 412, 429, 500, 503])
    def test_a_failure_changed_nothing_and_is_not_repeated(self, rig: Rig, status: int) -> None:
        film = stored(rig)
        send(film, "POST", status)
        assert is_kept(film)
        assert [served.method for served in film.requests] == ["GET", "POST"]

    @pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "PROPFIND"])
    def test_what_is_safe_changes_nothing(self, rig: Rig, method: str) -> None:
        film = stored(rig)
        assert film.get(method=method).status in (200, 204)
        assert is_kept(film)

    def test_what_is_refused_here_changes_nothing(self, rig: Rig) -> None:
        film = rig.put(1000, prefix="reading/")
        film.get_whole()
        assert film.get(method="DELETE").status == 405
        assert is_kept(film)

    def test_the_new_version_comes_with_the_next_get(self, rig: Rig) -> None:
        film = stored(rig)
        new = Pattern(2000, seed=1_000_000)
        rig.origin.put(film.path, new, etag='"v2"')
        send(film, "PUT", 204)
        exact(film.get(), new)

    def test_the_stored_one_is_gone_also_where_the_origin_is_down(self, rig: Rig) -> None:
        """It was made out of date: nobody is served it as merely stale."""
        film = stored(rig)
        send(film, "DELETE")
        film.fault(Fault(refuse=True), None)
        assert film.get().status == 502

    def test_all_variants(self, rig: Rig) -> None:
        film = rig.put(1000, headers=(("Vary", "X-Device"),))
        for device in ("1", "2", "1", "2"):
            film.get_whole(("X-Device", device))
        assert len(film.requests) == 2
        send(film, "POST")
        for device in ("1", "2"):
            assert film.get_whole(("X-Device", device)).cache_status != HIT

    def test_parts_too(self, rig: Rig) -> None:
        film = rig.put(8 * MIB)
        film.get_part(0, 100)
        film.get_part(5 * MIB, 5 * MIB + 100)
        send(film, "PUT", 204)
        asked = len(film.requests)
        film.get_part(5 * MIB, 5 * MIB + 100)
        assert len(film.requests) > asked

    def test_another_query_is_another_object(self, rig: Rig) -> None:
        film = stored(rig)
        assert fetch(film.url + "?x=1", method="POST").status == 200
        assert is_kept(film)

    def test_its_space_is_given_back(self, rig: Rig) -> None:
        before = rig.proxy.metrics()["proxycache_cached_bytes"]
        film = stored(rig, length=4 * MIB)
        send(film, "DELETE")
        until(lambda: rig.proxy.metrics()["proxycache_cached_bytes"] <= before, "the old bytes to be dropped")


class TestOfWhatTheAnswerNames:
    @pytest.mark.parametrize("field", ["Location", "Content-Location"])
    @pytest.mark.parametrize("form", ["{url}{path}", "/{path}", "{path}", "./x/../{path}", "{url}{path}#part"])
    def test_of_the_same_origin(self, rig: Rig, field: str, form: str) -> None:
        film, form_of_it = stored(rig), rig.put(1)
        send(form_of_it, "POST", 201, (field, form.format(url=rig.origin.url, path=film.path)))
        assert not is_kept(film)

    @pytest.mark.parametrize("field", ["Location", "Content-Location"])
    @pytest.mark.parametrize("name", ["127.0.0.1:{port}", "localhost:{port}", "cache.example", "cache.example:8443"])
    def test_by_the_name_by_which_the_client_knows_us(self, rig: Rig, field: str, name: str) -> None:
        """So says an origin that was told its public name; also where TLS ends before us."""
        host = name.format(port=rig.proxy.port)
        film, named = stored(rig), stored(rig)
        url = f"https://{host}/{named.path}" if "example" in host else f"http://{host}/{named.path}"
        film.fault(Fault(status=201, headers=((field, url),)), when=lambda served: served.method == "POST")
        assert film.get(None, ("Host", host), method="POST").status == 201
        assert not is_kept(named)

    def test_both_at_once(self, rig: Rig) -> None:
        one, two, form = stored(rig), stored(rig), stored(rig)
        send(form, "POST", 303, ("Location", "/" + one.path), ("Content-Location", "/" + two.path))
        assert [is_kept(each) for each in (one, two, form)] == [False, False, False]

    @pytest.mark.parametrize("field", ["Location", "Content-Location"])
    def test_not_of_another_host(self, rig: Rig, other: Origin, field: str) -> None:
        """Anybody could name them."""
        path = f"elsewhere-{next(_numbers)}"
        other.put(path, b"text")
        url = rig.proxy.url + "other/" + path
        fetch(url)
        form = rig.put(1)
        send(form, "POST", 201, (field, other.url + path))
        assert fetch(url).cache_status == HIT

    def test_not_of_the_same_path_on_another_host(self, rig: Rig) -> None:
        film, form = stored(rig), rig.put(1)
        send(form, "POST", 201, ("Location", f"http://elsewhere.example/{film.path}"))
        send(form, "POST", 201, ("Location", f"//127.0.0.1:1/{film.path}"))
        send(form, "POST", 201, ("Location", f"https://127.0.0.1:{rig.origin.port}/{film.path}"))
        assert is_kept(film)

    @pytest.mark.parametrize("status", [404, 500])
    def test_not_by_a_failure(self, rig: Rig, status: int) -> None:
        film, form = stored(rig), rig.put(1)
        send(form, "POST", status, ("Location", "/" + film.path))
        assert is_kept(film)

    def test_not_by_a_get(self, rig: Rig) -> None:
        film = stored(rig)
        page = rig.put(1, headers=(("Content-Location", "/" + film.path),))
        page.get_whole()
        assert is_kept(film)

    @pytest.mark.parametrize("value", ["http://[", "", "\x80", "/%2e%2e/x", "/a b", "http://127.0.0.1:99999/"])
    def test_nonsense_does_no_harm(self, rig: Rig, value: str) -> None:
        form = stored(rig)
        send(form, "POST", 201, ("Location", value))
        assert not is_kept(form)


def restart_with(rig: Rig, *films: Thing, variants: int = 1) -> None:
    """Stop and start, once these are in the database."""
    restart(rig.proxy, *(rig.origin.url + film.path for film in films), variants=variants)


class TestAfterARestart:
    def test_the_database_has_forgotten(self, rig: Rig) -> None:
        film, named = stored(rig), stored(rig)
        restart_with(rig, film, named)
        assert is_kept(film)
        assert is_kept(named)
        send(film, "POST", 201, ("Location", "/" + named.path))
        rig.proxy.restart()
        assert not is_kept(film)
        assert not is_kept(named)

    def test_what_was_only_in_the_database(self, rig: Rig) -> None:
        film, named, untouched = stored(rig), stored(rig), stored(rig)
        restart_with(rig, film, named, untouched)
        send(film, "POST", 201, ("Location", "/" + named.path))
        assert not is_kept(film)
        assert not is_kept(named)
        assert is_kept(untouched)

    def test_all_variants_that_were_only_in_the_database(self, rig: Rig) -> None:
        film = rig.put(1000, headers=(("Vary", "X-Device"),))
        for device in ("1", "2"):
            film.get_whole(("X-Device", device))
        restart_with(rig, film, variants=2)
        send(film, "POST")
        for device in ("1", "2"):
            assert film.get_whole(("X-Device", device)).cache_status != HIT

    def test_also_where_it_was_killed_right_after(self, rig: Rig) -> None:
        """The client was told that its change was made: what it changed must not come back."""
        film = stored(rig)
        restart_with(rig, film)
        assert is_kept(film)
        send(film, "PUT", 204)
        rig.proxy.kill()
        rig.proxy.start()
        assert not is_kept(film)

    def test_what_was_only_in_the_database_and_another_restart(self, rig: Rig) -> None:
        film = stored(rig)
        restart_with(rig, film)
        send(film, "DELETE")
        rig.proxy.restart()
        assert not is_kept(film)


OLD = b'HTTP/1.1 200 OK\r\nETag: "old"\r\nCache-Control: max-age=3600\r\nConnection: close\r\nContent-Length: 8\r\n\r\n'
NEW = OLD.replace(b"old", b"new")
DONE = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


def put(room: Room) -> None:
    """Something else is put in its place."""
    client, origin, _ = room.begin("PUT")
    with client, origin:
        origin.send(DONE)
        assert client.head().status == 204


def get_from_the_origin(room: Room, body: bytes = b"new body") -> None:
    """A GET that has to reach the origin."""
    client, origin, _ = room.begin("GET")
    with client, origin:
        origin.send(NEW, body)
        assert client.body(client.head()) == body


class TestWhileAGetIsUnderWay:
    def test_before_its_head(self, room: Room) -> None:
        """Nobody knows which version it will bring: it is for the client who asked, and for no one after."""
        client, origin, _ = room.begin("GET")
        with client, origin:
            put(room)
            origin.send(OLD, b"old body")
            assert client.body(client.head()) == b"old body"
        get_from_the_origin(room)

    def test_in_the_middle_of_its_body(self, room: Room) -> None:
        client, origin, _ = room.begin("GET")
        with client, origin:
            origin.send(OLD, b"old ")
            head = client.head()
            put(room)
            origin.send(b"body")
            assert client.body(head) == b"old body"
        get_from_the_origin(room)

    def test_a_later_get_does_not_wait_for_it(self, room: Room) -> None:
        client, origin, _ = room.begin("GET")
        with client, origin:
            put(room)
            get_from_the_origin(room)
            origin.send(OLD, b"old body")
            assert client.body(client.head()) == b"old body"

    def test_and_one_that_came_and_went_while_the_change_was_under_way(self, room: Room) -> None:
        """Nobody knows whether the origin answered it before the change or after."""
        client, origin, _ = room.begin("PUT")
        with client, origin:
            get_from_the_origin(room, b"old body")
            assert room.again()[1] == b"old body"
            origin.send(DONE)
            assert client.head().status == 204
        get_from_the_origin(room)

    def test_of_what_location_names(self, room: Room, rig: Rig, hand: Listener) -> None:
        made = Room(rig.proxy, hand)
        client, origin, _ = made.begin("GET")
        with client, origin:
            room.exchange("POST", response(b"201 Created", b"Location: " + made.path.encode()))
            origin.send(OLD, b"old body")
            assert client.body(client.head()) == b"old body"
        get_from_the_origin(made)

    def test_what_was_got_meanwhile_stays(self, room: Room) -> None:
        """The old one that arrives late does not take the place of the new one."""
        client, origin, _ = room.begin("GET")
        with client, origin:
            put(room)
            get_from_the_origin(room)
            origin.send(OLD, b"old body")
            client.body(client.head())
        head, body = room.again()
        assert (head.status, head.field("ETag"), body) == (200, b'"new"', b"new body")

    def test_while_it_is_revalidated(self, room: Room) -> None:
        """The 304 is about the version that is no more."""
        client, origin, _ = room.begin("GET")
        with client, origin:
            origin.send(OLD.replace(b"3600", b"0"), b"old body")
            client.body(client.head())
        client, origin, _ = room.begin("GET")
        with client, origin:
            put(room)
            origin.send(b'HTTP/1.1 304 Not Modified\r\nETag: "old"\r\nCache-Control: max-age=3600\r\n')
            origin.send(b"Connection: close\r\n\r\n")
            # Its one client may get the old one, for it asked before, or be asked for anew.
            assert client.head().status == 200
        get_from_the_origin(room)


class TestReadersOfTheOldVersion:
    def test_they_finish_exactly(self, rig: Rig) -> None:
        film = stored(rig, length=24 * MIB)
        with ThreadPoolExecutor(4) as pool, ExitStack() as stack:
            slow = [stack.enter_context(film.stream(buffer=64 * KIB)) for _ in range(4)]
            for each in slow:
                same_stream(film.body, 0, 1000, each)
            new = Pattern(24 * MIB, seed=1_000_000)
            rig.origin.put(film.path, new, etag='"v2"')
            send(film, "PUT", 204)
            exact(film.get(), new)
            for reading in [pool.submit(same_stream, film.body, 1000, film.length, each) for each in slow]:
                reading.result()
            assert all(each.answer.complete for each in slow)
        asked = [served.method for served in film.requests]
        assert asked == ["GET", "PUT", "GET"]

    def test_also_of_one_that_is_still_arriving(self, rig: Rig) -> None:
        film = rig.put(8 * MIB)
        rig.origin.throttle(film.path, 32 * MIB)
        with film.stream() as reader, film.stream() as second:
            same_stream(film.body, 0, 1000, reader)
            send(film, "PUT", 204)
            for each in (reader, second):
                each_from = 1000 if each is reader else 0
                same_stream(film.body, each_from, film.length, each)
                assert each.answer.complete
        rig.origin.throttle(film.path, None)
        assert not is_kept(film)
