"""What a request with a range is refused says nothing of the object."""

from functools import partial

import pytest

from tests.integration.rig import KIB, MIB, Rig, Thing, at_once_held, exact, exact_part, told
from tests.servers.origin import Fault, Origin
from tests.servers.proxycache import Config

LASTING = (("Cache-Control", "max-age=3600"),)


@pytest.fixture(scope="module")
def config(origin: Origin) -> Config:
    plain = {"name": "plain", "prefix": "/", "url": origin.url}
    erring = {"name": "erring", "prefix": "/erring/", "url": origin.url, "error_ttl": "1h"}
    return {"origin": [plain, erring]}


def refuse_ranges(film: Thing, status: int, headers: tuple[tuple[str, str], ...] = LASTING) -> None:
    """From now on, whatever asks for a range."""
    film.fault(Fault(status=status, headers=headers), None, when=lambda served: served.range is not None)


class TestNothingOfItIsStored:
    @pytest.mark.parametrize("status", [400, 403, 404, 410, 501])
    @pytest.mark.parametrize("asked", ["-10", "5-", "0-99"])
    def test_that_says_how_long_it_may_be_kept(self, rig: Rig, status: int, asked: str) -> None:
        film = rig.put(300 * KIB)
        refuse_ranges(film, status)
        assert film.get(asked).status == status
        assert film.get_whole().cache_status == "proxycache; fwd=uri-miss; stored"

    def test_that_the_configuration_would_keep(self, rig: Rig) -> None:
        film = rig.put(300 * KIB, prefix="erring/")
        refuse_ranges(film, 404, ())
        assert film.get("-10").status == 404
        film.get_whole()

    def test_and_what_is_stored_stays(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        film.get_whole()
        refuse_ranges(film, 404)
        answer = film.get("-10", ("Cache-Control", "no-cache"))
        assert answer.status == 404, told(answer)
        exact_part(film.get("-10"), film.body, film.length - 10, film.length)
        assert film.get_whole().cache_status == "proxycache; hit"

    def test_who_asks_for_the_whole_meanwhile_gets_it(self, rig: Rig) -> None:
        film = rig.put(300 * KIB)
        refuse_ranges(film, 404)
        part, whole = at_once_held(film, [partial(film.get, asked) for asked in ("0-99", None)])
        assert part.status == 404, told(part)
        exact(whole, film.body)


@pytest.mark.parametrize("status", [400, 403, 404, 405, 410, 500, 501])
def test_the_rest_of_what_is_stored_in_part_comes_with_the_whole(rig: Rig, status: int) -> None:
    """An origin that serves no ranges serves who asks for none; so it does with the start of the object here."""
    film = rig.put(3 * MIB)
    film.get_part(0, 100)
    refuse_ranges(film, status)
    film.get_whole()
    assert film.get_whole().cache_status == "proxycache; hit"


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_gone_does_not_stay_in_part(rig: Rig, status: int) -> None:
    """Who finds that out has the start of it, and no more; others get what the origin says."""
    film = rig.put(3 * MIB)
    film.get_part(0, 100)
    film.fault(Fault(status=status), None)
    assert not film.get().complete
    assert film.get().status == status


def test_a_single_byte_that_is_refused_comes_with_the_one_before(rig: Rig) -> None:
    """WhiteNoise cannot send one, and the last chunk of an object may be one."""
    length = 3 * MIB + 1
    for asked, start in ((None, 0), ("0-", 0), (f"{length - 20}-", length - 20)):
        film = rig.put(length)
        film.get_part(0, 100)
        refusal = Fault(status=416, headers=(("Content-Range", f"bytes */{length}"),))
        film.fault(refusal, None, when=lambda served: served.range == f"bytes={length - 1}-{length - 1}")
        if asked is None:
            film.get_whole()
        else:
            exact_part(film.get(asked), film.body, start, length)
