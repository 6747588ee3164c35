"""boto3 before moto: what its checksums, its parallel parts and its conditions make of what is cached."""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from awscrt import auth, http, io, s3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.clients.programs import TIMEOUT_SECONDS
from tests.programs.front import Before, Front
from tests.programs.server import Server
from tests.servers.origin import Pattern
from tests.servers.ports import HOST

MIB = 1 << 20
BUCKET = "weights"
SHARED = {"CacheControl": "public, max-age=3600"}
"""Requests are signed, and answers to such are shared only where the server says so."""


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A store with an empty bucket."""
    command = [sys.executable, "-m", "moto.server", "-H", HOST, "-p"]
    with Server(tmp_path_factory.mktemp("moto"), lambda port: [*command, str(port)]) as server:
        client(server.url).create_bucket(Bucket=BUCKET)
        yield server


@pytest.fixture(scope="module")
def store(before: Before, moto: Server) -> Front:
    """proxycache before it."""
    return before(moto.url, methods=["GET", "HEAD", "PUT", "POST", "DELETE"])


def client(url: str) -> Any:
    """An S3 client; nobody's credentials."""
    once = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
    key = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing", "region_name": "us-east-1"}
    return boto3.client("s3", endpoint_url=url.rstrip("/"), config=once, **key)


def put(moto: Server, name: str, length: int, **facts: str) -> bytes:
    """Store an object, past the cache; its bytes."""
    body = Pattern(length, seed=length).read(0, length)
    client(moto.url).put_object(Bucket=BUCKET, Key=name, Body=body, **{**SHARED, **facts})
    return body


def test_whole_then_ranges(moto: Server, store: Front) -> None:
    """The checksum of the whole, with which boto3 checks what it gets, is not that of a range of it."""
    body = put(moto, "whole.bin", 3 * MIB + 17)
    reader = client(store.url)
    answer = reader.get_object(Bucket=BUCKET, Key="whole.bin")
    assert answer["Body"].read() == body
    fetched = store.fetched
    again = reader.get_object(Bucket=BUCKET, Key="whole.bin")
    assert again["Body"].read() == body
    assert answer["ChecksumCRC32"] == again["ChecksumCRC32"]
    for start, stop in ((0, 1), (5, 4096), (MIB - 3, MIB + 3), (len(body) - 10, len(body))):
        part = reader.get_object(Bucket=BUCKET, Key="whole.bin", Range=f"bytes={start}-{stop - 1}")
        assert part["Body"].read() == body[start:stop]
        assert "ChecksumCRC32" not in part
    assert reader.get_object(Bucket=BUCKET, Key="whole.bin", Range="bytes=-100")["Body"].read() == body[-100:]
    assert store.fetched == fetched


def test_ranges_then_whole(moto: Server, store: Front) -> None:
    body = put(moto, "ranges.bin", 2 * MIB + 5)
    reader = client(store.url)
    for start, stop in ((MIB, MIB + 5000), (0, 100)):
        part = reader.get_object(Bucket=BUCKET, Key="ranges.bin", Range=f"bytes={start}-{stop - 1}")
        assert part["Body"].read() == body[start:stop]
    for _ in ("cold", "hot"):
        assert reader.get_object(Bucket=BUCKET, Key="ranges.bin")["Body"].read() == body


def test_a_file_in_parallel_parts(moto: Server, store: Front, tmp_path: Path) -> None:
    """HEAD, then ranges with If-Match, of which the last has no end."""
    body = put(moto, "file.bin", 20 * MIB + 3)
    for name in ("cold", "hot"):
        fetched = store.fetched
        client(store.url).download_file(BUCKET, "file.bin", str(tmp_path / name), Config=TransferConfig())
        assert (tmp_path / name).read_bytes() == body
    assert store.fetched == fetched


