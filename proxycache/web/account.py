"""What became of a request: it is counted, and told in a line of the access log."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address

from proxycache.policy.addresses import client_address, parse_address
from proxycache.policy.cachestatus import CacheStatus
from proxycache.policy.fields import Fields
from proxycache.policy.loglines import CLIENT_LEFT, AccessLine, End, taken
from proxycache.stream.servestream import ServeStream

from .channel import StrictChannel
from .request import StrictRequest
from .serving import Serving

LOOPBACK = IPv4Address("127.0.0.1")
"""Whose requests those are that come by a Unix socket: somebody's on this machine."""


def client_of(serving: Serving, channel: StrictChannel, fields: Fields) -> str | None:
    """The address of the client; None where it is on this machine and has none."""
    peer = parse_address(channel.peer.partition("%")[0])
    client = client_address(peer or LOOPBACK, fields, serving.trusted_proxies)
    return None if peer is None and client == LOOPBACK else str(client)


class Delivered:
    """What streams have written.

    @ivar by_source: bytes, by where they came from.
    @ivar source: where the last ones came from; empty where there were none.
    @ivar fetched: whether any of them were not in the cache.
    """

    def __init__(self) -> None:
        self.by_source: Counter[str] = Counter()
        self.source = ""
        self.fetched = False

    def add(self, stream: ServeStream) -> None:
        """One that is over."""
        self.fetched = self.fetched or stream.fetched
        self.by_source.update(stream.bytes_by_source)
        if stream.bytes_by_source or not self.source:
            self.source = stream.source


class Account:
    """Of one request.

    @ivar client: see L{client_of}.
    @ivar delivered: what its streams, as far as they are over, have written.
    @ivar cache_status: what was sent.
    @ivar framed: bytes of the body, as far as it was written, that are none of an object's.
    @ivar aborted: whether we ended the connection.
    """

    def __init__(self, serving: Serving, request: StrictRequest, fields: Fields) -> None:
        self._serving = serving
        self._request = request
        self._fields = fields
        # Twisted takes it from the request when the connection is lost.
        self._channel = request.channel
        self._began = serving.clock.seconds()
        self.delivered = Delivered()
        self.client = client_of(serving, request.channel, fields)
        self.cache_status = CacheStatus()
        self.framed = 0
        self.aborted = False

    @property
    def seconds(self) -> float:
        """Since the request."""
        return self._serving.clock.seconds() - self._began

    def close(self, gone: bool) -> None:
        """Count the answer, and write its line.

        @param gone: whether the connection was lost before all of it was written.
        """
        request = self._request
        status = int(request.code)
        end = End.COMPLETE
        if gone:
            end = End.ABORTED if self.aborted else End.LEFT
            if not request.startedWriting:
                status = self._channel.refusal or CLIENT_LEFT
        cache_status = self.cache_status.settled(self.delivered.fetched)
        self._serving.accounts.requests[(status, cache_status.label)] += 1
        by_source = self.delivered.by_source
        unsent = self._channel.unsent if gone else 0
        line = AccessLine(
            client=self.client or str(LOOPBACK),
            time=self._serving.now(),
            method=request.method,
            target=request.uri,
            protocol=request.clientproto,
            status=status,
            sent=max(0, by_source.total() + self.framed - unsent),
            by_source=taken(by_source, self.delivered.source, unsent),
            seconds=self.seconds,
            end=end,
            cache_status=cache_status.render(),
            referer=self._fields.first(b"referer"),
            user_agent=self._fields.first(b"user-agent"),
        )
        self._serving.access(line.render(self._serving.unlogged))


def account_for_refusal(serving: Serving, channel: StrictChannel, status: int, sent: int) -> None:
    """The same for what the connection answered by itself, since it was no request that can be understood.

    @param sent: bytes of the body of that answer.
    """
    request = channel.requests[-1] if channel.requests else None
    fields = Fields(()) if request is None else request.fields()
    cache_status = CacheStatus()
    serving.accounts.requests[(status, cache_status.label)] += 1
    line = AccessLine(
        client=client_of(serving, channel, fields) or str(LOOPBACK),
        time=serving.now(),
        method=getattr(channel, "_command", b""),
        target=getattr(channel, "_path", b""),
        protocol=getattr(channel, "_version", b""),
        status=status,
        sent=sent,
        by_source={},
        seconds=0.0,
        end=End.REFUSED,
        cache_status=cache_status.render(),
        referer=fields.first(b"referer"),
        user_agent=fields.first(b"user-agent"),
    )
    serving.access(line.render(serving.unlogged))
