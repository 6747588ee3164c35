"""uv and pip before an index that tells nothing of its packages but where they are: they look into the wheels."""

from __future__ import annotations

import base64
import hashlib
import io
import sys
import zipfile
from pathlib import Path

import pytest

from tests.clients.programs import run
from tests.programs.front import Front
from tests.servers.origin import Origin, Pattern

MIB = 1 << 20
NAME = "heavyweight-1.0-py3-none-any.whl"
DATA = Pattern(5 * MIB, seed=5).read(0, 5 * MIB)


def wheel() -> bytes:
    """A package of one large file."""
    contents = {
        "heavyweight/__init__.py": b"",
        "heavyweight/data.bin": DATA,
        "heavyweight-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: heavyweight\nVersion: 1.0\n",
        "heavyweight-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    for name, content in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(content)}\n")
    lines.append("heavyweight-1.0.dist-info/RECORD,,\n")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {**contents, "heavyweight-1.0.dist-info/RECORD": "".join(lines).encode()}.items():
            archive.writestr(name, content)
    return file.getvalue()


@pytest.fixture(scope="module")
def index(front: Front, origin: Origin) -> str:
    """The URL of the index."""
    made = wheel()
    digest = hashlib.sha256(made).hexdigest()
    origin.put(f"files/{NAME}", made, content_type="application/octet-stream")
    page = f'<!DOCTYPE html><a href="../../files/{NAME}#sha256={digest}">{NAME}</a>'
    origin.put("simple/heavyweight/", page.encode(), content_type="text/html", cache_control="max-age=600")
    return front.url + "simple/"


PIP = (sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "--no-cache-dir", "--quiet")


def uv(*words: str | Path) -> str:
    return run(Path(sys.executable).with_name("uv"), *words)


def test_uv_resolves_by_the_end_of_a_wheel_and_installs(
    front: Front, origin: Origin, index: str, tmp_path: Path
) -> None:
    wanted = tmp_path / "requirements.in"
    wanted.write_text("heavyweight\n")
    for name in ("cold", "hot"):
        common: list[str | Path] = ["--no-config", "--index-url", index, "--cache-dir", tmp_path / f"{name}-cache"]
        before = sum(served.sent for served in origin.requests(f"files/{NAME}"))
        assert "heavyweight==1.0" in uv("pip", "compile", *common, wanted)
        if front.proxy is not None:
            assert sum(served.sent for served in origin.requests(f"files/{NAME}")) - before < 2 * MIB
    for name in ("cold", "hot"):
        common = ["--no-config", "--index-url", index, "--cache-dir", tmp_path / f"{name}-cache"]
        uv("pip", "install", *common, "--python", sys.executable, "--target", tmp_path / name, "heavyweight")
        assert (tmp_path / name / "heavyweight/data.bin").read_bytes() == DATA


def test_pip_with_fast_deps(front: Front, index: str, tmp_path: Path) -> None:
    for name in ("cold", "hot"):
        found = ["--index-url", index, "--trusted-host", "127.0.0.1", "--use-feature=fast-deps"]
        run(*PIP, "install", *found, "--target", tmp_path / name, "heavyweight")
        assert (tmp_path / name / "heavyweight/data.bin").read_bytes() == DATA
