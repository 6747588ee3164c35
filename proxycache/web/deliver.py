"""One request, from its target to the last byte of its answer."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Sequence

from attrs import evolve, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.web.http import datetimeToString
from zope.interface import implementer

from proxycache.accounts import Accounts
from proxycache.errors import (
    BadTarget,
    InvalidAnswer,
    MalformedField,
    MetadataUnavailable,
    ObjectChanged,
    OriginError,
    ProxycacheError,
    UnsatisfiableRange,
)
from proxycache.fill.chunkmanager import ChunkManager, Obtained, Relayed
from proxycache.fill.generation import Generation
from proxycache.fill.reader import Reader
from proxycache.interfaces import IOrigin, IOriginResponse, OriginRequest, Priority
from proxycache.log import make_logger
from proxycache.policy.answers import BodyExtent
from proxycache.policy.byterange import ContentRange, RangeSpec, parse_content_range, select
from proxycache.policy.cachestatus import VIA, CacheStatus
from proxycache.policy.fields import Fields, parse_directives
from proxycache.policy.freshness import Reuse, may_serve_on_error, reuse
from proxycache.policy.origins import ObjectTarget, OriginPolicy, resolve_target
from proxycache.policy.responding import Part, answer, requested_ranges
from proxycache.policy.retrying import MAX_ATTEMPTS
from proxycache.policy.storing import storable_fields
from proxycache.policy.validators import strong_validator
from proxycache.stream.passthrough import PassthroughProducer
from proxycache.stream.servestream import ServeStream

from .answers import ErrorAnswer, answer_to
from .metrics import Metrics
from .protocol import StrictRequest

SEND_TIMEOUT_SECONDS = 600.0
"""A client that takes no byte for so long is gone; a paused player is not."""

MAX_BEGINNINGS = 3
"""How often an answer is begun anew because the object changed before its first byte."""

NOT_FORWARDED = frozenset(
    {
        b"accept-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"http2-settings",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"range",
        b"upgrade-insecure-requests",
    }
)
"""Request fields that are ours to decide; all others go to the origin."""

CONDITIONAL = (
    b"range",
    b"if-range",
    b"if-match",
    b"if-none-match",
    b"if-modified-since",
    b"if-unmodified-since",
)
"""Fields that go along where the origin answers the client itself."""


@frozen
class Serving:
    """What requests are served with."""

    clock: IReactorTime
    origins: Sequence[OriginPolicy]
    origin: IOrigin
    manager: ChunkManager
    accounts: Accounts
    metrics: Metrics
    now: Callable[[], float]
    retry_attempts: int
    retry_timeout: float


@implementer(IPushProducer)
class _Patience:
    """Between the client's connection and a stream: a client that takes nothing for too long is given up."""

    def __init__(self, clock: IReactorTime, stream: ServeStream, give_up: Callable[[], None]) -> None:
        self._clock = clock
        self._stream = stream
        self._give_up = give_up
        self._timer: IDelayedCall | None = None

    def pauseProducing(self) -> None:
        if self._timer is None:
            self._timer = self._clock.callLater(SEND_TIMEOUT_SECONDS, self._give_up)
        self._stream.pauseProducing()

    def resumeProducing(self) -> None:
        self.stop()
        self._stream.resumeProducing()

    def stopProducing(self) -> None:
        self.stop()
        self._stream.stopProducing()

    def stop(self) -> None:
        """No more waiting."""
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()


