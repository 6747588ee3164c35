"""Whoever says that it provides an interface of ours does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.internet.task import Clock
from twisted.web.client import Response
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer, IResponse
from zope.interface import implementedBy
from zope.interface.verify import verifyObject

import proxycache.fill.run
import proxycache.origin.client
import proxycache.origin.response
import proxycache.store.cachefile
import proxycache.store.metadata
import proxycache.stream.chunkproducer
import proxycache.stream.passthrough
import proxycache.stream.servestream
from proxycache import interfaces
from proxycache.accounts import Accounts
from proxycache.fill.run import Run
from proxycache.interfaces import (
    IBodyReceiver,
    ICacheFile,
    ICacheFiles,
    IDiskReactor,
    IMetadataStore,
    IOrigin,
    IOriginResponse,
    Priority,
)
from proxycache.origin.agent import ExactAgent
from proxycache.origin.client import OriginClient
from proxycache.origin.protocol import ExactPool
from proxycache.origin.response import OriginResponse
from proxycache.origin.slots import Slots
from proxycache.origin.timeouts import Timeouts
from proxycache.policy.fields import Fields
from proxycache.store.cachefile import CacheFiles
from proxycache.store.descriptors import Descriptors
from proxycache.store.disk import Disk
from proxycache.stream.servestream import ServeStream

from .asynchronous import reactor
from .openedindex import Index
from .scriptedorigin import ScriptedOrigin
from .threadedclock import ThreadedClock

MODULES = (
    proxycache.fill.run,
    proxycache.origin.client,
    proxycache.origin.response,
    proxycache.store.cachefile,
    proxycache.store.metadata,
    proxycache.stream.chunkproducer,
    proxycache.stream.passthrough,
    proxycache.stream.servestream,
)


class Owner:
    """A run's generation, never called."""

    judge = landed = congested = body_over = ended = None


def a_run() -> Run:
    owner: Any = Owner()
    return Run(owner, 0, 10, Priority.HIGH)


def a_stream() -> ServeStream:
    return ServeStream(Clock(), None, 0, 10, lambda cursor: pytest.fail("not asked"), 1, 1.0, Accounts())


def a_response() -> OriginResponse:
    response = Response((b"HTTP", 1, 1), 200, b"OK", Headers(), None)
    assert verifyObject(IResponse, response)
    agent: Any = None
    url = b"http://origin.example/"
    exact = ExactAgent(agent, b"GET", url, lambda begun: None, None)
    return OriginResponse(response, exact, url, Fields(), Clock(), 1.0, Accounts(), 0.0, 0.0)


@pytest.fixture
def client() -> OriginClient:
    return OriginClient(
        reactor, ExactPool(reactor, persistent=False), Slots(1, 1), Timeouts(), Accounts(), lambda: 0.0, ()
    )


def test_origin(client: OriginClient) -> None:
    assert verifyObject(IOrigin, client)
    assert verifyObject(IOriginResponse, a_response())
    assert verifyObject(IOrigin, ScriptedOrigin())


def test_fill() -> None:
    assert verifyObject(IBodyReceiver, a_run())


def test_store(tmp_path: Path, disk: Disk, clock: ThreadedClock) -> None:
    files = CacheFiles(tmp_path, disk, lambda: 0, Descriptors(64))
    assert verifyObject(ICacheFiles, files)
    assert verifyObject(ICacheFile, files.open("ab"))
    assert verifyObject(IMetadataStore, Index(tmp_path / "index", disk, clock).metadata)


def test_stream() -> None:
    assert verifyObject(IPushProducer, a_stream())


def test_the_reactor_can_work_with_threads() -> None:
    assert verifyObject(IDiskReactor, reactor, tentative=True)


def test_no_implementer_is_forgotten() -> None:
    """Every class of ours that declares one of our interfaces is verified above, or beside its own tests."""
    declared = {
        cls.__name__
        for module in MODULES
        for cls in vars(module).values()
        if isinstance(cls, type)
        and cls.__module__ == module.__name__
        and any(
            interface.__module__ == interfaces.__name__ or interface in (IBodyProducer, IPushProducer, IConsumer)
            for interface in implementedBy(cls)
        )
    }
    assert declared == {
        "CacheFile",
        "CacheFiles",
        "ChunkProducer",
        "MetadataStore",
        "OriginClient",
        "OriginResponse",
        "PassthroughProducer",
        "Run",
        "ServeStream",
        "_CountingConsumer",
        "_Drain",
    }


def test_the_private_ones() -> None:
    counting = proxycache.stream.servestream._CountingConsumer
    consumer: Any = None
    assert verifyObject(IConsumer, counting(a_stream(), consumer))
    done: Deferred[None] = Deferred()
    assert verifyObject(IBodyReceiver, proxycache.origin.response._Drain(a_response(), 10, done))
