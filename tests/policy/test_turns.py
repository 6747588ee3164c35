"""Whose turn it is to ask an origin that failed, or asked to be left alone."""

import pytest

from proxycache.errors import OriginSilent, OriginStatus
from proxycache.policy.failing import MAX_REST_SECONDS, Failed
from proxycache.policy.retrying import FAILING_SECONDS, MAX_FAILING
from proxycache.policy.turns import SEVERAL, FailingOrigins, Turn

NAME = b"films "
A, B, C, D = (b"http://origin.example/%d" % number for number in range(4))
LATER = Failed(429, 20.0, refused=True)
BUSY = Failed(500)
HUNG = Failed(hung=True)
GO, PROBE, WAIT, TOLD = Turn


class Origins(FailingOrigins):
    """With a clock."""

    def __init__(self, *failures: tuple[bytes, Failed], now: float = 0.0) -> None:
        super().__init__()
        self.now = now
        for url, failed in failures:
            self.fails(url, failed)

    def fails(self, url: bytes, failed: Failed) -> bool:
        """It fails now."""
        return self.note(NAME, url, failed, self.now)

    def of(self, url: bytes, *, begun: bool = False, dispensable: bool = False) -> Turn:
        """What becomes of a request now; a probe begins."""
        turn = self.turn(NAME, url, self.now, begun=begun, dispensable=dispensable)
        if turn is PROBE:
            self.begin(NAME, self.now)
        return turn


def test_what_has_not_failed_is_asked() -> None:
    origins = Origins()
    assert origins.of(A) is GO
    origins.answered(NAME, 0.0)
    origins.end(NAME)
    origins.begin(NAME, 0.0)
    assert origins.of(A, dispensable=True) is GO


class TestRefused:
    def test_for_one_object(self) -> None:
        """That one waits; others ask one by one, and go once that was answered."""
        origins = Origins((A, LATER))
        assert [origins.of(A), origins.of(A, begun=True), origins.of(A, dispensable=True)] == [WAIT, WAIT, TOLD]
        assert [origins.of(B), origins.of(C), origins.of(D, dispensable=True)] == [PROBE, WAIT, TOLD]
        origins.answered(NAME, 1.0)
        origins.end(NAME)
        assert origins.of(A) is GO

    def test_for_two(self) -> None:
        origins = Origins((A, LATER), (B, LATER))
        assert [origins.of(C), origins.of(C, begun=True), origins.of(C, dispensable=True)] == [WAIT, WAIT, TOLD]
        assert origins.patience(NAME, 5.0) == 15.0
        origins.now = 20.0
        assert [origins.of(C), origins.of(D), origins.of(D, dispensable=True)] == [PROBE, WAIT, TOLD]
        assert origins.patience(NAME, 20.0) == FAILING_SECONDS
        origins.fails(C, LATER)
        origins.end(NAME)
        assert origins.of(D) is WAIT

    def test_a_probe_that_is_lost(self) -> None:
        origins = Origins((A, LATER))
        assert origins.of(B) is PROBE
        assert origins.patience(NAME, 1.0) == FAILING_SECONDS - 1.0
        origins.now = FAILING_SECONDS
        assert origins.of(C) is PROBE

    def test_longer_than_anybody_waits(self) -> None:
        origins = Origins((A, Failed(503, 3600.0, refused=True)), (B, Failed(503, 3600.0, refused=True)))
        assert [origins.of(C), origins.of(C, begun=True)] == [TOLD, WAIT]
        error = origins.error(NAME, 10.0)
        assert isinstance(error, OriginStatus)
        assert (error.status, error.retry_after, error.refused) == (503, 3590.0, True)
        origins.now = MAX_REST_SECONDS
        assert origins.of(C) is PROBE

    def test_what_was_sent_before_says_nothing(self) -> None:
        origins = Origins((A, LATER), now=10.0)
        origins.answered(NAME, 9.9)
        assert origins.of(A) is WAIT

    def test_it_is_forgotten(self) -> None:
        origins = Origins((A, LATER), (B, LATER))
        origins.now = 20.0 + MAX_REST_SECONDS
        assert [origins.of(C), origins.of(D)] == [GO, GO]

    def test_it_is_told_when_it_begins(self) -> None:
        origins = Origins((A, BUSY))
        assert [origins.fails(A, LATER), origins.fails(B, LATER)] == [True, False]


class TestFailed:
    def test_a_few(self) -> None:
        origins = Origins((A, BUSY), (A, BUSY), (A, BUSY), (B, BUSY))
        assert origins.of(C, dispensable=True) is GO

    def test_several(self) -> None:
        """What is stored stands in; all others are asked for."""
        origins = Origins((A, BUSY), (B, BUSY), (C, BUSY))
        assert [origins.of(D), origins.of(D, dispensable=True)] == [GO, TOLD]
        origins.now = FAILING_SECONDS
        assert [origins.of(D, dispensable=True) for _ in range(2)] == [PROBE, TOLD]
        origins.answered(NAME, 0.0)
        assert origins.of(D, dispensable=True) is GO

    def test_in_a_row(self) -> None:
        origins = Origins((A, BUSY), (B, BUSY))
        origins.answered(NAME, 0.0)
        origins.fails(C, BUSY)
        assert origins.of(D, dispensable=True) is GO

    def test_of_one_kind(self) -> None:
        origins = Origins((A, BUSY), (B, BUSY), (C, HUNG))
        assert origins.of(D) is GO


class TestHung:
    def test_several(self) -> None:
        """What is stored stands in, also while one finds out how it is; who has nothing asks."""
        origins = Origins((A, HUNG), (B, HUNG), (C, HUNG))
        assert [origins.of(D), origins.of(D, begun=True), origins.of(D, dispensable=True)] == [GO, GO, TOLD]
        origins.now = FAILING_SECONDS
        assert [origins.of(D, dispensable=True), origins.of(D), origins.of(D, dispensable=True)] == [PROBE, GO, TOLD]

    def test_error(self) -> None:
        origins = Origins((A, HUNG))
        error = origins.error(NAME, 1.0)
        assert isinstance(error, OriginSilent)
        assert error.retry_after == FAILING_SECONDS - 1.0


@pytest.mark.parametrize("failed", [LATER, BUSY, HUNG])
def test_the_oldest_are_forgotten(failed: Failed) -> None:
    origins = Origins(*[(url, failed) for url in (A, B, C)][:SEVERAL])
    for number in range(MAX_FAILING):
        origins.note(b"%d" % number, A, failed, 0.0)
    assert origins.of(D, dispensable=True) is GO
