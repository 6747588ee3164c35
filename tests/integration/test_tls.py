"""TLS on both sides: origins by https, clients by a TLS endpoint."""

from __future__ import annotations

import http.client
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.rig import MIB, Rig, refused, told
from tests.servers.origin import Fault, Origin
from tests.servers.ports import HOST, free_port
from tests.servers.proxycache import Config, Proxycache
from tests.servers.tls import Certificates, TlsFront

TLS_PORT = free_port()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def config() -> Config:
    return {"fetch": {"connect_timeout": 2, "first_byte_timeout": 2, "idle_timeout": 2}}


def listening(proxy: Proxycache, certificates: Certificates) -> list[str]:
    """Plain and by TLS."""
    files = f"privateKey={certificates.pair}:certKey={certificates.pair}"
    return [f"tcp:{proxy.port}:interface={HOST}", f"ssl:{TLS_PORT}:interface={HOST}:{files}"]


@pytest.fixture(scope="module")
def proxy(
    tmp_path_factory: pytest.TempPathFactory, origin: Origin, config: Config, certificates: Certificates
) -> Iterator[Proxycache]:
    with TlsFront(certificates, origin.port) as front:
        trusting = {"SSL_CERT_FILE": str(certificates.authority)}
        proxy = Proxycache(tmp_path_factory.mktemp("proxycache"), front.url, config=config, env=trusting)
        proxy.config["server"] = {**dict(proxy.config["server"]), "listen": listening(proxy, certificates)}  # type: ignore[call-overload]
        with proxy:
            yield proxy
        proxy.assert_clean_log()


def test_whole_and_parts(rig: Rig) -> None:
    film = rig.put(3 * MIB + 5)
    film.get_part(MIB + 5, 2 * MIB)
    film.get_whole()
    assert film.get_whole().cache_status == "proxycache; hit"
    film.assert_sent_once()


def test_a_connection_is_used_again(rig: Rig) -> None:
    rig.origin.drop_connections()
    for _ in range(5):
        rig.put(1000).get_whole()
    # The first may find one that is being dropped, and then goes on one of its own.
    assert len({served.connection for served in rig.origin.log[1:]}) == 1


@pytest.mark.parametrize(
    "fault", [Fault(cut_after=MIB + 7), Fault(cut_after=MIB + 7, reset=True)], ids=["cut", "reset"]
)
def test_a_body_that_breaks_is_resumed(rig: Rig, fault: Fault) -> None:
    film = rig.put(3 * MIB)
    film.fault(fault)
    film.get_whole()


def test_a_body_that_stalls_is_resumed(rig: Rig) -> None:
    film = rig.put(3 * MIB)
    film.fault(Fault(stall_after=MIB + 7))
    film.get_whole()
    rig.origin.release.set()


def test_clients_by_tls(rig: Rig, certificates: Certificates, tmp_path: Path) -> None:
    film = rig.put(3 * MIB)
    target = tmp_path / "film"
    command = ["curl", "-sS", "--cacert", str(certificates.authority), "-o", str(target), "-w", "%{http_code}"]
    for _ in range(2):
        ran = subprocess.run([*command, f"https://{HOST}:{TLS_PORT}/{film.path}"], capture_output=True, timeout=30)
        assert (ran.returncode, ran.stdout) == (0, b"200"), ran.stderr
        assert target.read_bytes() == b"".join(bytes(piece) for piece in film.body.pieces(0, film.length))


def test_its_own_address_in_a_target(rig: Rig, certificates: Certificates) -> None:
    """As that of https, and of no other scheme."""
    film = rig.put(b"film")
    context = ssl.create_default_context(cafile=str(certificates.authority))
    for scheme, status in (("https", 200), ("http", 421)):
        asking = http.client.HTTPSConnection(HOST, TLS_PORT, context=context, timeout=30)
        asking.request("GET", f"{scheme}://{HOST}:{TLS_PORT}/{film.path}")
        assert asking.getresponse().status == status
        asking.close()


def test_an_origin_that_nobody_vouches_for(tmp_path: Path, origin: Origin) -> None:
    strange = Certificates(tmp_path)
    with TlsFront(strange, origin.port) as front, Proxycache(tmp_path, front.url) as proxy:
        rig = Rig(origin, proxy)
        answer = rig.put(1000).get()
        refused(answer, 502)
        assert b"certificate" in answer.body, told(answer)
