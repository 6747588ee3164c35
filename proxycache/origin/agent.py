"""An agent that sends what it is told and decodes nothing.

Twisted's agent drops a trailing C{?}, treq re-escapes the target, asks for gzip and decodes it. A piece of a gzip
body decodes to nothing at all, without an error. So treq runs on top of an agent of ours that restores the target,
asks for C{identity}, and hides Content-Encoding from the decoder.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from proxycache.policy.fields import Fields


@implementer(IStreamClientEndpoint)
class _AnnouncingEndpoint:
    """Tells when a new connection is begun and when it is there; a kept one is never asked for."""

    def __init__(self, agent: TargetAgent, endpoint: IStreamClientEndpoint, connecting: Callable[[bool], None]) -> None:
        self._agent = agent
        self._endpoint = endpoint
        self._connecting = connecting

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        self._connecting(True)

        def connected(protocol: IProtocol) -> IProtocol:
            self._connecting(False)
            self._agent.watch(protocol)
            return protocol

        pending: Deferred[IProtocol] = self._endpoint.connect(factory)
        return pending.addCallback(connected)


def _close_after_surplus(protocol: Any) -> None:
    """Never keep a connection on which more came than was asked for: it would be taken for the next answer."""
    finish, received = protocol._finishResponse, protocol.dataReceived

    def finishing(rest: bytes) -> None:
        if rest and protocol._currentRequest is not None:
            protocol._currentRequest.persistent = False
        finish(rest)

    def receiving(data: bytes) -> None:
        if protocol.state == "QUIESCENT":
            protocol.transport.loseConnection()
        else:
            received(data)

    protocol._finishResponse = finishing
    protocol.dataReceived = receiving


class TargetAgent(Agent):
    """An L{Agent} whose request target is the URL's, byte for byte.

    @ivar losing: why a connection is being lost, while it is.
    """

    losing: Failure | None = None

    def watch(self, protocol: IProtocol) -> None:
        """Remember why C{protocol} loses its connection for as long as the call lasts.

        Twisted ends a body that only the connection delimits in the same way, closed or torn.
        """
        lost = protocol.connectionLost

        def losing(reason: Failure) -> None:
            self.losing = reason
            try:
                lost(reason)
            finally:
                self.losing = None

        protocol.connectionLost = losing  # type: ignore[method-assign]
        _close_after_surplus(protocol)

    def torn(self) -> bool:
        """Whether the connection that is being lost was not closed in good order."""
        return self.losing is not None and not self.losing.check(ConnectionDone)

    def request_target(
        self,
        method: bytes,
        url: bytes,
        headers: Headers,
        body: IBodyProducer | None,
        connecting: Callable[[bool], None],
    ) -> Deferred[IResponse]:
        """Like C{request}, without normalising the target.

        C{connecting} is called with True when a new connection is begun, with False once it is there.
        C{_requestWithEndpoint} is what Twisted's own ProxyAgent calls for the same purpose.
        """
        parsed = URI.fromBytes(url)
        authority_and_rest = url.partition(b"://")[2]
        slash = authority_and_rest.find(b"/")
        target = authority_and_rest[slash:] if slash >= 0 else b"/"
        endpoint = _AnnouncingEndpoint(self, self._getEndpoint(parsed), connecting)
        key = (parsed.scheme, parsed.host, parsed.port)
        answer: Deferred[IResponse] = self._requestWithEndpoint(key, endpoint, method, parsed, headers, body, target)
        return answer


@implementer(IAgent)
class ExactAgent:
    """The agent beneath one treq request.

    @ivar fields: the response's fields as they came, once there is one.
    """

    def __init__(self, agent: TargetAgent, url: bytes, connecting: Callable[[bool], None]) -> None:
        self._agent = agent
        self._url = url
        self._connecting = connecting
        self.fields = Fields()

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """Send the request to the exact URL in place of C{uri}, which treq has normalised."""
        headers = Headers() if headers is None else headers.copy()
        headers.setRawHeaders(b"accept-encoding", [b"identity"])
        answer = self._agent.request_target(method, self._url, headers, bodyProducer, self._connecting)
        return answer.addCallback(self._keep_fields)

    def _keep_fields(self, response: IResponse) -> IResponse:
        self.fields = Fields((name, value) for name, values in response.headers.getAllRawHeaders() for value in values)
        response.headers.removeHeader(b"content-encoding")
        return response
