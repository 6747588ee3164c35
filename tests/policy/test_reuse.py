"""May a stored response be used (RFC 9111, sections 4.2, 4.2.4 and 5.2; RFC 5861)?"""

import pytest

from proxycache.policy.fields import Fields
from proxycache.policy.freshness import Reuse, may_be_stale, may_serve_on_error, reuse

from .samples import NOW, stored

FRESH, BESIDE = Reuse.FRESH, Reuse.STALE_WHILE_REVALIDATE
REVALIDATE, REQUESTED = Reuse.REVALIDATE, Reuse.REQUESTED

CC = b"Cache-Control"


def asking(directives: bytes | None) -> Fields:
    return Fields([] if directives is None else [(CC, directives)])


@pytest.mark.parametrize(
    ("response", "age", "request_", "expected"),
    [
        (b"max-age=60", 0, None, FRESH),
        (b"max-age=60", 59, None, FRESH),
        (b"max-age=60", 60, None, REVALIDATE),
        (b"max-age=60", 61, None, REVALIDATE),
        (b"max-age=0", 0, None, REVALIDATE),
        # The response's no-cache
        (b"no-cache, max-age=60", 0, None, REVALIDATE),
        (b'no-cache="set-cookie", max-age=60', 0, None, REVALIDATE),
        # The request's wishes
        (b"max-age=60", 0, b"no-cache", REQUESTED),
        (b"max-age=60", 10, b"max-age=10", FRESH),
        (b"max-age=60", 11, b"max-age=10", REQUESTED),
        (b"max-age=60", 1, b"max-age=0", REQUESTED),
        (b"max-age=60", 1, b"max-age=ten", REQUESTED),
        (b"max-age=60", 50, b"min-fresh=10", FRESH),
        (b"max-age=60", 51, b"min-fresh=10", REQUESTED),
        (b"max-age=60", 90, b"max-stale", FRESH),
        (b"max-age=60", 90, b"max-stale=30", FRESH),
        (b"max-age=60", 91, b"max-stale=30", REVALIDATE),
        (b"max-age=60", 90, b"max-stale=many", REVALIDATE),
        (b"max-age=60", 90, b"max-stale, max-age=60", REVALIDATE),
        # What forbids to be stale, whatever the request says
        (b"max-age=60, must-revalidate", 59, None, FRESH),
        (b"max-age=60, must-revalidate", 90, b"max-stale", REVALIDATE),
        (b"max-age=60, proxy-revalidate", 90, b"max-stale", REVALIDATE),
        (b"s-maxage=60", 90, b"max-stale", REVALIDATE),
        (b"max-age=60, must-revalidate, stale-while-revalidate=100", 90, None, REVALIDATE),
        # RFC 5861, section 3
        (b"max-age=60, stale-while-revalidate=30", 59, None, FRESH),
        (b"max-age=60, stale-while-revalidate=30", 60, None, BESIDE),
        (b"max-age=60, stale-while-revalidate=30", 90, None, BESIDE),
        (b"max-age=60, stale-while-revalidate=30", 91, None, REVALIDATE),
        (b"max-age=60, stale-while-revalidate=soon", 61, None, REVALIDATE),
        (b"max-age=60, stale-while-revalidate=30", 70, b"no-cache", REVALIDATE),
        (b"max-age=60, stale-while-revalidate=30", 70, b"max-age=60", REVALIDATE),
        (b"max-age=60, stale-while-revalidate=30", 70, b"min-fresh=0", REVALIDATE),
    ],
)
def test_decisions(response: bytes, age: int, request_: bytes | None, expected: Reuse) -> None:
    representation = stored((CC, response), request_time=NOW - age, response_time=NOW - age)
    assert reuse(representation, asking(request_), None, NOW) is expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([(b"Pragma", b"no-cache")], REQUESTED),
        ([(b"Pragma", b"foo, No-Cache")], REQUESTED),
        ([(b"Pragma", b"foo")], FRESH),
        ([(b"Pragma", b"no-cache"), (CC, b"max-age=100")], FRESH),
    ],
)
def test_pragma_counts_without_cache_control(lines: list[tuple[bytes, bytes]], expected: Reuse) -> None:
    assert reuse(stored((CC, b"max-age=60")), Fields(lines), None, NOW) is expected


def test_the_configured_lifetime_is_one() -> None:
    representation = stored(request_time=NOW - 10, response_time=NOW - 10)
    assert reuse(representation, Fields(), 11.0, NOW) is FRESH
    assert reuse(representation, Fields(), 10.0, NOW) is REVALIDATE
    assert reuse(representation, Fields(), None, NOW) is REVALIDATE


@pytest.mark.parametrize(
    ("directives", "allowed"),
    [
        (b"max-age=60", True),
        (b"max-age=60, must-revalidate", False),
        (b"max-age=60, proxy-revalidate", False),
        (b"max-age=60, no-cache", False),
        (b"s-maxage=60", False),
        (b"public", True),
    ],
)
def test_what_forbids_to_be_stale(directives: bytes, allowed: bool) -> None:
    assert may_be_stale(Fields([(CC, directives)])) is allowed


@pytest.mark.parametrize(
    ("response", "overdue", "request_", "on_error", "disconnected"),
    [
        (b"max-age=60", 1, None, False, True),
        (b"max-age=60, stale-if-error=30", 1, None, True, True),
        (b"max-age=60, stale-if-error=30", 30, None, True, True),
        (b"max-age=60, stale-if-error=30", 31, None, False, True),
        (b"max-age=60, stale-if-error=soon", 1, None, False, True),
        (b"max-age=60", 30, b"stale-if-error=30", True, True),
        (b"max-age=60", 31, b"stale-if-error=30", False, True),
        (b"max-age=60, stale-if-error=30", 1, b"no-cache", False, False),
        (b"max-age=60, stale-if-error=30, must-revalidate", 1, None, False, False),
        (b"max-age=60, stale-if-error=30, proxy-revalidate", 1, None, False, False),
        (b"max-age=60, stale-if-error=30, no-cache", 1, None, False, False),
        (b"s-maxage=60, stale-if-error=30", 1, None, False, False),
    ],
)
def test_stale_when_the_origin_fails(
    response: bytes, overdue: int, request_: bytes | None, on_error: bool, disconnected: bool
) -> None:
    moment = NOW - 60 - overdue
    representation = stored((CC, response), request_time=moment, response_time=moment)
    for cut, expected in ((False, on_error), (True, disconnected)):
        assert may_serve_on_error(representation, asking(request_), None, NOW, disconnected=cut) is expected
