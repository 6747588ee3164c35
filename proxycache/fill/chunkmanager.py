"""The chunk manager: which generation answers a key, in memory, on the disk, or by asking the origin."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from attrs import evolve
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from proxycache.errors import MetadataUnavailable
from proxycache.interfaces import ICacheFiles, IOriginResponse, StoredEntry, StoredFile
from proxycache.policy.accept import selects, unwanted
from proxycache.policy.answers import is_of_another
from proxycache.policy.arrival import as_recalled
from proxycache.policy.cookies import without_cookies
from proxycache.policy.entry import Representation, StoredRepresentation
from proxycache.policy.eviction import ENTRY, ChunkName
from proxycache.policy.fields import Fields
from proxycache.policy.heads import Heads
from proxycache.policy.intervals import Intervals
from proxycache.policy.origins import ObjectTarget, object_key
from proxycache.policy.storing import variant_matches

from .founding import Founding
from .generation import Generation
from .probe import Probe, Probes
from .question import Answer, Question
from .surroundings import Surroundings

MAX_IDLE = 512
"""Generations without a reader that stay in memory."""

MAX_VARIANTS = 16
"""Variants of one key in memory; the least recently used goes first."""

USED_SECONDS = 60.0
"""Between two notes in the database that a generation is in use, and of what changes with each use."""


class ChunkManager:
    """Knows the generations of all keys, or whom to ask for them.

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
        self._unrecorded: dict[bytes, list[Generation]] = {}
        founding = Founding(self, self._around, files, chunk_size, now)
        self._probes = Probes(self, founding.answered, self._around, chunk_size, now)
        self._heads = Heads()
        self._other_chunk_sizes: dict[str, int] = {}
        self._noted: dict[str, float] = {}

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
        now = self._now()
        for stored in reversed(found):
            # It may have been stored while the configuration had them kept.
            fields = without_cookies(target.origin.set_cookie, stored.representation.fields)
            representation = as_recalled(evolve(stored.representation, fields=fields), now)
            generation = Generation(
                representation,
                self._files.open(representation.id),
                stored.chunks,
                self._around,
                target.origin.trust_length,
                max(0.0, now - representation.response_time),
            )
            if object_key(target.origin, representation.source_url) == target.key:
                self._remember(generation)
            else:
                # The key left more of the URL out when it was stored: by now these may be two objects.
                self._unrecord(generation.id)
                generation.discard()

    def _tell(self, result: object, key: bytes) -> None:
        for waiting in self._loading.pop(key):
            if not waiting.called:
                waiting.callback(None) if not isinstance(result, Failure) else waiting.errback(result)

    def _match(self, target: ObjectTarget, request: Fields) -> Generation | None:
        variants = self._variants.get(target.key, [])
        for place, generation in enumerate(variants):
            if selects(generation.representation, request):
                variants.insert(0, variants.pop(place))
                self._use(generation, target)
                return generation
        return None

    def unwanted(self, target: ObjectTarget, request: Fields) -> Generation | None:
        """One that C{request} does not select for its type alone, or None; to be asked after L{lookup}."""
        for generation in self._variants.get(target.key, ()):
            if variant_matches(generation.representation.vary, request) and unwanted(
                generation.representation, request
            ):
                self._use(generation, target)
                return generation
        return None

    def unrecorded(self, target: ObjectTarget, request: Fields) -> Generation | None:
        """A generation that others read who could not know either what is recorded for C{target}, or None."""
        for generation in self._unrecorded.get(target.key, ()):
            if generation.readers and selects(generation.representation, request):
                return generation
        return None

    def known(self, question: Question) -> Sequence[Generation]:
        """Those in memory that the answer to C{question} may be of."""
        index = self._variants if question.recorded else self._unrecorded
        return index.get(question.target.key, ())

    def asking(self, target: ObjectTarget) -> bool:
        """Whether a request is under way that will make or renew what is known of it."""
        return target.key in self._probes

    def has_variants(self, target: ObjectTarget) -> bool:
        """Whether anything is stored for it, for whatever request; to be asked after L{lookup}."""
        return bool(self._variants.get(target.key))

    def contradicted(self, target: ObjectTarget, request: Fields, response: IOriginResponse) -> None:
        """A client is told what the origin has by now: the next request asks about what is of another version."""
        now = response.response_time
        for each in list(self._variants.get(target.key, ())):
            known = each.representation
            if is_of_another(known, request, response.status, response.fields, response.body_length, now):
                self.unusable(each)

    async def invalidate(self, target: ObjectTarget) -> None:
        """What is stored for C{target} was made out of date: no later request gets it (RFC 9111, section 4.4)."""
        self._heads.forget(target.key)
        self._probes.outdate(target.key)
        self._unrecorded.pop(target.key, None)
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
        now, seconds = self._now(), self._around.clock.seconds()
        generation.redate(now)
        if generation.representation.source_url != target.source_url and not target.has_ended(now):
            generation.renew(evolve(generation.representation, source_url=target.source_url))
        if seconds - self._noted.get(generation.id, float("-inf")) >= USED_SECONDS:
            self._noted[generation.id] = seconds
            generation.note(now)
        self._around.space.use((generation.id, ENTRY))
        self._rest(target.key)

    # Asking the origin

    def obtain(self, question: Question) -> Deferred[Answer]:
        """Make or renew the entry by asking the origin, once for all who ask meanwhile and may share the answer.

        @return: fails with an L{OriginError}. Cancelling leaves others alone; when all have, it is not asked for.
        """
        return self._probes.ask(question)

    # The index

    def heard(self, told: Representation) -> None:
        """The answer to a HEAD, which others may get who ask so."""
        self._heads.note(told)

    def told(self, target: ObjectTarget, request: Fields) -> Representation | None:
        """What a HEAD was answered that was of the variant of C{request}, fresh or not, or None."""
        return self._heads.of(target.key, request)

    def enter(self, generation: Generation, probe: Probe) -> None:
        """A new one was made of a probe's answer."""
        if not probe.outdated and probe.question.recorded:
            self._heads.forget(generation.representation.key)
            self._replace(generation)
            self._noted[generation.id] = self._around.clock.seconds()
            generation.record()
            return
        # For those who asked before; what others got meanwhile, or may have got before, stays.
        generation.withhold()
        self._by_id[generation.id] = generation
        if not probe.outdated:
            self._unrecorded.setdefault(generation.representation.key, []).insert(0, generation)

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

    def _take_out(self, generation: Generation) -> None:
        variants = self._variants.get(generation.representation.key, [])
        if generation in variants:
            variants.remove(generation)
            if not variants:
                del self._variants[generation.representation.key]
        self._idle.pop(generation.id, None)
        self._noted.pop(generation.id, None)

    def unusable(self, generation: Generation) -> None:
        """The next request asks the origin. Its readers keep it; its file goes with the last of them."""
        if generation in self._variants.get(generation.representation.key, ()):
            self._unrecord(generation.id)
            self._take_out(generation)
            generation.withhold()
            if not generation.busy:
                self._end(generation)
        else:
            self._forget_unrecorded(generation)

    def _unrecord(self, id: str) -> None:
        self._around.metadata.remove(id)
        self._around.space.remove((id, ENTRY))

    def _forget_unrecorded(self, generation: Generation) -> None:
        key = generation.representation.key
        left = [other for other in self._unrecorded.pop(key, ()) if other is not generation]
        if left:
            self._unrecorded[key] = left

    def _end(self, generation: Generation) -> None:
        self._forget_unrecorded(generation)
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
        if metadata.state() is None:
            generation.save()
        generation.contents.close_file()
        self._take_out(generation)
        self._by_id.pop(generation.id)

    # Eviction, repair, end

    def in_use(self, name: ChunkName) -> bool:
        """Whether a chunk has a reader; whether anything goes on with an entry."""
        generation = self._by_id.get(name[0])
        if generation is None:
            return False
        return generation.uses(name[1]) or (name[1] == ENTRY and generation.representation.key in self._probes)

    def evict(self, name: ChunkName) -> Deferred[None]:
        """Drop a chunk, of a generation in memory or not; what is known of an entry goes with its last chunk."""
        id, chunk = name
        generation = self._by_id.get(id)
        last = not self._around.space.holds(id)
        if generation is not None:
            punched = generation.contents.evict(chunk)
            if last and not self.in_use((id, ENTRY)):
                self.unusable(generation)
                return self._files.open(id).unlink()
            return punched
        size = self._other_chunk_sizes.get(id, self._chunk_size)
        if last:
            self._other_chunk_sizes.pop(id, None)
            self._unrecord(id)
            return self._files.open(id).unlink()
        self._around.metadata.forget_chunks(id, [chunk])
        return self._files.open(id).punch(chunk * size, (chunk + 1) * size)

    def drop(self, entry: StoredEntry) -> None:
        """Drop an entry that the database found to be good for nothing, unless it is in use, or good again by now."""
        generation = self._by_id.get(entry.id)
        if generation is not None:
            until = generation.representation.useful_until
            if until is not None and until < self._now() and not self.in_use((entry.id, ENTRY)):
                self.unusable(generation)
            return
        for chunk in entry.chunks():
            self._around.space.remove((entry.id, chunk))
        self._other_chunk_sizes.pop(entry.id, None)
        self._unrecord(entry.id)
        self._files.open(entry.id).unlink()

    def learn_chunk_sizes(self, entries: Iterable[StoredEntry]) -> None:
        """Those of entries that were begun under another configuration."""
        for entry in entries:
            if entry.chunk_size != self._chunk_size:
                self._other_chunk_sizes[entry.id] = entry.chunk_size

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
            if generation.record():
                for chunk, checksum in generation.contents.present.items():
                    start = generation.chunking.start(chunk)
                    size = generation.chunking.stop(chunk, generation.length) - start
                    self._around.metadata.record_chunk(generation.id, chunk, checksum, size)

    def knows(self, id: str) -> bool:
        """Whether a generation is in memory, perhaps only to serve out its readers."""
        return id in self._by_id

    def known_ids(self) -> set[str]:
        """Those that are."""
        return set(self._by_id)

    def stop(self) -> None:
        """Stop all fetching, and record what is not recorded yet."""
        for generation in list(self._by_id.values()):
            generation.save()
            generation.quiet()
            generation.contents.close_file()
