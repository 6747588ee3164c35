"""An agent that sends what it is told and decodes nothing.

Twisted's agent drops a trailing C{?}, treq re-escapes the target, asks for gzip and decodes it. A piece of a gzip
body decodes to nothing at all, without an error. So treq runs on top of an agent of ours that restores the target,
asks for C{identity}, and hides Content-Encoding from the decoder.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.web.client import URI, Agent
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from proxycache.policy.fields import Fields

from .protocol import InterimReceiver, OriginHeaders


@implementer(IStreamClientEndpoint)
class _AnnouncingEndpoint:
    """Tells when a new connection is begun and when it is there; a kept one is never asked for."""

    def __init__(self, endpoint: IStreamClientEndpoint, connecting: Callable[[bool], None]) -> None:
        self._endpoint = endpoint
        self._connecting = connecting

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        self._connecting(True)

        def connected(protocol: IProtocol) -> IProtocol:
            self._connecting(False)
            return protocol

        pending: Deferred[IProtocol] = self._endpoint.connect(factory)
        return pending.addCallback(connected)


class TargetAgent(Agent):
    """An L{Agent} whose request target is the URL's, byte for byte."""

    def connect_and_close(self, url: bytes) -> Deferred[None]:
        """Whether there is a connection to be had to the host of C{url}; fails where there is none."""
        connecting: Deferred[Any] = self._getEndpoint(URI.fromBytes(url)).connect(Factory.forProtocol(Protocol))
        return connecting.addCallback(lambda protocol: protocol.transport.loseConnection())

    def request_target(
        self,
        method: bytes,
        url: bytes,
        headers: Headers,
        body: IBodyProducer | None,
        connecting: Callable[[bool], None],
    ) -> Deferred[IResponse]:
        """Like C{request}, without normalising the target. Where C{headers} have no Host, it is that of C{url}.

        C{connecting} is called with True when a new connection is begun, with False once it is there.
        C{_requestWithEndpoint} is what Twisted's own ProxyAgent calls for the same purpose.
        """
        parsed = URI.fromBytes(url)
        authority_and_rest = url.partition(b"://")[2]
        slash = authority_and_rest.find(b"/")
        target = authority_and_rest[slash:] if slash >= 0 else b"/"
        endpoint = _AnnouncingEndpoint(self._getEndpoint(parsed), connecting)
        key = (parsed.scheme, parsed.host, parsed.port)
        if not headers.hasHeader(b"host"):
            headers.setRawHeaders(b"host", [self._computeHostValue(*key)])
        answer: Deferred[IResponse] = self._requestWithEndpoint(key, endpoint, method, parsed, headers, body, target)
        return answer


@implementer(IAgent)
class ExactAgent:
    """The agent beneath one treq request.

    @param method: sent in place of treq's, which is all capitals.
    @param url: sent in place of treq's, which is normalised.
    @param interim: told of interim responses.
    @ivar fields: the response's fields as they came, once there is one.
    @ivar torn: whether the connection was lost, and not closed in good order.
    @ivar ends_with_connection: its transfer coding is not known here: that it ends with the connection is the rule.
    @ivar abort_upload: ends the connection of a response that came before its request was sent whole.
    """

    def __init__(
        self,
        agent: TargetAgent,
        method: bytes,
        url: bytes,
        connecting: Callable[[bool], None],
        interim: InterimReceiver | None,
    ) -> None:
        self._agent = agent
        self._method = method
        self._url = url
        self._connecting = connecting
        self._interim = interim
        self.fields = Fields()
        self.torn: Callable[[], bool] = bool
        self.abort_upload: Callable[[], None] | None = None
        self.ends_with_connection = False

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """Send the request with the exact method and URL."""
        exact = OriginHeaders(dict(() if headers is None else headers.getAllRawHeaders()))
        exact.setRawHeaders(b"accept-encoding", [b"identity"])
        exact.interim = self._interim
        answer = self._agent.request_target(self._method, self._url, exact, bodyProducer, self._connecting)
        return answer.addCallback(self._keep_fields)

    def _keep_fields(self, response: Any) -> Any:
        self.fields = response.exact_fields
        self.torn = response.torn
        self.abort_upload = response.abort_upload
        self.ends_with_connection = response.ends_with_connection
        response.headers.removeHeader(b"content-encoding")
        return response
