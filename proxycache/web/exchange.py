"""One request of a client, and the writing of its answer, wherever that comes from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus

from attrs import evolve
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.web.http import datetimeToString
from zope.interface import implementer

from proxycache.fill.reader import Reader
from proxycache.interfaces import OriginRequest
from proxycache.log import make_logger
from proxycache.policy.cachestatus import VIA, CacheStatus
from proxycache.policy.fields import Fields
from proxycache.policy.forwarding import forwarded_fields
from proxycache.policy.loglines import MAX_METHOD, escaped, loggable
from proxycache.policy.origins import ObjectTarget
from proxycache.policy.redirects import with_own_references
from proxycache.policy.targets import Authority, named_authorities, own_authorities
from proxycache.stream.passthrough import PassthroughProducer
from proxycache.stream.servestream import ServeStream

from .account import Account
from .answers import ErrorAnswer, answer_to
from .request import StrictRequest
from .serving import Serving

SEND_TIMEOUT_SECONDS = 600.0
"""A client that takes no byte for so long is gone; a paused player is not."""


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


def _reason(status: int) -> bytes:
    """The phrase of a status; empty where there is none."""
    try:
        return HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b""


class Exchange:
    """A request and its answer.

    @ivar fields: the request's header lines, as they are understood here.
    @ivar as_it_came: those that came.
    @ivar target: what it is for, once that is known; references in the answer are told by it.
    @ivar forwarding: why the origin is asked, for an answer that tells of its failure.
    @ivar gone: fires when the client's connection or the request is over.
    """

    def __init__(self, serving: Serving, request: StrictRequest) -> None:
        self.serving = serving
        self.request = request
        self.fields = self.as_it_came = request.fields()
        self.method = request.method.decode("ascii", "replace")
        self.gone: Deferred[None] = Deferred()
        self._account = Account(serving, request, self.fields)
        self._streams: list[ServeStream] = []
        self.target: ObjectTarget | None = None
        self.forwarding = CacheStatus(fwd="miss")
        self._log = make_logger()
        request.notifyFinish().addBoth(self._finished)

    def _finished(self, _: object) -> None:
        if not self.gone.called:
            self.gone.callback(None)

    @property
    def client(self) -> str | None:
        """The client's address; None where it has none."""
        return self._account.client

    @property
    def started(self) -> bool:
        """Whether the head of the answer was written, so that a failure can only be an aborted connection."""
        return bool(self.request.startedWriting)

    def is_for_us(self, authority: Authority) -> bool:
        """Whether a target's authority is one of ours: where this connection ends, or a configured name."""
        if authority in self.serving.hosts:
            return True
        end = self.request.getHost()
        if not isinstance(end, (IPv4Address, IPv6Address)):
            return False
        scheme = "https" if self.request.isSecure() else "http"
        return authority in own_authorities(scheme, end.host, end.port)

    def knows_us_as(self, authority: Authority) -> bool:
        """Whether an authority is one by which this client may know us: one of ours, or the Host it asked for."""
        try:
            named = named_authorities((self.fields.first(b"host") or b"").decode("ascii"))
        except ValueError:
            named = frozenset()
        return authority in named or self.is_for_us(authority)

    def upstream(self, target: ObjectTarget) -> OriginRequest:
        """The GET to the origin on this client's behalf, without range and preconditions."""
        fields = forwarded_fields(self.fields, self.serving.pseudonym, underscores=target.origin.underscores)
        exact = self.is_exact(target)
        return OriginRequest(target.origin, target.source_url, "GET", fields, exact=exact, client=self.client)

    def is_exact(self, target: ObjectTarget) -> bool:
        """Whether the origin gets this client's request as he made it, and no other on his behalf."""
        return target.goes_as_it_came(self.as_it_came)

    # Streams

    def open_stream(
        self,
        reader: Reader | None,
        start: int,
        stop: int | None,
        passthrough: Callable[[int], PassthroughProducer],
    ) -> ServeStream:
        """A stream of C{[start, stop)}; see L{ServeStream}. It is closed with the exchange."""
        stream = ServeStream(
            self.serving.clock,
            reader,
            start,
            stop,
            passthrough,
            self.serving.retry_attempts,
            self.serving.retry_timeout,
            self.serving.accounts,
        )
        self._streams.append(stream)
        return stream

    async def write_stream(self, stream: ServeStream) -> None:
        """Write a stream to the client.

        @raise OriginError: the body is incomplete.
        @raise ObjectChanged: likewise.
        """
        patience = _Patience(self.serving.clock, stream, self._abort)
        self.request.registerProducer(patience, True)
        try:
            await stream.run(self.request)
        finally:
            patience.stop()
            if not self.gone.called:
                self.request.unregisterProducer()
            self._close(stream)

    def close_streams(self) -> None:
        """Give up what streams hold."""
        while self._streams:
            self._close(self._streams[0])

    def _close(self, stream: ServeStream) -> None:
        """Give up what a stream holds, but for what it has delivered: there may be thousands for one answer."""
        stream.close()
        self._streams.remove(stream)
        self._account.delivered.add(stream)

    # Writing

    def write_head(self, status: int, fields: Fields, length: int | None, cache_status: CacheStatus) -> None:
        """Write the head of the answer: C{fields} in their order, and what is ours to say.

        @param fields: without Content-Length.
        @param length: of the body; None where it is not known, or where there is none to tell of.
        """
        request = self.request
        if status == 204:
            length = None  # RFC 9110, section 8.6
        if cache_status.fwd_status == status:
            cache_status = evolve(cache_status, fwd_status=None)
        self._account.cache_status = cache_status
        request.setResponseCode(status, _reason(status))
        headers = request.responseHeaders
        for name in {name.lower() for name, _ in headers.getAllRawHeaders()} - {b"connection"}:
            # Twisted's own; what is sent are the lines below.
            headers.removeHeader(name)
        if self.target is not None:
            fields = with_own_references(fields, self.target, self.serving.origins)
        if fields.first(b"date") is None:
            fields = fields.adding((b"Date", datetimeToString(self.serving.now())))
        request.lines = fields.adding((b"Via", VIA), (b"Cache-Status", cache_status.render()))
        if length is not None:
            headers.setRawHeaders(b"content-length", [b"%d" % length])
        request.defaultContentType = None
        self.serving.metrics.first_byte(self._account.seconds)
        if length is None and status not in (204, 304) and self.method != "HEAD":
            return
        request.write(b"")

    def write(self, data: bytes) -> None:
        """Write bytes of the body that are no object's."""
        self._account.framed += len(data)
        self.request.write(data)

    def refuse(self, refusal: ErrorAnswer, cache_status: CacheStatus | None = None) -> None:
        """Answer with a status of ours, and one line."""
        body = refusal.reason.encode("utf-8", "replace") + b"\n" if refusal.reason else b""
        fields = Fields(refusal.fields)
        if body:
            fields = fields.adding((b"Content-Type", b"text/plain; charset=utf-8"))
        no_body = refusal.status == 204
        self.write_head(refusal.status, fields, None if no_body else len(body), cache_status or CacheStatus())
        if not no_body and self.method != "HEAD":
            self.write(body)

    def not_allowed(self, methods: Sequence[str]) -> None:
        """Answer 405 with those that are."""
        allow = ", ".join(methods)
        self.refuse(
            ErrorAnswer(
                405,
                f"{escaped(self.request.method, MAX_METHOD)} is not allowed here",
                ((b"Allow", allow.encode("ascii")),),
            )
        )

    async def fail(self, error: Exception) -> None:
        """Before the head an error is a status; after it only an aborted connection says that the body is short."""
        known = answer_to(error)
        if known is None:
            self._log.failure("unforeseen error")
        if not self.started:
            asked = known is not None and known.status > 500
            status = evolve(self.forwarding, detail="error") if asked else CacheStatus()
            self.refuse(known or ErrorAnswer(500, "internal error"), status)
            return
        uri = loggable(self.request.uri, self.serving.unlogged)
        sent = self._account.delivered.by_source.total()
        self._log.warn("{uri}: aborted after {sent} bytes: {error}", uri=uri, sent=sent, error=error)
        self._abort()
        # Klein finishes the request once we return, which would end a chunked body properly.
        await self.gone

    def _abort(self) -> None:
        self._account.aborted = True
        self.request.channel.abort()

    def account(self) -> None:
        """Count the answer, and write its line."""
        self._account.close(self.gone.called)
