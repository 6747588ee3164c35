"""huggingface_hub before a hub whose large files lie on another host."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, HfFileSystem, hf_hub_download, snapshot_download

from tests.programs.front import Before, Front
from tests.programs.hub import Hub
from tests.servers.origin import Origin, Pattern

MIB = 1 << 20
REPOSITORY = "nobody/model"
HEADER = json.dumps({"w": {"dtype": "U8", "shape": [12 * MIB], "data_offsets": [0, 12 * MIB]}}).encode()
WEIGHTS = struct.pack("<Q", len(HEADER)) + HEADER + Pattern(12 * MIB, seed=3).read(0, 12 * MIB)
SMALL = b'{"model_type": "none"}'


@pytest.fixture(scope="module")
def files() -> Iterator[Origin]:
    """Where the large files are."""
    with Origin() as running:
        yield running


@pytest.fixture(scope="module")
def hub(origin: Origin, files: Origin) -> Hub:
    """A repository with a large file and a small one."""
    made = Hub(origin, files, REPOSITORY)
    made.put("model.safetensors", WEIGHTS, large=True)
    made.put("config.json", SMALL, large=False)
    return made


@pytest.fixture(scope="module")
def front(before: Before, hub: Hub, origin: Origin, files: Origin) -> Front:
    """proxycache, to which both hosts are one."""
    return before(origin.url, redirect_hosts=[files.url.removeprefix("http://").rstrip("/")])


def test_a_large_file(front: Front, hub: Hub, files: Origin, tmp_path: Path) -> None:
    """It comes through the cache, and not by the other way that the hub offers."""
    for name in ("cold", "hot"):
        endpoint = front.url.rstrip("/")
        got = hf_hub_download(REPOSITORY, "model.safetensors", endpoint=endpoint, cache_dir=tmp_path / name)
        assert Path(got).read_bytes() == WEIGHTS
        assert hub.revision in got
    if front.proxy is not None:
        assert sum(served.sent for served in files.log) == len(WEIGHTS)


def test_a_file_that_was_begun(front: Front, hub: Hub, tmp_path: Path) -> None:
    """Its client goes on at what it has, without a condition."""
    endpoint = front.url.rstrip("/")
    done = Path(hf_hub_download(REPOSITORY, "model.safetensors", endpoint=endpoint, cache_dir=tmp_path)).resolve()
    begun = done.with_name(done.name + ".incomplete")
    done.rename(begun)
    with begun.open("r+b") as file:
        file.truncate(10 * MIB)
    again = hf_hub_download(REPOSITORY, "model.safetensors", endpoint=endpoint, cache_dir=tmp_path)
    assert Path(again).read_bytes() == WEIGHTS


def test_a_snapshot(front: Front, hub: Hub, tmp_path: Path) -> None:
    for name in ("cold", "hot"):
        got = Path(snapshot_download(REPOSITORY, endpoint=front.url.rstrip("/"), cache_dir=tmp_path / name))
        assert {file.name: file.read_bytes() for file in got.iterdir()} == {
            "model.safetensors": WEIGHTS,
            "config.json": SMALL,
        }


def test_the_head_of_a_file(front: Front, hub: Hub) -> None:
    for _ in ("cold", "hot"):
        told = HfApi(endpoint=front.url.rstrip("/")).get_safetensors_metadata(REPOSITORY)
        assert told.files_metadata["model.safetensors"].tensors["w"].shape == [12 * MIB]


def test_pieces_as_of_a_file(front: Front, hub: Hub) -> None:
    for _ in ("cold", "hot"):
        system = HfFileSystem(endpoint=front.url.rstrip("/"), skip_instance_cache=True)
        name = f"{REPOSITORY}/model.safetensors"
        assert system.cat_file(name, start=5, end=50) == WEIGHTS[5:50]
        with system.open(name, "rb", block_size=MIB) as file:
            for place in (11 * MIB, 0, 3 * MIB + 5):
                file.seek(place)
                assert file.read(100_000) == WEIGHTS[place : place + 100_000]
