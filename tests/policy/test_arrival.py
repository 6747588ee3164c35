"""How long ago something came, whatever the clock was set to since."""

from attrs import evolve

from proxycache.policy.arrival import SLACK_SECONDS, as_recalled, no_younger
from proxycache.policy.fields import Fields
from proxycache.policy.freshness import Reuse, Ttls, current_age, may_serve_on_error, reuse
from tests.policy.samples import NOW, stored

HOUR = 3600.0
FRESH = stored((b"Cache-Control", b"max-age=60, stale-if-error=60"), response_time=NOW)


def test_the_age_is_the_larger_of_two() -> None:
    for elapsed, now, age in (
        (10.0, NOW + 10.0, 10.0),
        (10.0, NOW + HOUR, HOUR),
        (HOUR, NOW + 10.0, HOUR),
        (10.0, NOW - HOUR, 10.0),
        (0.5, NOW, 0.0),
    ):
        assert current_age(no_younger(FRESH, elapsed, now), now) == age


def test_all_its_times_move() -> None:
    known = evolve(FRESH, request_time=NOW - 5.0, useful_until=NOW + 100.0)
    moved = no_younger(known, 10.0, NOW - HOUR)
    assert moved.response_time - moved.request_time == 5.0
    assert moved.response_time == NOW - HOUR - 10.0
    assert moved.useful_until == NOW + 100.0 - HOUR - 10.0


def test_what_came_in_the_future_is_asked_about_first() -> None:
    asked, ttls = Fields(()), Ttls()
    assert as_recalled(FRESH, NOW - SLACK_SECONDS) is FRESH
    recalled, now = as_recalled(FRESH, NOW - HOUR), NOW - HOUR
    assert reuse(recalled, asked, ttls, now) is Reuse.REVALIDATE
    assert not may_serve_on_error(recalled, asked, ttls, now, disconnected=False)
    assert may_serve_on_error(recalled, asked, ttls, now, disconnected=True)
    assert reuse(recalled, asked, ttls, NOW) is Reuse.REVALIDATE