def test_parts_by_number(moto: Server, store: Front, tmp_path: Path) -> None:
    """What it is asked for is a part, and not the whole that it is a part of."""
    parts = [Pattern(5 * MIB, seed=1).read(0, 5 * MIB), Pattern(MIB, seed=2).read(0, MIB)]
    direct, reader = client(moto.url), client(store.url)
    upload = direct.create_multipart_upload(Bucket=BUCKET, Key="parts.bin", **SHARED)["UploadId"]
    made = []
    for number, part in enumerate(parts, 1):
        tag = direct.upload_part(Bucket=BUCKET, Key="parts.bin", UploadId=upload, PartNumber=number, Body=part)["ETag"]
        made.append({"PartNumber": number, "ETag": tag})
    direct.complete_multipart_upload(Bucket=BUCKET, Key="parts.bin", UploadId=upload, MultipartUpload={"Parts": made})
    for _ in ("cold", "hot"):
        for number in (1, 2):
            asked = {"Bucket": BUCKET, "Key": "parts.bin", "PartNumber": number}
            assert reader.get_object(**asked)["Body"].read() == direct.get_object(**asked)["Body"].read()
        assert reader.get_object(Bucket=BUCKET, Key="parts.bin")["Body"].read() == b"".join(parts)


def test_a_condition_that_holds_and_one_that_does_not(moto: Server, store: Front) -> None:
    body = put(moto, "condition.bin", 1000)
    reader = client(store.url)
    tag = reader.head_object(Bucket=BUCKET, Key="condition.bin")["ETag"]
    for _ in ("cold", "hot"):
        assert reader.get_object(Bucket=BUCKET, Key="condition.bin", IfMatch=tag)["Body"].read() == body
        with pytest.raises(ClientError, match="PreconditionFailed"):
            reader.get_object(Bucket=BUCKET, Key="condition.bin", IfMatch='"another"')
        with pytest.raises(ClientError, match="304"):
            reader.get_object(Bucket=BUCKET, Key="condition.bin", IfNoneMatch=tag)


def test_an_object_put_anew_through_the_cache(store: Front) -> None:
    reader = client(store.url)
    for seed in (1, 2):
        body = Pattern(MIB, seed=seed).read(0, MIB)
        reader.put_object(Bucket=BUCKET, Key="anew.bin", Body=body, **SHARED)
        for _ in ("cold", "hot"):
            assert reader.get_object(Bucket=BUCKET, Key="anew.bin")["Body"].read() == body


def test_an_address_signed_for_a_while(moto: Server, store: Front) -> None:
    """All that was signed stands in the query, which is the server's to judge."""
    body = put(moto, "signed.bin", 100_000)
    reader = client(store.url)
    url = reader.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "signed.bin"}, ExpiresIn=3600)
    for _ in ("cold", "hot"):
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == body


def test_the_parallel_client_of_awscrt(moto: Server, store: Front, tmp_path: Path) -> None:
    """Without a HEAD: its first range tells the length, and the others go out at once, with If-Match."""
    body = put(moto, "parallel.bin", 20 * MIB + 3)
    loops = io.EventLoopGroup(1)
    reader = s3.S3Client(
        bootstrap=io.ClientBootstrap(loops, io.DefaultHostResolver(loops)),
        region="us-east-1",
        credential_provider=auth.AwsCredentialsProvider.new_static("nobody", "nothing"),
        tls_mode=s3.S3RequestTlsMode.DISABLED,
    )
    host = store.url.removeprefix("http://").rstrip("/")
    for name in ("cold", "hot"):
        fetched = store.fetched
        request = http.HttpRequest("GET", f"/{BUCKET}/parallel.bin", http.HttpHeaders([("Host", host)]))
        kind, file = s3.S3RequestType.GET_OBJECT, tmp_path / name
        reader.make_request(request=request, type=kind, recv_filepath=str(file)).finished_future.result(TIMEOUT_SECONDS)
        assert file.read_bytes() == body
    assert store.fetched == fetched
