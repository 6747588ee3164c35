"""azure-storage-blob before azurite: ranges by a field of their own, conditions, signatures."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import (
    BlobClient,
    BlobServiceClient,
    ContentSettings,
    generate_blob_sas,
)

from tests.programs.front import Before, Front
from tests.programs.npm import MODULES
from tests.programs.server import Server
from tests.servers.origin import Pattern
from tests.servers.ports import HOST

MIB = 1 << 20
ACCOUNT, KEY = "films", base64.b64encode(b"nobody's key").decode()
PUBLIC, PRIVATE = "public", "private"
SHARED = ContentSettings(content_type="video/mp4", cache_control="public, max-age=3600")


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A store with a container that everybody may read, and one for which a signature is needed."""
    directory = tmp_path_factory.mktemp("azurite")
    start: list[str] = [
        str(MODULES / ".bin" / "azurite-blob"),
        "--silent",
        "--disableTelemetry",
        "--skipApiVersionCheck",
    ]
    place = ["--location", str(directory), "--blobHost", HOST, "--blobPort"]
    account = {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}
    with Server(directory, lambda port: [*start, *place, str(port)], env=account) as server:
        service = BlobServiceClient(server.url + ACCOUNT, credential=KEY)
        service.create_container(PUBLIC, public_access="blob")
        service.create_container(PRIVATE)
        yield server


@pytest.fixture(scope="module")
def store(before: Before, azurite: Server) -> Front:
    """proxycache before it."""
    return before(azurite.url)


def put(azurite: Server, container: str, name: str, length: int) -> bytes:
    """Store a blob, past the cache; its bytes."""
    body = Pattern(length, seed=length).read(0, length)
    blob = BlobServiceClient(azurite.url + ACCOUNT, credential=KEY).get_blob_client(container, name)
    blob.upload_blob(body, content_settings=SHARED, overwrite=True)
    return body


def reader(store: Front, container: str, name: str, credential: str | None = None) -> BlobClient:
    """A client that asks once; without a credential it signs nothing."""
    return BlobClient(
        store.url + ACCOUNT, container, name, credential=credential, max_single_get_size=4 * MIB, retry_total=0
    )


@pytest.mark.parametrize("credential", [None, KEY], ids=["anonymous", "signed"])
def test_a_blob_in_pieces(azurite: Server, store: Front, credential: str | None) -> None:
    """No Range is asked for, but an x-ms-range; from the second piece on with If-Match."""
    name = f"pieces-{bool(credential)}.bin"
    body = put(azurite, PUBLIC, name, 11 * MIB + 77)
    for _ in ("cold", "hot"):
        assert reader(store, PUBLIC, name, credential).download_blob(max_concurrency=3).readall() == body


@pytest.mark.parametrize("credential", [None, KEY], ids=["anonymous", "signed"])
def test_whole_then_ranges(azurite: Server, store: Front, credential: str | None) -> None:
    name = f"ranges-{bool(credential)}.bin"
    body = put(azurite, PUBLIC, name, 3 * MIB)
    blob = reader(store, PUBLIC, name, credential)
    assert blob.download_blob().readall() == body
    for start, stop in ((0, 1), (5, 4096), (MIB - 3, MIB + 3), (len(body) - 10, len(body))):
        assert blob.download_blob(offset=start, length=stop - start).readall() == body[start:stop]
        assert (
            blob.download_blob(offset=start, length=stop - start, validate_content=True).readall() == body[start:stop]
        )


def test_what_is_read_twice_is_fetched_once(azurite: Server, store: Front) -> None:
    body = put(azurite, PUBLIC, "twice.bin", 9 * MIB)
    assert reader(store, PUBLIC, "twice.bin").download_blob().readall() == body
    fetched = store.fetched
    assert reader(store, PUBLIC, "twice.bin").download_blob().readall() == body
    assert reader(store, PUBLIC, "twice.bin").download_blob(offset=MIB, length=1000).readall() == body[MIB : MIB + 1000]
    assert store.fetched == fetched


def test_by_a_signature_in_the_address(azurite: Server, store: Front) -> None:
    body = put(azurite, PRIVATE, "signed.bin", 5 * MIB + 1)
    end = datetime.now(UTC) + timedelta(hours=1)
    signature = generate_blob_sas(ACCOUNT, PRIVATE, "signed.bin", account_key=KEY, permission="r", expiry=end)
    for _ in ("cold", "hot"):
        assert reader(store, PRIVATE, "signed.bin", signature).download_blob().readall() == body
    with pytest.raises(HttpResponseError):
        reader(store, PRIVATE, "signed.bin").download_blob().readall()


def test_an_empty_blob(azurite: Server, store: Front) -> None:
    """Its first range is refused, and the whole is asked for then."""
    put(azurite, PUBLIC, "empty.bin", 0)
    for _ in ("cold", "hot"):
        assert reader(store, PUBLIC, "empty.bin").download_blob().readall() == b""


def test_a_blob_that_changes_between_two_pieces(azurite: Server, store: Front) -> None:
    """What is read goes on with the version that was begun, or fails; it is never joined of two."""
    first = put(azurite, PRIVATE, "changing.bin", 9 * MIB)
    blob = reader(store, PRIVATE, "changing.bin", KEY)
    reading = blob.download_blob()
    tag = reading.properties.etag
    direct = BlobServiceClient(azurite.url + ACCOUNT, credential=KEY).get_blob_client(PRIVATE, "changing.bin")
    direct.upload_blob(bytes(reversed(first)), content_settings=SHARED, overwrite=True)
    with pytest.raises(HttpResponseError) as failed:
        reading.readall()
    assert failed.value.status_code == 412
    with pytest.raises(HttpResponseError):
        blob.download_blob(etag=tag, match_condition=MatchConditions.IfNotModified).readall()
    assert blob.download_blob().readall() == bytes(reversed(first))
