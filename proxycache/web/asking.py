"""The GET by which an origin is asked, and what takes its place where the origin makes a mess of ranges."""

from __future__ import annotations

from attrs import evolve

from proxycache.errors import InvalidAnswer, OriginError
from proxycache.fill.question import Obtained, Question, Relayed, Told
from proxycache.policy.altered import Alteration, refuses_suffix, suffix
from proxycache.policy.byterange import RangeSpec

from .serving import Serving


async def obtain_by_get(serving: Serving, question: Question) -> Obtained | Relayed | Told:
    """Ask for the client's range, or the whole.

    A range that is told from the end (C{bytes=-N}) may be refused or misread, or refused where the object is shorter
    than that, though it can be had from its start: then the length is asked for. The whole where all ranges are a mess.

    @raise OriginError: no answer, or none that can be used.
    """
    manager, refused, origin = serving.manager, serving.refused, question.target.origin.name
    now, exact = serving.clock.seconds(), question.request.exact
    from_the_end = 0 if exact else suffix(question.asked)
    if from_the_end and refused.lasts(origin, Alteration.SUFFIX, now):
        found = await _with_its_length(serving, question)
        if found is not None:
            return found
        refused.over(origin, Alteration.SUFFIX)
    try:
        got = await manager.obtain(question)
    except InvalidAnswer:
        if question.asked is None:
            raise
        if exact:
            # Signed: nothing else may be asked for it.
            return Relayed(None, 206, "invalid")
        found = await _with_its_length(serving, question) if from_the_end else None
        return found or await manager.obtain(evolve(question, asked=None))
    if not from_the_end or not isinstance(got, Relayed) or not refuses_suffix(got.status):
        return got
    if got.response is not None:
        # It may hold the only connection.
        got.response.abort()
    found = await _with_its_length(serving, question)
    if found is None:
        return evolve(got, response=None)
    if (found.generation.length or 0) >= from_the_end:
        # Not only since it is longer than the object.
        refused.note(origin, Alteration.SUFFIX, now)
    return found


async def _with_its_length(serving: Serving, question: Question) -> Obtained | None:
    """What the first bytes tell of the object, from which its last ones can be asked for; None where they do not."""
    try:
        # Of two, for some servers send all where one is asked for.
        got = await serving.manager.obtain(evolve(question, asked=RangeSpec(0, 1), head=True))
    except OriginError:
        return None
    if isinstance(got, Obtained) and got.generation.length is not None:
        return got
    if isinstance(got, Relayed) and got.response is not None:
        got.response.abort()
    return None
