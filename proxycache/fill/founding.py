"""What becomes of a probe's answer: it makes an entry or renews one, or it is for the client alone."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Protocol

from attrs import evolve

from proxycache.errors import ObjectChanged
from proxycache.interfaces import ICacheFiles, IOriginResponse, OriginRequest
from proxycache.policy.accept import renewed_variant, selects, sent_for, variant_beside
from proxycache.policy.altered import is_about_the_request
from proxycache.policy.answers import (
    BodyExtent,
    body_extent,
    confirms,
    contradiction,
    contradicts,
    length_of_part,
    outdates,
    told_length,
)
from proxycache.policy.bounds import limited
from proxycache.policy.collapsing import may_share
from proxycache.policy.cookies import without_cookies
from proxycache.policy.entry import Representation
from proxycache.policy.failing import failure_told
from proxycache.policy.fields import Fields, parse_content_length
from proxycache.policy.forwarding import CONDITIONAL
from proxycache.policy.freshness import useful_until
from proxycache.policy.origins import OriginPolicy
from proxycache.policy.readahead import FIRST_WINDOW
from proxycache.policy.retrying import is_transient
from proxycache.policy.storing import dated, refusal, renewed_fields, storable_fields
from proxycache.policy.validators import binding_validator

from .generation import Generation
from .probe import Probe
from .question import Answer, Obtained, Question, Relayed, Told
from .surroundings import Surroundings


class Index(Protocol):
    """Who knows the generations."""

    def known(self, question: Question) -> Sequence[Generation]:
        """Those in memory that the answer to C{question} may be of."""

    def enter(self, generation: Generation, probe: Probe) -> None:
        """A new one was made of a probe's answer."""

    def heard(self, told: Representation) -> None:
        """The answer to a HEAD, which others may get who ask so."""

    def unusable(self, generation: Generation) -> None:
        """The next request asks the origin."""


