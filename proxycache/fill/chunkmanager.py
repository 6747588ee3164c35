"""The chunk manager: which generation answers a key, and the one request to the origin by which it is made or renewed.

The first request for an unknown object is itself the probe: the client's range goes out at once, and the answer's
fields make the entry. Whoever asks for the same bytes meanwhile waits for that answer.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence

from attrs import define, evolve, field, frozen
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure
from zope.interface import implementer

from proxycache.errors import MetadataUnavailable, ObjectChanged
from proxycache.interfaces import (
    ChunkUse,
    ICacheFiles,
    IChunkManager,
    IOrigin,
    IOriginResponse,
    OriginRequest,
    Priority,
    StoredFile,
)
from proxycache.log import make_logger
from proxycache.policy.answers import BodyExtent, body_extent, told_length
from proxycache.policy.byterange import RangeSpec, format_range
from proxycache.policy.chunking import Chunking
from proxycache.policy.entry import Representation, StoredRepresentation
from proxycache.policy.eviction import ChunkName
from proxycache.policy.fields import Fields
from proxycache.policy.intervals import Intervals
from proxycache.policy.origins import ObjectTarget, object_key
from proxycache.policy.readahead import FIRST_WINDOW, NEAR
from proxycache.policy.retrying import is_transient
from proxycache.policy.storing import dated, refusal, renewed_fields, storable_fields, variant_matches, variant_of
from proxycache.policy.validators import strong_validator

from .generation import Generation
from .surroundings import Surroundings

MAX_IDLE = 512
"""Generations without a reader that stay in memory, their files open."""

MAX_VARIANTS = 16
"""Variants of one key in memory; the least recently used goes first."""

REPLACING_STATUSES = frozenset({200, 206, 404, 410})
"""Answers that may not be stored, and all the same say that what is stored is out of date."""

CONDITIONAL = frozenset({b"range", b"if-none-match", b"if-modified-since"})
"""Fields of our own in a request to the origin."""

USED_SECONDS = 60.0
"""Between two notes in the database that a generation is in use."""


@frozen
class Obtained:
    """A generation answers. C{collapsed}: another client's request brought it. C{status}: what the origin said."""

    generation: Generation
    status: int
    collapsed: bool = False


@frozen
class Relayed:
    """An answer that is not stored: its body is the caller's to deliver.

    @ivar response: None where it belongs to another client; then the caller asks for itself.
    @ivar cause: token for Cache-Status.
    @ivar failed: whether the origin failed with a status that was tried again in vain.
    """

    response: IOriginResponse | None
    cause: str
    failed: bool = False


Answer = Obtained | Relayed


@frozen
class _Waiting:
    """One who waits for a probe's answer.

    @ivar request: its own fields.
    """

    request: Fields
    priority: Priority
    answer: Deferred[Answer]


@define(eq=False)
class _Probe:
    """The request under way for a key.

    @ivar start: first byte it asked for; None for a suffix.
    @ivar sent: the request as it went out.
    @ivar outdated: what it brings is not for later requests: an unsafe request came between.
    @ivar waiting: who waits for the answer, the one who asked first to begin with.
    @ivar pending: the request on its way to the origin.
    """

    key: bytes
    start: int | None
    head: bool
    sent: OriginRequest
    pending: Deferred[IOriginResponse]
    _origin: IOrigin
    outdated: bool = False
    waiting: list[_Waiting] = field(factory=list)

    def join(self, request: Fields, priority: Priority) -> Deferred[Answer]:
        """Wait for the answer. Cancelling leaves the others alone; the last one takes the request with it."""
        answer: Deferred[Answer] = Deferred(self._leave)
        self.waiting.append(_Waiting(request, priority, answer))
        self._origin.urge(self.pending, min(each.priority for each in self._still_waiting()))
        return answer

    def _leave(self, leaving: Deferred[Answer]) -> None:
        priorities = [each.priority for each in self._still_waiting() if each.answer is not leaving]
        if priorities:
            self._origin.urge(self.pending, min(priorities))
        else:
            self.pending.cancel()

    def _still_waiting(self) -> list[_Waiting]:
        return [each for each in self.waiting if not each.answer.called]


