"""How a connection to an origin's host is opened: without detours where that is an address."""

from __future__ import annotations

from typing import Any

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IHostnameResolver, IStreamClientEndpoint
from twisted.web.client import URI, BrowserLikePolicyForHTTPS
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from .names import Names

ATTEMPT_DELAY_SECONDS = 0.1
"""Between the addresses of one name (RFC 8305, section 5), and until it is known that the last one has refused."""


class _NamedEndpoint(HostnameEndpoint):
    """Asks a resolver of ours, in place of the reactor's."""

    def __init__(self, names: Names, *arguments: Any, **named: Any) -> None:
        self._names = names
        super().__init__(*arguments, **named)

    def _getNameResolverAndMaybeWarn(self, reactor: object) -> IHostnameResolver:
        return self._names


@implementer(IAgentEndpointFactory)
class OriginEndpoints:
    """Endpoints of http and https URLs.

    @param connect_timeout: seconds.
    """

    def __init__(self, reactor: Any, names: Names, connect_timeout: float) -> None:
        self._reactor = reactor
        self._names = names
        self._connect_timeout = connect_timeout
        self._tls = BrowserLikePolicyForHTTPS()

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """An address needs no resolver; and Twisted's endpoint of names takes 0.3 s to tell that one was refused."""
        host, port, timeout = uri.host.decode("ascii"), uri.port, self._connect_timeout
        endpoint: IStreamClientEndpoint
        if isIPAddress(host):
            endpoint = TCP4ClientEndpoint(self._reactor, host, port, timeout)
        elif isIPv6Address(host):
            endpoint = TCP6ClientEndpoint(self._reactor, host, port, timeout)
        else:
            endpoint = _NamedEndpoint(
                self._names, self._reactor, host, port, timeout, attemptDelay=ATTEMPT_DELAY_SECONDS
            )
        if uri.scheme == b"https":
            return wrapClientTLS(self._tls.creatorForNetloc(uri.host, port), endpoint)
        return endpoint

    def looked_up(self, url: bytes) -> Deferred[None]:
        """Fires once something is known of the host of C{url}, or it is known that nothing is to be had for now."""
        host = URI.fromBytes(url).host.decode("ascii")
        return succeed(None) if isIPAddress(host) or isIPv6Address(host) else self._names.known(host)
