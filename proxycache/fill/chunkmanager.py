"""The chunk manager: which generation answers a key, and what becomes of an answer that makes or renews one."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence

from attrs import evolve
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure
from zope.interface import implementer

from proxycache.errors import MetadataUnavailable, ObjectChanged
from proxycache.interfaces import (
    ChunkUse,
    ICacheFiles,
    IChunkManager,
    IOriginResponse,
    OriginRequest,
    Priority,
    StoredFile,
)
from proxycache.log import make_logger
from proxycache.policy.answers import BodyExtent, body_extent, contradicts, outdates, told_length
from proxycache.policy.byterange import RangeSpec
from proxycache.policy.collapsing import may_share
from proxycache.policy.entry import Representation, StoredRepresentation
from proxycache.policy.eviction import ChunkName
from proxycache.policy.fields import Fields
from proxycache.policy.intervals import Intervals
from proxycache.policy.origins import ObjectTarget, object_key
from proxycache.policy.readahead import FIRST_WINDOW
from proxycache.policy.retrying import is_transient
from proxycache.policy.storing import dated, refusal, renewed_fields, storable_fields, variant_matches, variant_of
from proxycache.policy.validators import strong_validator

from .generation import Generation
from .probe import Answer, Obtained, Probe, Probes, Question, Relayed
from .surroundings import Surroundings

MAX_IDLE = 512
"""Generations without a reader that stay in memory."""

MAX_VARIANTS = 16
"""Variants of one key in memory; the least recently used goes first."""

CONDITIONAL = frozenset({b"range", b"if-none-match", b"if-modified-since"})
"""Fields of our own in a request to the origin."""

USED_SECONDS = 60.0
"""Between two notes in the database that a generation is in use."""


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
        self._probes = Probes(self, self._around, chunk_size, now)
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
            return succeed(self.match(target, request))
        done: Deferred[None] = Deferred()
        waiting = self._loading.get(target.key)
        if waiting is not None:
            waiting.append(done)
        else:
            self._loading[target.key] = [done]
            self._around.metadata.load(target.key).addCallback(self._loaded, target).addBoth(self._tell, target.key)
        return done.addCallback(lambda _: self.match(target, request))

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

    def match(self, target: ObjectTarget, request: Fields) -> Generation | None:
        """The generation in memory that answers C{request}, fresh or stale, or None."""
        variants = self._variants.get(target.key, [])
        for place, generation in enumerate(variants):
            if variant_matches(generation.representation.vary, request):
                variants.insert(0, variants.pop(place))
                self._use(generation, target)
                return generation
        return None

    def varying(self, key: bytes) -> set[bytes]:
        """The fields that the Vary of what is in memory under a key names, in lower case."""
        return {name for generation in self._variants.get(key, ()) for name, _ in generation.representation.vary}

    def asking(self, target: ObjectTarget) -> bool:
        """Whether a request is under way that will make or renew what is known of it."""
        return target.key in self._probes

    def has_variants(self, target: ObjectTarget) -> bool:
        """Whether anything is stored for it, for whatever request; to be asked after L{lookup}."""
        return bool(self._variants.get(target.key))

    async def invalidate(self, target: ObjectTarget) -> None:
        """What is stored for C{target} was made out of date: no later request gets it (RFC 9111, section 4.4)."""
        self._probes.outdate(target.key)
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
        self._rest(target.key)

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
        """Make or renew the entry by asking the origin, once for all who ask meanwhile and may share the answer.

        @param request: the request to send, without a range.
        @param asked: the range the client asked for, None for the whole.
        @param stale: the generation to revalidate, None where there is none.
        @param head: only the fields matter; the body is dropped.
        @param priority: how urgent it is for this caller.
        @return: fails with an L{OriginError}. Cancelling leaves others alone; when all have, it is not asked for.
        """
        return self._probes.ask(Question(target, request, asked, stale, head, priority))

    def answered(self, response: IOriginResponse, probe: Probe) -> Answer:
        """Make or renew an entry of what a probe brought.

        @raise OriginError: it is no answer to what was asked.
        @raise ObjectChanged: it tells of another version than what it ought to renew: ask anew.
        """
        try:
            if response.status == 304 and probe.question.stale is not None:
                response.abort()
                return self._renewed(probe.question.stale, response, probe)
            return self._founded(response, probe)
        except BaseException:
            response.abort()
            raise

    def _founded(self, response: IOriginResponse, probe: Probe) -> Answer:
        sent, target, stale = probe.sent, probe.question.target, probe.question.stale
        failed = is_transient(response.status, response.fields)
        if response.status == 416:
            if stale is not None and told_length(response.fields) not in (None, stale.length):
                self.unusable(stale)
            return Relayed(response, 416, "status")
        if response.status >= 500 and stale is not None:
            return Relayed(response, response.status, "status", failed)
        why_not = refusal(response.status, sent.fields, response.fields, target.origin.ttls, response.response_time)
        if why_not is not None:
            if stale is not None and outdates(
                stale.representation,
                sent.fields,
                response.status,
                response.fields,
                response.body_length,
                response.response_time,
            ):
                self.unusable(stale)
            return Relayed(response, response.status, why_not, failed, unstorable=not failed)
        if response.status in (200, 206):
            extent = body_extent(response.status, response.fields, sent.asked, response.body_length)
        else:
            extent = BodyExtent(0, response.body_length, response.body_length)
        if extent.length is None and response.status == 206:
            return Relayed(response, 206, "no-length")
        generation = self._generation_of(response, extent, probe)
        self._begin(generation, response, extent, sent.asked, probe.question.head)
        return Obtained(generation, response.status)

    def _renewed(self, stale: Generation, response: IOriginResponse, probe: Probe) -> Obtained:
        """RFC 9111, section 4.3.4: the stored fields are updated by those of the 304.

        @raise ObjectChanged: it tells of another version, or of one that may not be kept: ask anew.
        """
        known, now = stale.representation, response.response_time
        if contradicts(known, response.fields, now):
            self.unusable(stale)
            raise ObjectChanged("a 304 that tells of another version")
        fields = renewed_fields(known.fields, dated(response.fields, now))
        renewed = evolve(
            known,
            fields=fields,
            vary=variant_of(fields, probe.sent.fields.without(CONDITIONAL)),
            request_time=response.request_time,
            response_time=now,
        )
        if refusal(known.status, probe.sent.fields, fields, probe.question.target.origin.ttls, now) is None:
            stale.renew(renewed)
            return Obtained(stale, 304)
        if probe.question.personal:
            # For this client alone: what is stored for others stays as it is.
            return Obtained(stale, 304, personal=renewed)
        self.unusable(stale)
        raise ObjectChanged("what was stored may not be kept any longer")

    def _generation_of(self, response: IOriginResponse, extent: BodyExtent, probe: Probe) -> Generation:
        """The generation of the version that a response tells of: one we have, renewed, or a new one."""
        sent, target, partial = probe.sent, probe.question.target, response.status == 206
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
        same = None if probe.outdated else self._same_version(representation, probe)
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

    def _same_version(self, representation: Representation, probe: Probe) -> Generation | None:
        """The generation that the bytes of a new response may be put beside, and that may answer in its place.

        Two clients' answers may have one date, and different bytes: it counts where it need not have been asked.
        """
        ttls, validator = probe.question.target.origin.ttls, representation.validator
        if validator is None:
            return None
        if validator.is_date and not may_share(representation, probe.sent.fields, ttls, self._now()):
            return None
        for generation in self._variants.get(representation.key, ()):
            known = generation.representation
            if (
                known.vary == representation.vary
                and known.validator == validator
                and known.length == representation.length
                and known.status == representation.status
            ):
                return generation
        return None

    # The index

    def _remember(self, generation: Generation) -> None:
        self._variants.setdefault(generation.representation.key, []).insert(0, generation)
        self._by_id[generation.id] = generation
        self._rest(generation.representation.key)
        self._drop_idle()

    def _replace(self, generation: Generation) -> None:
        """A new generation takes the place of the one of its variant, which serves out its readers."""
        key, vary = generation.representation.key, generation.representation.vary
        for old in list(self._variants.get(key, ())):
            if old.representation.vary == vary:
                self.unusable(old)
        self._remember(generation)
        for old in self._variants[key][MAX_VARIANTS:]:
            self.unusable(old)

    def _forget(self, generation: Generation) -> None:
        """Out of the index. Its readers keep it; its file goes with the last of them."""
        self._take_out(generation)
        generation.indexed = False
        if not generation.busy:
            self._end(generation)

    def _take_out(self, generation: Generation) -> None:
        variants = self._variants.get(generation.representation.key, [])
        if generation in variants:
            variants.remove(generation)
            if not variants:
                del self._variants[generation.representation.key]
        self._idle.pop(generation.id, None)
        self._noted.pop(generation.id, None)

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
        self._rest(generation.representation.key)
        self._drop_idle()

    def _rest(self, key: bytes) -> None:
        """What is stored under a key was used, and goes last; it comes into memory together, and leaves it so."""
        for generation in self._variants[key]:
            self._idle[generation.id] = generation
            self._idle.move_to_end(generation.id)

    def _drop_idle(self) -> None:
        """Give memory back."""
        if len(self._idle) <= MAX_IDLE:
            return
        for generation in list(self._idle.values()):
            if len(self._idle) <= MAX_IDLE // 2:
                return
            key = generation.representation.key
            variants = self._variants.get(key, [])
            if any(each.at_work for each in variants):
                # They are back when that is over: see L{idle}.
                for each in variants:
                    self._idle.pop(each.id, None)
            elif key not in self._probes and not any(each.busy for each in variants):
                for each in list(variants):
                    self._drop(each)

    def _drop(self, generation: Generation) -> None:
        """The database knows it all; where that has not learned of it and takes nothing now, it is lost."""
        metadata = self._around.metadata
        if metadata.state() is not None and metadata.is_unwritten(generation.id):
            self.unusable(generation)
            return
        generation.contents.close_file()
        self._take_out(generation)
        self._by_id.pop(generation.id)

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