class Delivery:
    """The answer to one request."""

    def __init__(self, serving: Serving, request: StrictRequest) -> None:
        self._serving = serving
        self._request = request
        self._fields = Fields(
            (name, value) for name, values in request.requestHeaders.getAllRawHeaders() for value in values
        )
        self._method = request.method.decode("ascii", "replace")
        self._began = serving.clock.seconds()
        self._streams: list[ServeStream] = []
        self._gone: Deferred[None] = Deferred()
        self._cache_status = CacheStatus()
        self._sent = 0
        self._log = make_logger()
        request.notifyFinish().addBoth(self._finished)

    def _finished(self, _: object) -> None:
        if not self._gone.called:
            self._gone.callback(None)

    async def run(self) -> None:
        """Answer. Nothing is raised: what fails becomes a status, or an aborted connection."""
        try:
            await self._answer()
        except Exception as error:
            if self._gone.called:
                return
            await self._fail(error)
        finally:
            for stream in self._streams:
                stream.close()
            self._account()

    async def _answer(self) -> None:
        if self._request.uri == b"*" and self._method == "OPTIONS":
            self._refuse(ErrorAnswer(204, "", ((b"Allow", b"GET, HEAD, OPTIONS"),)))
            return
        if self._method in ("CONNECT", "TRACE"):
            self._not_allowed(("GET", "HEAD", "OPTIONS"))
            return
        target = resolve_target(self._request.uri, self._serving.origins)
        if self._method not in target.origin.methods:
            self._not_allowed(target.origin.methods)
            return
        if self._request.body_size:
            raise BadTarget(f"a {self._method} with a body is not accepted")
        if self._method == "OPTIONS":
            await self._relay_fresh(target, "method", CacheStatus(fwd="method"))
        elif self._method in ("GET", "HEAD"):
            await self._get(target)
        else:
            self._refuse(ErrorAnswer(501, f"{self._method} is not implemented"))

    # GET and HEAD

    async def _get(self, target: ObjectTarget) -> None:
        for _ in range(MAX_BEGINNINGS):
            try:
                await self._try_cache(target)
                return
            except ObjectChanged:
                if self._request.startedWriting:
                    raise
                self._close_streams()
            except (ProxycacheError, CancelledError):
                raise
            except Exception:
                # Nobody foresaw it; still, the origin can serve this client.
                if self._request.startedWriting:
                    raise
                self._log.failure("unforeseen error in the cache; passing it by")
                self._close_streams()
                await self._bypass(target, "internal-error")
                return
        await self._relay_fresh(target, "object-changes", CacheStatus(fwd="bypass", detail="object-changes"))

    async def _try_cache(self, target: ObjectTarget) -> None:
        manager = self._serving.manager
        try:
            generation = await manager.lookup(target, self._upstream(target).fields)
        except MetadataUnavailable as error:
            await self._bypass(target, error.cause)
            return
        asked = self._first_range()
        if generation is not None and generation.length is None and not generation.runs:
            manager.unusable(generation)
            self._refill(target)
            await self._bypass(target, "no-length")
            return
        only_if_cached = "only-if-cached" in parse_directives(self._fields.all(b"cache-control"))
        status = CacheStatus(fwd="uri-miss")
        stale: Generation | None = None
        if generation is not None:
            now = self._serving.now()
            match reuse(generation.representation, self._fields, target.origin.default_ttl, now):
                case Reuse.FRESH if self._can_serve(generation, asked):
                    await self._serve(target, generation, self._hit(generation, asked))
                    return
                case Reuse.STALE_WHILE_REVALIDATE if self._can_serve(generation, asked):
                    self._revalidate(target, generation)
                    await self._serve(target, generation, self._hit(generation, asked))
                    return
                case Reuse.FRESH | Reuse.STALE_WHILE_REVALIDATE if asked is not None and not only_if_cached:
                    await self._bypass(target, "no-validator")
                    return
                case Reuse.FRESH | Reuse.STALE_WHILE_REVALIDATE:
                    status = CacheStatus(fwd="partial")
                case Reuse.REVALIDATE:
                    stale = generation
                    status = CacheStatus(fwd="stale")
        if only_if_cached:
            self._refuse(ErrorAnswer(504, "not in the cache, and only-if-cached"))
            return
        await self._forward(target, asked, stale, status)

    def _can_serve(self, generation: Generation, asked: RangeSpec | None) -> bool:
        start, stop = self._wanted(generation, asked)
        return self._method == "HEAD" or generation.can_serve(start, stop)

    def _wanted(self, generation: Generation, asked: RangeSpec | None) -> tuple[int, int | None]:
        """The bytes, half-open, that a request will need of a generation, as far as its first range tells."""
        length = generation.length
        if asked is None or length is None:
            return 0, length
        if asked.first is None:
            return max(0, length - (asked.last or 0)), length
        return min(asked.first, length), length if asked.last is None else min(length, asked.last + 1)

    def _first_range(self) -> RangeSpec | None:
        specs = requested_ranges(self._fields) if self._method == "GET" else ()
        return specs[0] if specs else None

    def _hit(self, generation: Generation, asked: RangeSpec | None) -> CacheStatus:
        if self._method == "HEAD":
            return CacheStatus(hit=True)
        start, stop = self._wanted(generation, asked)
        if stop is not None:
            here = generation.reach(start, stop)
            if here >= stop:
                return CacheStatus(hit=True)
            coming = generation.reach(here, here + 1, coming=True) > here
        else:
            coming = True
        return CacheStatus(fwd="partial", stored=generation.stored, collapsed=coming)

    async def _forward(
        self, target: ObjectTarget, asked: RangeSpec | None, stale: Generation | None, status: CacheStatus
    ) -> None:
        head = self._method == "HEAD"
        if head:
            asked = RangeSpec(0, 0)
        manager = self._serving.manager
        expendable = stale is not None and self._may_be_stale(target, stale)
        request = self._upstream(target, attempts=1 if expendable else MAX_ATTEMPTS)
        try:
            try:
                got = await manager.obtain(target, request, asked, stale, head)
            except InvalidAnswer:
                if asked is None:
                    raise
                # It makes a mess of ranges; perhaps it gets the whole right.
                got = await manager.obtain(target, request, None, stale, head)
            if head and isinstance(got, Relayed) and got.response is not None and got.response.status == 416:
                got.response.abort()
                got = await manager.obtain(target, request, None, stale, head)
        except OriginError:
            if stale is None or not self._may_be_stale(target, stale, disconnected=True):
                raise
            await self._serve(target, stale, CacheStatus(hit=True, detail="origin-failed"))
            return
        if isinstance(got, Obtained):
            status = evolve(status, stored=got.generation.stored, collapsed=got.collapsed)
            if got.status == 304:
                status = evolve(status, stored=True, fwd_status=304)
            if not self._can_serve(got.generation, self._first_range()):
                await self._bypass(target, "no-validator")
                return
            await self._serve(target, got.generation, status)
            return
        response = got.response
        failed = response is not None and (response.status >= 500 or response.status == 429)
        if response is not None and failed and stale is not None and self._may_be_stale(target, stale):
            response.abort()
            status = CacheStatus(hit=True, fwd_status=response.status, detail="origin-failed")
            await self._serve(target, stale, status)
            return
        if got.cause == "no-length":
            self._refill(target)
        if response is not None and (response.status == 206 or self._wrongly_refused(response)):
            # Its range was stretched or cut for the cache; the client gets the one it asked for.
            response.abort()
            response = None
        if response is None:
            # A crowd whose first request failed after all attempts does not repeat them one by one.
            attempts = 1 if got.failed else MAX_ATTEMPTS
            await self._relay_fresh(target, got.cause, evolve(status, detail=got.cause), attempts)
        else:
            await self._relay(target, response, evolve(status, detail=got.cause), got.cause)

    def _wrongly_refused(self, response: IOriginResponse) -> bool:
        """Whether a 416 was for our range alone: another of the client's, or If-Range, may ask for something else."""
        if response.status != 416 or self._method != "GET":
            return False
        if self._fields.first(b"if-range") is not None:
            return True
        try:
            refused = parse_content_range(response.fields.first(b"content-range") or b"")
            select(requested_ranges(self._fields), refused.length or 0)
        except (MalformedField, UnsatisfiableRange):
            return False
        return True

    def _may_be_stale(self, target: ObjectTarget, stale: Generation, disconnected: bool = False) -> bool:
        return may_serve_on_error(
            stale.representation,
            self._fields,
            target.origin.default_ttl,
            self._serving.now(),
            disconnected=disconnected,
        ) and self._can_serve(stale, self._first_range())

    def _revalidate(self, target: ObjectTarget, generation: Generation) -> None:
        """Beside the client's answer (RFC 5861, section 3)."""
        renewing = self._serving.manager.obtain(target, self._upstream(target), None, generation, head=True)

        def over(got: object) -> None:
            if isinstance(got, Relayed) and got.response is not None:
                got.response.abort()

        renewing.addCallbacks(over, lambda failure: failure.trap(OriginError))

    async def _serve(self, target: ObjectTarget, generation: Generation, status: CacheStatus) -> None:
        """Answer from a generation."""
        now = self._serving.now()
        head = answer(
            generation.representation,
            self._fields,
            self._method,
            now,
            always_partial=target.origin.always_partial,
            boundary=uuid.uuid4().hex.encode("ascii"),
        )
        request = self._upstream(target)
        if not head.parts:
            self._write_head(head.status, head.fields, head.length, status)
            return
        first = self._stream(generation, head.parts[0], request)
        await first.prepare()
        if generation.length is not None and head.length is None:
            head = evolve(head, length=generation.length)
        if first.cause is not None:
            status = CacheStatus(fwd="bypass", detail=first.cause)
        self._write_head(head.status, head.fields, head.length, status)
        for number, part in enumerate(head.parts):
            stream = first if number == 0 else self._stream(generation, part, request)
            if part.head:
                self._request.write(part.head)
            await self._run(stream)
        if head.tail:
            self._request.write(head.tail)

    def _stream(self, generation: Generation, part: Part, request: OriginRequest) -> ServeStream:
        start, stop = (0, None) if part.span is None else (part.span.start, part.span.stop)
        reader = generation.open_reader(start, stop, request)
        validator = generation.representation.validator

        def passthrough(cursor: int) -> PassthroughProducer:
            return PassthroughProducer(
                self._serving.origin,
                request,
                cursor,
                stop,
                validator,
                generation.length,
                self._serving.accounts,
            )

        return self._made(reader, start, stop, passthrough)

    def _made(
        self,
        reader: Reader | None,
        start: int,
        stop: int | None,
        passthrough: Callable[[int], PassthroughProducer],
    ) -> ServeStream:
        stream = ServeStream(
            self._serving.clock,
            reader,
            start,
            stop,
            passthrough,
            self._serving.retry_attempts,
            self._serving.retry_timeout,
            self._serving.accounts,
        )
        self._streams.append(stream)
        return stream

    async def _run(self, stream: ServeStream) -> None:
        patience = _Patience(self._serving.clock, stream, self._request.channel.abort)
        self._request.registerProducer(patience, True)
        try:
            await stream.run(self._request)
        finally:
            patience.stop()
            if not self._gone.called:
                self._request.unregisterProducer()

    def _close_streams(self) -> None:
        for stream in self._streams:
            stream.close()

    # Past the cache

    async def _bypass(self, target: ObjectTarget, cause: str) -> None:
        await self._relay_fresh(target, cause, CacheStatus(fwd="bypass", detail=cause))

    async def _relay_fresh(
        self, target: ObjectTarget, cause: str, status: CacheStatus, attempts: int = MAX_ATTEMPTS
    ) -> None:
        """Ask the origin for this client alone, with its own range and preconditions."""
        request = self._upstream(target, attempts)
        own = Fields(line for line in self._fields if line[0].lower() in CONDITIONAL)
        if self._method == "HEAD":
            own = own.without({b"range", b"if-range"})
        request = evolve(request, method=self._method, fields=request.fields.adding(*own))
        response = await self._serving.origin.fetch(request, Priority.CRITICAL)
        await self._relay(target, response, status, cause)

    async def _relay(self, target: ObjectTarget, response: IOriginResponse, status: CacheStatus, cause: str) -> None:
        """Pass an origin's answer on as it is; a body that breaks is resumed where that is certain."""
        fields = storable_fields(response.fields).without({b"content-length"})
        for value in response.fields.all(b"content-range"):
            fields = fields.adding((b"Content-Range", value))
        bare = self._method == "HEAD" or response.status in (204, 304)
        length = response.body_length
        if bare:
            declared = response.fields.first(b"content-length")
            length = int(declared) if declared is not None and declared.isdigit() else None
            if self._method == "HEAD" and response.status == 206:
                response.abort()
                raise OriginError("a part in answer to HEAD")
            response.abort()
            self._write_head(response.status, fields, length if self._method == "HEAD" else None, status)
            return
        self._serving.accounts.passthroughs[cause] += 1
        start, complete = _start_and_length(response) if self._method == "GET" else (None, None)
        validator = strong_validator(response.fields, response.response_time) if start is not None else None
        extent = BodyExtent(start or 0, None if length is None else (start or 0) + length, complete)

        def passthrough(cursor: int) -> PassthroughProducer:
            producer = PassthroughProducer(
                self._serving.origin,
                self._upstream(target),
                cursor,
                extent.stop,
                validator,
                complete,
                self._serving.accounts,
            )
            producer.adopt(response, extent)
            return producer

        stream = self._made(None, extent.start, extent.stop, passthrough)
        stream.cause = cause
        if length == 0:
            response.abort()
            self._write_head(response.status, fields, 0, status)
            return
        self._write_head(response.status, fields, length, status)
        await self._run(stream)

    def _refill(self, target: ObjectTarget) -> None:
        """Fetch what the client is getting past the cache, so that the next request is a hit."""
        Deferred.fromCoroutine(self._refilling(target)).addErrback(
            lambda failure: self._log.info("refill: {why}", why=failure.getErrorMessage())
        )

    async def _refilling(self, target: ObjectTarget) -> None:
        manager = self._serving.manager
        request = self._upstream(target)
        asked = self._first_range()
        got = await manager.obtain(target, request, asked)
        if isinstance(got, Relayed):
            if got.response is not None:
                got.response.abort()
            got = await manager.obtain(target, request, None)
        if isinstance(got, Relayed):
            if got.response is not None:
                got.response.abort()
            return
        start, stop = self._wanted(got.generation, asked)
        reader = got.generation.open_reader(start, stop, request, Priority.MEDIUM)
        try:
            while not reader.at_end:
                await reader.wait()
                reached = got.generation.reach(reader.position, reader.limit(reader.position + reader.window.size))
                reader.moved(reached - reader.position)
        finally:
            reader.close()

    def _upstream(self, target: ObjectTarget, attempts: int = MAX_ATTEMPTS) -> OriginRequest:
        """The request to the origin on this client's behalf, without range and preconditions."""
        fields = self._fields.end_to_end().without(NOT_FORWARDED)
        via = [*fields.all(b"via"), VIA]
        fields = fields.without({b"via"}).adding((b"Via", b", ".join(via)))
        return OriginRequest(target.origin, target.source_url, "GET", fields, attempts=attempts)

    # Writing

    def _write_head(self, status: int, fields: Fields, length: int | None, cache_status: CacheStatus) -> None:
        request = self._request
        request.setResponseCode(status)
        self._cache_status = cache_status
        headers = request.responseHeaders
        date = headers.getRawHeaders(b"date") or [datetimeToString(self._serving.now())]
        for name in {name.lower() for name, _ in headers.getAllRawHeaders()} - {b"connection"}:
            # Twisted's own, or those of an answer that failed before its first byte.
            headers.removeHeader(name)
        for name, value in fields:
            headers.addRawHeader(name, value)
        if not headers.hasHeader(b"date"):
            headers.setRawHeaders(b"date", date)
        upstream = fields.all(b"via")
        headers.setRawHeaders(b"via", [*upstream, VIA])
        headers.addRawHeader(b"cache-status", cache_status.render())
        if length is not None:
            headers.setRawHeaders(b"content-length", [b"%d" % length])
        request.defaultContentType = None
        self._serving.metrics.first_byte(self._serving.clock.seconds() - self._began)
        if length is None and status not in (204, 304) and self._method != "HEAD":
            return
        request.write(b"")

    def _refuse(self, refusal: ErrorAnswer) -> None:
        body = refusal.reason.encode("utf-8", "replace") + b"\n" if refusal.reason else b""
        fields = Fields(refusal.fields)
        if body:
            fields = fields.adding((b"Content-Type", b"text/plain; charset=utf-8"))
        no_body = refusal.status == 204
        self._write_head(refusal.status, fields, None if no_body else len(body), self._cache_status)
        if not no_body and self._method != "HEAD":
            self._request.write(body)

    def _not_allowed(self, methods: Sequence[str]) -> None:
        allow = ", ".join(methods)
        refusal = ErrorAnswer(405, f"{self._method} is not allowed here", ((b"Allow", allow.encode("ascii")),))
        self._refuse(refusal)

    async def _fail(self, error: Exception) -> None:
        """Before the head an error is a status; after it only an aborted connection says that the body is short."""
        known = answer_to(error)
        if known is None:
            self._log.failure("unforeseen error")
        if not self._request.startedWriting:
            self._cache_status = (
                CacheStatus(fwd="miss", detail="error") if known and known.status > 500 else CacheStatus()
            )
            self._refuse(known or ErrorAnswer(500, "internal error"))
            return
        self._log.warn("{uri}: aborted after {sent} bytes: {error}", uri=self._uri(), sent=self._total(), error=error)
        self._request.channel.abort()
        # Klein finishes the request once we return, which would end a chunked body properly.
        await self._gone

    # The account

    def _uri(self) -> str:
        return str(self._request.uri.decode("ascii", "backslashreplace"))

    def _by_source(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for stream in self._streams:
            total.update(stream.bytes_by_source)
        return total

    def _total(self) -> int:
        return self._by_source().total()

    def _account(self) -> None:
        by_source = self._by_source()
        status = int(self._request.code)
        self._serving.accounts.requests[(status, self._cache_status.label)] += 1
        self._log.info(
            '{client} "{method} {uri}" {status} {total} cache={cache} fill={fill} passthrough={passthrough}'
            ' {seconds:.3f}s "{cache_status}"',
            client=getattr(self._request.getClientAddress(), "host", "-"),
            method=self._method,
            uri=self._uri(),
            status=status,
            total=by_source.total(),
            cache=by_source["cache"],
            fill=by_source["fill"],
            passthrough=by_source["passthrough"],
            seconds=self._serving.clock.seconds() - self._began,
            cache_status=self._cache_status.render().decode("ascii"),
        )


def _start_and_length(response: IOriginResponse) -> tuple[int | None, int | None]:
    """Where the body of a response starts in the object, None where that is not certain, and the complete length."""
    if response.status == 200:
        return 0, response.body_length
    lines = response.fields.all(b"content-range")
    if response.status == 206 and len(lines) == 1:
        try:
            part = parse_content_range(lines[0])
        except MalformedField:
            return None, None
        if isinstance(part, ContentRange) and response.body_length == part.stop - part.start:
            return part.start, part.length
    return None, None


__all__ = ["Delivery", "Serving"]
