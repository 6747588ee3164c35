"""What each error becomes in HTTP: here and nowhere else."""

from __future__ import annotations

import math

from attrs import frozen

from proxycache.errors import (
    BadTarget,
    InvalidAnswer,
    MalformedAnswer,
    MetadataUnavailable,
    MisdirectedTarget,
    NoSuchOrigin,
    ObjectChanged,
    OriginBusy,
    OriginError,
    OriginStatus,
    OriginTimeout,
    OriginUnreachable,
    UploadBroken,
)
from proxycache.policy.fields import Line


@frozen
class ErrorAnswer:
    """@ivar reason: one line for the client."""

    status: int
    reason: str
    fields: tuple[Line, ...] = ()


RETRY_AFTER_SECONDS = 5
"""What a 503 of ours recommends."""


def _later(error: OriginError) -> tuple[Line, ...]:
    return () if error.retry_after is None else ((b"Retry-After", b"%d" % math.ceil(error.retry_after)),)


def answer_to(error: Exception) -> ErrorAnswer | None:
    """The answer to an error that happened before the first byte; None for one that nobody foresaw."""
    match error:
        case BadTarget():
            return ErrorAnswer(400, str(error))
        case MisdirectedTarget():
            return ErrorAnswer(421, str(error))
        case NoSuchOrigin():
            return ErrorAnswer(404, str(error))
        case UploadBroken():
            return ErrorAnswer(408, f"the request's body did not come to its end: {error}")
        case OriginTimeout():
            return ErrorAnswer(504, f"origin timed out: {error}", _later(error))
        case OriginBusy() | ObjectChanged() | MetadataUnavailable():
            return ErrorAnswer(503, str(error), ((b"Retry-After", b"%d" % RETRY_AFTER_SECONDS),))
        case OriginStatus(status=status) if error.refused or (status < 500 and status >= 400):
            return ErrorAnswer(status, str(error), _later(error))
        case InvalidAnswer() | MalformedAnswer():
            return ErrorAnswer(502, f"origin's answer is not valid: {error}")
        case OriginUnreachable():
            return ErrorAnswer(502, f"origin cannot be reached: {error}", _later(error))
        case OriginError():
            return ErrorAnswer(502, f"origin failed: {error}")
    return None
