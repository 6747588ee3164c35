"""What failed a moment ago: how it failed, how long that is taken to go on, and who asks next."""

import pytest

from proxycache.errors import OriginError, OriginSilent, OriginStatus, OriginUnreachable
from proxycache.policy.failing import (
    MAX_REST_SECONDS,
    Ask,
    Failed,
    Failing,
    credential,
    failure_of,
)
from proxycache.policy.failing import failure_told as told
from proxycache.policy.fields import Fields
from proxycache.policy.retrying import FAILING_SECONDS, MAX_FAILING

from .casefile import Case, cases
from .samples import NOW

URL = b"http://origin.example/a"
BUSY = Failed(503)


@cases("failures", "status", "response", "failure")
def test_answers(case: Case) -> None:
    failed = told(case["status"], case.fields("response"), NOW)
    found = None if failed is None else {"refused": failed.refused, "rest": failed.rest}
    assert found == case.outcome("failure")


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (OriginStatus(500), Failed(500)),
        (OriginStatus(429, 9.0, refused=True), Failed(429, 9.0, refused=True)),
        (OriginUnreachable("refused"), Failed()),
        (OriginSilent("late"), Failed(hung=True)),
    ],
)
def test_errors(error: OriginError, failed: Failed) -> None:
    assert failure_of(error) == failed


def test_credentials() -> None:
    assert credential(Fields([(b"authorization", b"Bearer a")])) == b"Bearer a"
    assert credential(Fields([(b"Cookie", b"a")])) == credential(Fields()) == b""


def test_nothing_fails_before_it_is_noted() -> None:
    failing = Failing()
    failing.over(URL)
    assert failing.last(URL) is None
    assert not failing.lasts(URL, 0.0)
    assert [failing.ask(URL, 0.0) for _ in range(2)] == [Ask.FIRST] * 2


@pytest.mark.parametrize(
    ("failed", "seconds"),
    [
        (BUSY, FAILING_SECONDS),
        (Failed(503, 1.0), FAILING_SECONDS),
        (Failed(503, 20.0), 20.0),
        (Failed(503, 3600.0), MAX_REST_SECONDS),
    ],
)
def test_it_lasts_for_its_time_and_no_longer(failed: Failed, seconds: float) -> None:
    failing = Failing()
    failing.note(URL, failed, 10.0)
    for now in (10.0, 10.0 + seconds - 0.001):
        assert failing.lasts(URL, now)
        assert failing.ask(URL, now) is Ask.NOT
    assert not failing.lasts(URL, 10.0 + seconds)
    assert not failing.lasts(URL + b"?", 10.0)
    assert failing.last(URL) is failed


def test_noted_again_it_lasts_from_then_on() -> None:
    failing = Failing()
    failing.note(URL, BUSY, 10.0)
    failing.note(URL, BUSY, 12.0)
    assert failing.lasts(URL, 10.0 + FAILING_SECONDS)


@pytest.mark.parametrize(("failed", "how"), [(BUSY, Ask.FIRST), (Failed(), Ask.FIRST), (Failed(hung=True), Ask.BESIDE)])
def test_then_one_asks_and_others_do_not_wait_for_him(failed: Failed, how: Ask) -> None:
    failing = Failing()
    failing.note(URL, failed, 0.0)
    now = FAILING_SECONDS
    assert [failing.ask(URL, now) for _ in range(3)] == [how, Ask.NOT, Ask.NOT]
    # He may have left.
    now += FAILING_SECONDS
    assert [failing.ask(URL, now) for _ in range(2)] == [how, Ask.NOT]


def test_an_answer_ends_it() -> None:
    failing = Failing()
    failing.note(URL, BUSY, 10.0)
    failing.over(URL)
    assert not failing.lasts(URL, 10.0)
    assert failing.last(URL) is None


def test_the_oldest_are_forgotten_and_not_the_ones_noted_again() -> None:
    failing = Failing()
    names = [b"%d" % n for n in range(MAX_FAILING)]
    for name in names:
        failing.note(name, BUSY, 0.0)
    failing.note(names[0], BUSY, 0.0)
    failing.note(URL, BUSY, 0.0)
    assert not failing.lasts(names[1], 0.0)
    assert all(failing.lasts(name, 0.0) for name in (names[0], names[2], names[-1], URL))
