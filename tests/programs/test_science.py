"""Readers of scientific data: each reads pieces over HTTP, and has to see what it sees in the file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import netCDF4
import numpy
import obstore
import polars
import pyarrow
import pyarrow.parquet
import pysam
import pytest
import rasterio
import remotezip
import tensorstore
import zarr
from affine import Affine
from obstore.store import HTTPStore
from rasterio.windows import Window
from zarr.storage import LocalStore, ObjectStore

from tests.programs.front import Before, Front
from tests.servers.nginx import Nginx
from tests.servers.origin import Pattern

MIB = 1 << 20
RNG = numpy.random.default_rng(1)
NUMBERS = RNG.integers(0, 1 << 16, (2048, 2048), dtype="uint16")


@dataclass(frozen=True)
class Folder:
    """The root of a server of files."""

    root: Path
    url: str

    def put(self, name: str, body: bytes) -> None:
        """A file of that name."""
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    """nginx before a folder: not a server in this process, whose lock some of these libraries hold while they read."""
    directory = tmp_path_factory.mktemp("nginx")
    root = directory / "root"
    root.mkdir()
    with Nginx(directory, f"server {{ listen 80; root {root}; expires 1h; }}") as running:
        yield Folder(root, running.url)


@pytest.fixture(scope="module")
def front(before: Before, files: Folder) -> Front:
    """proxycache before it."""
    return before(files.url)


def test_rasterio(front: Front, files: Folder, tmp_path: Path) -> None:
    """HEAD, the first 16 KiB, then the tiles, three at once."""
    shape: dict[str, Any] = {
        "width": 2048,
        "height": 2048,
        "count": 1,
        "dtype": "uint16",
        "transform": Affine.identity().scale(10),
    }
    made = tmp_path / "map.tif"
    with rasterio.open(made, "w", driver="GTiff", tiled=True, blockxsize=256, blockysize=256, **shape) as out:
        out.write(NUMBERS, 1)
    files.put("gdal/map.tif", made.read_bytes())
    url = f"/vsicurl/{front.url}gdal/map.tif"
    for _ in ("cold", "hot"):
        with rasterio.Env(CPL_VSIL_CURL_NON_CACHED=url), rasterio.open(url) as source:
            for column, row in ((1500, 1800), (3, 5), (900, 1000)):
                seen = source.read(1, window=Window(column, row, 200, 100))
                assert (seen == NUMBERS[row : row + 100, column : column + 200]).all()


def test_pysam(front: Front, files: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole is asked for and left at each look; the index is looked for under four names."""
    monkeypatch.chdir(tmp_path)
    bases = "".join(RNG.choice(list("ACGT"), 10_000))
    header = {"HD": {"VN": "1.0", "SO": "coordinate"}, "SQ": [{"LN": 1 << 24, "SN": "one"}]}
    with pysam.AlignmentFile("reads.bam", "wb", header=header) as out:
        for number in range(20_000):
            read = pysam.AlignedSegment(out.header)
            read.query_name, read.reference_id, read.reference_start = f"r{number}", 0, number * 600
            begin = number * 37 % 9_000
            read.query_sequence, read.cigarstring, read.mapping_quality = bases[begin : begin + 60], "60M", 60
            out.write(read)
    pysam.index("reads.bam")
    for name in ("reads.bam", "reads.bam.bai"):
        files.put(f"htslib/{name}", Path(name).read_bytes())

    def seen(source: str) -> list[str]:
        with pysam.AlignmentFile(source) as file:
            regions = ((9_000_000, 9_100_000), (100, 5_000), (11_990_000, 12_000_000))
            return [read.to_string() for start, stop in regions for read in file.fetch("one", start, stop)]

    wanted = seen("reads.bam")
    assert len(wanted) > 150
    for name in ("cold", "hot"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert seen(front.url + "htslib/reads.bam") == wanted


def test_netcdf(front: Front, files: Folder, tmp_path: Path) -> None:
    made = tmp_path / "field.nc"
    with netCDF4.Dataset(made, "w") as out:
        for name in ("y", "x"):
            out.createDimension(name, 2048)
        out.createVariable("v", "u2", ("y", "x"), chunksizes=(256, 256))[:] = NUMBERS
    files.put("netcdf/field.nc", made.read_bytes())
    for _ in ("cold", "hot"):
        with netCDF4.Dataset(front.url + "netcdf/field.nc#mode=bytes") as source:
            assert (source["v"][1800:1900, 1500:1700] == NUMBERS[1800:1900, 1500:1700]).all()
            assert (source["v"][5:105, 3:203] == NUMBERS[5:105, 3:203]).all()


def table() -> bytes:
    """A table in Parquet, in 20 groups of rows."""
    columns = {"key": numpy.arange(400_000), "value": RNG.random(400_000), "other": RNG.random(400_000)}
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), file, row_group_size=20_000)
    return file.getvalue()