class Founding:
    """Makes and renews entries.

    @param now: wall clock, seconds since the epoch.
    """

    def __init__(
        self, index: Index, around: Surroundings, files: ICacheFiles, chunk_size: int, now: Callable[[], float]
    ) -> None:
        self._index = index
        self._around = around
        self._files = files
        self._chunk_size = chunk_size
        self._now = now

    def answered(self, response: IOriginResponse, probe: Probe) -> Answer:
        """Make or renew an entry of what a probe brought.

        @raise OriginError: it is no answer to what was asked.
        @raise ObjectChanged: it tells of another version than what it ought to renew: ask anew.
        """
        try:
            if response.status == 304 and probe.question.stale is not None and not probe.sent.exact:
                response.abort()
                return self._renewed(probe.question.stale, response, probe)
            answer = self._headed(response, probe) if probe.sent.method == "HEAD" else self._founded(response, probe)
        except BaseException:
            response.abort()
            raise
        if not isinstance(answer, Relayed):
            return answer
        if response.status == 206 and probe.question.head and probe.sent.method == "GET":
            # In place of a HEAD, which wants to know of the whole.
            response.abort()
            return Told(self._told(response, length_of_part(response.fields), probe), 206, alone=True)
        failure = failure_told(response.status, response.fields, response.response_time)
        return evolve(answer, sent=probe.sent.fields, failure=failure)

    def _founded(self, response: IOriginResponse, probe: Probe) -> Answer:
        sent, target, stale = probe.sent, probe.question.target, probe.question.stale
        failed = is_transient(response.status, response.fields)
        if response.status == 416:
            if stale is not None and told_length(response.fields) not in (None, stale.length):
                self._index.unusable(stale)
            return Relayed(response, 416, "status")
        if response.status >= 500 and stale is not None:
            return Relayed(response, response.status, "status", failed)
        if is_about_the_request(response.status, ranged=sent.asked is not None, bound=_is_bound(sent.fields)):
            return Relayed(response, response.status, "status", failed)
        ttls, set_cookie, now = target.origin.ttls, target.origin.set_cookie, response.response_time
        why_not = refusal(response.status, sent.fields, response.fields, ttls, now, set_cookie)
        if why_not is not None:
            if stale is not None and outdates(
                stale.representation,
                sent.fields,
                response.status,
                response.fields,
                response.body_length,
                response.response_time,
            ):
                self._index.unusable(stale)
            return Relayed(response, response.status, why_not, failed, unstorable=not failed)
        if response.status == 206 and sent.asked is None:
            # Of what the URL names in its own way, such as a number of a part.
            return Relayed(response, 206, "unasked-part", unstorable=True)
        if response.status in (200, 206):
            extent = body_extent(response.status, response.fields, sent.asked, response.body_length)
        else:
            extent = BodyExtent(0, response.body_length, response.body_length)
        if extent.length is None and response.status == 206:
            return Relayed(response, 206, "no-length")
        told_of = self._told_of(response, extent, probe)
        if told_of is not None:
            response.abort()
            return self._renewed(told_of, response, probe)
        fields = dated(storable_fields(response.status, response.fields).without({b"content-length"}), now)
        generation = self._generation_of(response, without_cookies(set_cookie, fields), extent, probe)
        generation.leads_to(sent.url, response)
        obtained = _obtained(generation, response.status, fields)
        self._begin(generation, response, extent, sent, probe.question.head)
        return obtained

    def _headed(self, response: IOriginResponse, probe: Probe) -> Answer:
        """What a HEAD tells: it renews what it is about, and founds nothing."""
        sent, target, stale, now = probe.sent, probe.question.target, probe.question.stale, response.response_time
        failed = is_transient(response.status, response.fields)
        if response.status == 206 or (response.status >= 400 and response.status not in (404, 410)):
            return Relayed(response, response.status, "status", failed)
        length = parse_content_length(response.fields.first(b"content-length"))
        set_cookie = target.origin.set_cookie
        why_not = refusal(response.status, sent.fields, response.fields, target.origin.ttls, now, set_cookie)
        if stale is not None:
            known = stale.representation
            gone = outdates(known, sent.fields, response.status, response.fields, length, now)
            if contradicts(known, response.fields, now) if response.status == 200 else gone:
                self._index.unusable(stale)
        if response.status == 200 and length is None:
            return Relayed(response, 200, "no-length")
        if why_not is not None or without_cookies(set_cookie, response.fields) != response.fields:
            return Relayed(response, response.status, why_not or "set-cookie")
        told_of = self._told_of(response, BodyExtent(0, length, length), probe)
        response.abort()
        if told_of is not None:
            return self._renewed(told_of, response, probe)
        told = self._told(response, length, probe)
        if probe.question.recorded and not probe.outdated:
            self._index.heard(told)
        return Told(told, response.status)

    def _told(self, response: IOriginResponse, length: int | None, probe: Probe) -> Representation:
        fields = storable_fields(response.status, response.fields).without({b"content-length"})
        return self._represented(response, dated(fields, response.response_time), length, probe)

    def _represented(
        self, response: IOriginResponse, fields: Fields, length: int | None, probe: Probe
    ) -> Representation:
        """The record of an answer.

        @param fields: those that are recorded.
        """
        target, sent = probe.question.target, probe.sent
        others = [each.representation for each in self._index.known(probe.question)]
        return Representation(
            id=uuid.uuid4().hex,
            key=target.key,
            origin=target.origin.name,
            source_url=target.source_url,
            status=200 if response.status == 206 else response.status,
            fields=fields,
            length=length,
            validator=binding_validator(response.fields, length, response.response_time),
            request_time=response.request_time,
            response_time=response.response_time,
            vary=variant_beside(response.fields, sent.fields.without(CONDITIONAL), others),
            rangeless=sent.asked is not None and response.status == 200 and sent.fields.first(b"if-range") is None,
            chunk_size=self._chunk_size,
            sent_for=sent_for(response.fields, sent.fields),
        )

    def _told_of(self, response: IOriginResponse, extent: BodyExtent, probe: Probe) -> Generation | None:
        """The generation whose fields the answer to a HEAD updates (RFC 9111, section 4.3.5); it has its bytes."""
        if not probe.question.head or probe.outdated or response.status not in (200, 206):
            return None
        for generation in self._index.known(probe.question):
            known = generation.representation
            if (
                known.status == 200
                and selects(known, probe.sent.fields)
                and confirms(known, response.fields, extent.length, response.response_time)
            ):
                return generation
        return None

    def _renewed(self, stale: Generation, response: IOriginResponse, probe: Probe) -> Obtained:
        """RFC 9111, section 4.3.4: the stored fields are updated by those of a 304, or of the answer to a HEAD.

        @raise ObjectChanged: it tells of another version, or of one that may not be kept: ask anew.
        """
        known, now, origin = stale.representation, response.response_time, probe.question.target.origin
        if contradicts(known, response.fields, now):
            self._index.unusable(stale)
            raise ObjectChanged("what was asked about is another version")
        fields = renewed_fields(known.fields, dated(response.fields, now))
        renewed = evolve(
            known,
            fields=fields,
            vary=renewed_variant(known, fields, probe.sent.fields.without(CONDITIONAL)),
            request_time=response.request_time,
            response_time=now,
        )
        if response.fresh_for is not None:
            fields = limited(renewed, response.fresh_for, origin.ttls)
            renewed = evolve(renewed, fields=fields)
        why_not = refusal(known.status, probe.sent.fields, fields, origin.ttls, now, origin.set_cookie)
        if why_not is None:
            stale.renew(_judged(evolve(renewed, fields=without_cookies(origin.set_cookie, fields)), origin))
            if probe.sent.method == "GET":
                # A signature may be good for the one method alone.
                stale.leads_to(probe.sent.url, response)
            return _obtained(stale, response.status, fields)
        if probe.question.personal or why_not == "set-cookie":
            # For this client alone: what is stored for others stays as it is.
            return Obtained(stale, response.status, personal=renewed)
        self._index.unusable(stale)
        raise ObjectChanged("what was stored may not be kept any longer")

    def _generation_of(self, response: IOriginResponse, fields: Fields, extent: BodyExtent, probe: Probe) -> Generation:
        """The generation of the version that a response tells of: one we have, renewed, or a new one.

        @param fields: those that are recorded.
        """
        target = probe.question.target
        representation = _judged(self._represented(response, fields, extent.length, probe), target.origin)
        same = None if probe.outdated else self._same_version(representation, probe)
        if same is not None:
            same.renew(
                evolve(
                    representation,
                    id=same.id,
                    rangeless=same.representation.rangeless or representation.rangeless,
                    chunk_size=same.representation.chunk_size,
                    sent_for=sent_for(response.fields, probe.sent.fields, same.representation.sent_for),
                )
            )
            return same
        generation = Generation(
            representation, self._files.open(representation.id), {}, self._around, target.origin.trust_length
        )
        self._index.enter(generation, probe)
        return generation

    def _begin(
        self,
        generation: Generation,
        response: IOriginResponse,
        extent: BodyExtent,
        sent: OriginRequest,
        head: bool,
    ) -> None:
        """Let the body land, unless others bring it, or nobody wants it."""
        asked = sent.asked
        wanted = extent.start if asked is None or asked.first is None else asked.first
        # Of what goes out as it came, no other request can bring the rest.
        needed = wanted + 1 if not sent.exact or extent.stop is None else max(extent.stop, wanted + 1)
        covered = generation.reach(wanted, needed, coming=True) >= needed
        if covered or head or extent.length == 0:
            response.abort()
            return
        partial = response.status == 206
        closed = asked is not None and (asked.first is None or asked.last is not None)
        stop = None
        if partial and asked is not None and asked.first is not None and asked.last is not None:
            stop = asked.last + 1
        generation.adopt(response, extent, stop, allowance=None if partial and closed else wanted + FIRST_WINDOW)

    def _same_version(self, representation: Representation, probe: Probe) -> Generation | None:
        """The generation that the bytes of a new response may be put beside, and that may answer in its place.

        Two clients' answers may have one date, and different bytes: it counts where it need not have been asked.
        """
        ttls, validator = probe.question.target.origin.ttls, representation.validator
        if validator is None:
            return None
        if validator.is_date and not may_share(representation, probe.sent.fields, ttls, self._now()):
            return None
        for generation in self._index.known(probe.question):
            known = generation.representation
            if (
                known.vary == representation.vary
                and known.validator == validator
                and known.length == representation.length
                and known.status == representation.status
                and known.fields.members(b"content-encoding") == representation.fields.members(b"content-encoding")
                and contradiction(known, representation.fields, representation.response_time) is None
            ):
                return generation
        return None


def _obtained(generation: Generation, status: int, brought: Fields) -> Obtained:
    """What the client gets that brought an answer with these fields, which may be more than was recorded."""
    known = generation.representation
    return Obtained(generation, status, brought=None if brought == known.fields else evolve(known, fields=brought))


def _is_bound(request: Fields) -> bool:
    return any(request.first(name) is not None for name in CONDITIONAL - {b"range"})


def _judged(representation: Representation, origin: OriginPolicy) -> Representation:
    """With the time until which it is good for anything."""
    until = useful_until(representation, origin.ttls, origin.stale_if_error)
    return evolve(representation, useful_until=until)