@implementer(IChunkManager)
class ChunkManager:
    """See L{IChunkManager}.

    @param now: wall clock, seconds since the epoch.
    """

    def __init__(
        self,
        around: Callable[[ChunkManager], Surroundings],
        files: ICacheFiles,
        chunk_size: int,
        now: Callable[[], float],
    ) -> None:
        self._around = around(self)
        self._files = files
        self._chunk_size = chunk_size
        self._now = now
        self._variants: dict[bytes, list[Generation]] = {}
        self._by_id: dict[str, Generation] = {}
        self._idle: OrderedDict[str, Generation] = OrderedDict()
        self._loading: dict[bytes, list[Deferred[None]]] = {}
        self._probes: dict[bytes, list[_Probe]] = {}
        self._other_chunk_sizes: dict[str, int] = {}
        self._noted: dict[str, float] = {}
        self._log = make_logger()

    # Looking up

    def lookup(self, target: ObjectTarget, request: Fields) -> Deferred[Generation | None]:
        """The generation that answers C{request}, fresh or stale, or None.

        Without a query where it is in memory; several lookups of one key make one query.

        @return: fails with L{MetadataUnavailable}.
        """
        if target.key in self._variants or target.key in self._probes:
            return succeed(self._match(target, request))
        done: Deferred[None] = Deferred()
        waiting = self._loading.get(target.key)
        if waiting is not None:
            waiting.append(done)
        else:
            self._loading[target.key] = [done]
            self._around.metadata.load(target.key).addCallback(self._loaded, target).addBoth(self._tell, target.key)
        return done.addCallback(lambda _: self._match(target, request))

    def _loaded(self, found: Sequence[StoredRepresentation], target: ObjectTarget) -> None:
        if target.key in self._variants:
            return
        for stored in reversed(found):
            representation = stored.representation
            generation = Generation(
                representation,
                self._files.open(representation.id),
                stored.chunks,
                self._around,
                target.origin.trust_length,
            )
            if object_key(target.origin, representation.source_url) == target.key:
                self._remember(generation)
            else:
                # The key left more of the URL out when it was stored: by now these may be two objects.
                self._around.metadata.remove(generation.id)
                generation.discard()

    def _tell(self, result: object, key: bytes) -> None:
        for waiting in self._loading.pop(key):
            if not waiting.called:
                waiting.callback(None) if not isinstance(result, Failure) else waiting.errback(result)

    def _match(self, target: ObjectTarget, request: Fields) -> Generation | None:
        variants = self._variants.get(target.key, [])
        for place, generation in enumerate(variants):
            if variant_matches(generation.representation.vary, request):
                variants.insert(0, variants.pop(place))
                self._use(generation, target)
                return generation
        return None

    def has_variants(self, target: ObjectTarget) -> bool:
        """Whether anything is stored for it, for whatever request; to be asked after L{lookup}."""
        return bool(self._variants.get(target.key))

    async def invalidate(self, target: ObjectTarget) -> None:
        """What is stored for C{target} was made out of date: no later request gets it (RFC 9111, section 4.4)."""
        for probe in self._probes.get(target.key, ()):
            probe.outdated = True
        try:
            # So that the files go as well.
            await self.lookup(target, Fields())
        except MetadataUnavailable:
            pass
        self._around.metadata.remove_key(target.key)
        for generation in list(self._variants.get(target.key, ())):
            self.unusable(generation)
        # The client is told that its change was made: what it changed must not come back, whatever happens to us.
        await self._around.metadata.sync()

    def _use(self, generation: Generation, target: ObjectTarget) -> None:
        """Keep the freshest URL, and note the use."""
        now = self._now()
        if now - self._noted.get(generation.id, 0.0) >= USED_SECONDS:
            self._noted[generation.id] = now
            self._around.metadata.used(generation.id, now)
        if generation.representation.source_url != target.source_url:
            generation.renew(evolve(generation.representation, source_url=target.source_url))
        self._idle[generation.id] = generation
        self._idle.move_to_end(generation.id)

    # Asking the origin

    def obtain(
        self,
        target: ObjectTarget,
        request: OriginRequest,
        asked: RangeSpec | None,
        stale: Generation | None = None,
        head: bool = False,
        priority: Priority = Priority.CRITICAL,
    ) -> Deferred[Answer]:
        """Make or renew the entry by asking the origin, once for all who ask meanwhile.

        @param request: the request to send, without a range.
        @param asked: the range the client asked for, None for the whole.
        @param stale: the generation to revalidate, None where there is none.
        @param head: only the fields matter; the body is dropped.
        @param priority: how urgent it is for this caller.
        @return: fails with an L{OriginError}. Cancelling leaves others alone; when all have, it is not asked for.
        """
        start = 0 if asked is None else asked.first
        for probe in self._probes.get(target.key, ()):
            near = start is not None and probe.start is not None and 0 <= start - probe.start <= NEAR
            tries = probe.sent.attempts >= request.attempts and probe.sent.patient >= request.patient
            if (near or stale is not None) and (head or not probe.head) and tries and not probe.outdated:
                return probe.join(request.fields, priority)
        sent = self._probe_request(request, asked, stale, head)
        pending = self._around.origin.fetch(sent, priority)
        probe = _Probe(target.key, start, head, sent, pending, self._around.origin)
        first = probe.join(request.fields, priority)
        self._probes.setdefault(target.key, []).append(probe)
        answered: Deferred[Answer] = pending.addCallback(self._answered, target, probe, stale)
        answered.addBoth(self._settle, probe)
        return first

    def _probe_request(
        self, request: OriginRequest, asked: RangeSpec | None, stale: Generation | None, head: bool
    ) -> OriginRequest:
        """The client's range, stretched to whole chunks where it has an end, and cut to the first window where not."""
        fields = request.fields
        if asked is not None and asked.first is not None and not head:
            chunking = Chunking(self._chunk_size)
            limit = chunking.start(chunking.index(asked.first)) + max(FIRST_WINDOW, self._chunk_size)
            if asked.last is not None:
                limit = min(limit, chunking.ceil(asked.last + 1, None))
            asked = RangeSpec(asked.first, limit - 1)
        if asked is not None:
            value = b"bytes=-%d" % (asked.last or 0)
            if asked.first is not None:
                value = format_range(asked.first, None if asked.last is None else asked.last + 1)
            fields = fields.adding((b"Range", value))
        if stale is not None:
            stored = stale.representation.fields
            tag, modified = stored.first(b"etag"), stored.first(b"last-modified")
            if tag is not None:
                fields = fields.adding((b"If-None-Match", tag))
            if modified is not None:
                fields = fields.adding((b"If-Modified-Since", modified))
        return evolve(request, fields=fields, asked=asked)

    def _settle(self, result: Answer | Failure, probe: _Probe) -> None:
        probes = self._probes[probe.key]
        probes.remove(probe)
        if not probes:
            del self._probes[probe.key]
        unclaimed = True
        for number, each in enumerate(probe.waiting):
            if each.answer.called:
                continue
            if isinstance(result, Failure):
                each.answer.errback(result)
            elif number == 0:
                unclaimed = False
                each.answer.callback(result)
            elif isinstance(result, Relayed):
                each.answer.callback(evolve(result, response=None))
            elif variant_matches(result.generation.representation.vary, each.request):
                each.answer.callback(evolve(result, collapsed=True))
            else:
                each.answer.callback(Relayed(None, "vary"))
        if isinstance(result, Obtained):
            result.generation.told()
        elif unclaimed and isinstance(result, Relayed) and result.response is not None:
            result.response.abort()

    def _answered(
        self, response: IOriginResponse, target: ObjectTarget, probe: _Probe, stale: Generation | None
    ) -> Answer:
        try:
            if response.status == 304 and stale is not None:
                response.abort()
                return self._renewed(stale, response, target, probe.sent)
            return self._founded(response, target, probe, stale)
        except BaseException:
            response.abort()
            raise

    def _founded(
        self,
        response: IOriginResponse,
        target: ObjectTarget,
        probe: _Probe,
        stale: Generation | None,
    ) -> Answer:
        sent = probe.sent
        failed = is_transient(response.status, response.fields)
        if response.status == 416:
            if stale is not None and told_length(response.fields) not in (None, stale.length):
                self.unusable(stale)
            return Relayed(response, "status", failed)
        if response.status >= 500 and stale is not None:
            return Relayed(response, "status", failed)
        why_not = refusal(response.status, sent.fields, response.fields, target.origin.ttls, response.response_time)
        if why_not is not None:
            if stale is not None and response.status in REPLACING_STATUSES:
                self.unusable(stale)
            return Relayed(response, why_not, failed)
        if response.status in (200, 206):
            extent = body_extent(response.status, response.fields, sent.asked, response.body_length)
        else:
            extent = BodyExtent(0, response.body_length, response.body_length)
        if extent.length is None and response.status == 206:
            return Relayed(response, "no-length")
        generation = self._generation_of(response, extent, target, probe)
        self._begin(generation, response, extent, sent.asked, probe.head)
        return Obtained(generation, response.status)

    def _renewed(
        self, stale: Generation, response: IOriginResponse, target: ObjectTarget, sent: OriginRequest
    ) -> Obtained:
        """RFC 9111, section 4.3.4: the stored fields are updated by those of the 304.

        @raise ObjectChanged: it tells of another version, or of one that may not be kept: ask anew.
        """
        theirs = strong_validator(response.fields, response.response_time)
        mine = stale.representation.validator
        if theirs is not None and mine is not None and not theirs.is_date and not mine.is_date and theirs != mine:
            self.unusable(stale)
            raise ObjectChanged("a 304 that tells of another version")
        fields = renewed_fields(stale.representation.fields, dated(response.fields, response.response_time))
        ttls = target.origin.ttls
        if refusal(stale.representation.status, sent.fields, fields, ttls, response.response_time) is not None:
            self.unusable(stale)
            raise ObjectChanged("what was stored may not be kept any longer")
        stale.renew(
            evolve(
                stale.representation,
                fields=fields,
                vary=variant_of(fields, sent.fields.without(CONDITIONAL)),
                request_time=response.request_time,
                response_time=response.response_time,
            )
        )
        return Obtained(stale, 304)

    def _generation_of(
        self, response: IOriginResponse, extent: BodyExtent, target: ObjectTarget, probe: _Probe
    ) -> Generation:
        """The generation of the version that a response tells of: one we have, renewed, or a new one."""
        sent, partial = probe.sent, response.status == 206
        representation = Representation(
            id=uuid.uuid4().hex,
            key=target.key,
            origin=target.origin.name,
            source_url=target.source_url,
            status=200 if partial else response.status,
            fields=dated(
                storable_fields(response.status, response.fields).without({b"content-length"}), response.response_time
            ),
            length=extent.length,
            validator=strong_validator(response.fields, response.response_time),
            request_time=response.request_time,
            response_time=response.response_time,
            vary=variant_of(response.fields, sent.fields.without(CONDITIONAL)),
            rangeless=sent.asked is not None and response.status == 200,
            chunk_size=self._chunk_size,
        )
        same = None if probe.outdated else self._same_version(representation)
        if same is not None:
            same.renew(
                evolve(
                    representation,
                    id=same.id,
                    rangeless=same.representation.rangeless or representation.rangeless,
                    chunk_size=same.representation.chunk_size,
                )
            )
            return same
        generation = Generation(
            representation, self._files.open(representation.id), {}, self._around, target.origin.trust_length
        )
        if probe.outdated:
            # For those who asked before; what others got meanwhile stays.
            generation.withhold()
            self._by_id[generation.id] = generation
        else:
            self._replace(generation)
            self._around.metadata.save(representation)
        return generation

    def _begin(
        self,
        generation: Generation,
        response: IOriginResponse,
        extent: BodyExtent,
        asked: RangeSpec | None,
        head: bool,
    ) -> None:
        """Let the body land, unless others bring it, or nobody wants it."""
        wanted = extent.start if asked is None or asked.first is None else asked.first
        covered = generation.reach(wanted, wanted + 1, coming=True) > wanted
        if covered or head or extent.length == 0:
            response.abort()
            return
        partial = response.status == 206
        stop = asked.last + 1 if partial and asked is not None and asked.first is not None and asked.last else None
        generation.adopt(response, extent, stop, allowance=None if partial else wanted + FIRST_WINDOW)

    def _same_version(self, representation: Representation) -> Generation | None:
        """The generation that the bytes of a new response may be put beside."""
        for generation in self._variants.get(representation.key, ()):
            known = generation.representation
            if known.vary == representation.vary and (
                representation.validator is not None
                and known.validator == representation.validator
                and known.length == representation.length
                and known.status == representation.status
            ):
                return generation
        return None

    # The index

    def _remember(self, generation: Generation) -> None:
        self._variants.setdefault(generation.representation.key, []).insert(0, generation)
        self._by_id[generation.id] = generation
        self._drop_idle()
        self._idle[generation.id] = generation

    def _replace(self, generation: Generation) -> None:
        """A new generation takes the place of the one of its variant, which serves out its readers."""
        key, vary = generation.representation.key, generation.representation.vary
        for old in list(self._variants.get(key, ())):
            if old.representation.vary == vary:
                self._forget(old)
        self._remember(generation)
        for old in self._variants[key][MAX_VARIANTS:]:
            self.unusable(old)

    def _forget(self, generation: Generation) -> None:
        """Out of the index. Its readers keep it; its file goes with the last of them."""
        variants = self._variants.get(generation.representation.key, [])
        if generation in variants:
            variants.remove(generation)
            if not variants:
                del self._variants[generation.representation.key]
        self._idle.pop(generation.id, None)
        self._noted.pop(generation.id, None)
        generation.indexed = False
        if not generation.busy:
            self._end(generation)

    def unusable(self, generation: Generation) -> None:
        """The next request asks the origin."""
        if generation in self._variants.get(generation.representation.key, ()):
            self._around.metadata.remove(generation.id)
            self._forget(generation)

    def _end(self, generation: Generation) -> None:
        self._by_id.pop(generation.id, None)
        generation.discard()

    def idle(self, generation: Generation) -> None:
        """Nobody has read it for a while."""
        if generation not in self._variants.get(generation.representation.key, ()):
            self._end(generation)
            return
        self._idle[generation.id] = generation
        self._idle.move_to_end(generation.id)
        self._drop_idle()

    def _drop_idle(self) -> None:
        """Only memory is given back: the database knows it all."""
        for id, generation in list(self._idle.items()) if len(self._idle) > MAX_IDLE else ():
            if len(self._idle) <= MAX_IDLE // 2:
                return
            variants = self._variants.get(generation.representation.key, [])
            if generation.busy or variants != [generation] or self._around.metadata.state() is not None:
                continue
            generation.contents.close_file()
            del self._variants[generation.representation.key]
            for index in (self._idle, self._by_id, self._noted):
                index.pop(id, None)

    # Eviction, repair, end

    def in_use(self, name: ChunkName) -> bool:
        """Whether a chunk has a reader."""
        generation = self._by_id.get(name[0])
        return generation is not None and generation.uses(name[1])

    def evict(self, name: ChunkName) -> Deferred[None]:
        """Drop a chunk, of a generation in memory or not."""
        id, chunk = name
        generation = self._by_id.get(id)
        last = not self._around.space.holds(id)
        if generation is not None:
            punched = generation.contents.evict(chunk)
            if last and not generation.busy:
                self.unusable(generation)
            return punched
        size = self._other_chunk_sizes.get(id, self._chunk_size)
        if last:
            self._other_chunk_sizes.pop(id, None)
            self._around.metadata.remove(id)
            return self._files.open(id).unlink()
        self._around.metadata.forget_chunks(id, [chunk])
        return self._files.open(id).punch(chunk * size, (chunk + 1) * size)

    def learn_chunk_sizes(self, uses: Sequence[ChunkUse]) -> None:
        """Those of entries that were begun under another configuration."""
        for use in uses:
            if use.chunk_size != self._chunk_size:
                self._other_chunk_sizes[use.id] = use.chunk_size

    async def reclaim(self, file: StoredFile, recorded: Intervals) -> None:
        """Give back what a file holds beside C{recorded} and what of its generation is in memory."""
        held = self._files.open(file.id)
        position = 0
        while True:
            generation = self._by_id.get(file.id)
            if generation is not None:
                # Again each time: chunks may have been written while a hole was punched.
                generation.contents.add_to(recorded)
            gap = next(recorded.gaps(position, file.size), None)
            if gap is None:
                return
            await held.punch(*gap)
            position = gap[1]

    def save_all(self) -> None:
        """Record everything in memory again: the database was made anew."""
        for generation in self._by_id.values():
            if generation.stored:
                generation.renew(generation.representation)
                for chunk, checksum in generation.contents.present.items():
                    start = generation.chunking.start(chunk)
                    size = generation.chunking.stop(chunk, generation.length) - start
                    self._around.metadata.record_chunk(generation.id, chunk, checksum, size)

    def known_ids(self) -> set[str]:
        """Generations in memory, also those that only serve out their readers."""
        return set(self._by_id)

    def stop(self) -> None:
        """Stop all fetching."""
        for generation in list(self._by_id.values()):
            generation.quiet()
            generation.contents.close_file()