def test_pyarrow(front: Front, files: Folder) -> None:
    made = table()
    files.put("pyarrow/table.parquet", made)
    local = pyarrow.parquet.ParquetFile(io.BytesIO(made))
    for _ in ("cold", "hot"):
        system = fsspec.filesystem("http", skip_instance_cache=True)
        with system.open(front.url + "pyarrow/table.parquet", block_size=MIB) as file:
            source = pyarrow.parquet.ParquetFile(file)
            for group in (17, 2):
                assert source.read_row_group(group, ["key", "value"]) == local.read_row_group(group, ["key", "value"])


def test_polars(front: Front, files: Folder) -> None:
    """The end is asked for by a range without a beginning."""
    made = table()
    files.put("polars/table.parquet", made)
    wanted = polars.read_parquet(io.BytesIO(made)).filter(polars.col("key").is_between(333_000, 333_100))
    for _ in ("cold", "hot"):
        source = polars.scan_parquet(front.url + "polars/table.parquet")
        assert source.filter(polars.col("key").is_between(333_000, 333_100)).collect().equals(wanted)


def test_zarr_in_shards(front: Front, files: Folder) -> None:
    """The end of a shard tells where its chunks are; what is not there at all reads as zeros."""
    made = zarr.create_array(
        LocalStore(files.root / "zarr/a"), shape=(2048, 2048), shards=(1024, 1024), chunks=(128, 128), dtype="uint16"
    )
    made[:1024] = NUMBERS[:1024]
    for _ in ("cold", "hot"):
        store = HTTPStore.from_url(front.url + "zarr/a", client_options={"allow_http": True})
        source = zarr.open_array(ObjectStore(store, read_only=True), mode="r")
        assert (source[100:300, 900:1200] == NUMBERS[100:300, 900:1200]).all()
        assert not source[1500:1600, :10].any()


def test_tensorstore(front: Front, files: Folder) -> None:
    made = zarr.create_array(
        LocalStore(files.root / "tensorstore/t"),
        shape=(2048, 2048),
        shards=(1024, 1024),
        chunks=(128, 128),
        dtype="uint16",
    )
    made[:] = NUMBERS
    for _ in ("cold", "hot"):
        source = tensorstore.open(
            {"driver": "zarr3", "kvstore": {"driver": "http", "base_url": front.url + "tensorstore/t/"}}, read=True
        ).result()
        assert (source[1000:1100, 900:1200].read().result() == NUMBERS[1000:1100, 900:1200]).all()


def test_obstore(front: Front, files: Folder) -> None:
    body = Pattern(7 * MIB + 5, seed=11).read(0, 7 * MIB + 5)
    files.put("obstore/object.bin", body)
    starts, ends = [5, 3 * MIB, 7 * MIB - 10, 2 * MIB - 1], [50, 3 * MIB + 100_000, 7 * MIB + 5, 2 * MIB + 1]
    for _ in ("cold", "hot"):
        store = HTTPStore.from_url(front.url, client_options={"allow_http": True})
        got = obstore.get_ranges(store, "obstore/object.bin", starts=starts, ends=ends)
        assert [bytes(each) for each in got] == [body[start:end] for start, end in zip(starts, ends, strict=True)]
        assert bytes(obstore.get(store, "obstore/object.bin").bytes()) == body
        assert bytes(obstore.get(store, "obstore/object.bin", options={"range": {"suffix": 99}}).bytes()) == body[-99:]


def test_fsspec_in_bulk(front: Front, files: Folder) -> None:
    """Ranges at once, of an object that nobody has asked for before."""
    body = Pattern(6 * MIB, seed=12).read(0, 6 * MIB)
    files.put("fsspec/object.bin", body)
    url = front.url + "fsspec/object.bin"
    starts = [MIB * each + 5 for each in range(6)]
    for _ in ("cold", "hot"):
        system = fsspec.filesystem("http", skip_instance_cache=True)
        got = system.cat_ranges([url] * 6, starts, [start + 70_000 for start in starts])
        assert got == [body[start : start + 70_000] for start in starts]


def test_remotezip(front: Front, files: Folder) -> None:
    file = io.BytesIO()
    members = {f"{number}.bin": Pattern(MIB, seed=number).read(0, MIB) for number in range(8)}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    files.put("remotezip/archive.zip", file.getvalue())
    for _ in ("cold", "hot"):
        with remotezip.RemoteZip(front.url + "remotezip/archive.zip") as source:
            for name in ("6.bin", "1.bin"):
                assert source.read(name) == members[name]
