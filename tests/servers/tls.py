"""TLS in front of a server that has none: its faults, over TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType

import trustme

from tests.servers.ports import HOST, bound

PIECE = 1 << 16


class Certificates:
    """An authority of our own, and a certificate for this host.

    `authority` is the file that a client has to trust, `pair` key and certificate in one file.
    """

    def __init__(self, directory: Path) -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert(HOST)
        self.authority = directory / "authority.pem"
        self.pair = directory / "pair.pem"
        authority.cert_pem.write_to_path(str(self.authority))
        certificate.private_key_and_cert_chain_pem.write_to_path(str(self.pair))


class TlsFront:
    """Takes TLS connections and passes their bytes on to a port. A reset behind is a close without farewell in front."""

    def __init__(self, certificates: Certificates, port: int) -> None:
        self._behind = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificates.pair)
        self._listener = bound()
        self._listener.listen(128)
        self.url = f"https://{HOST}:{self._listener.getsockname()[1]}/"
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> TlsFront:
        self._spawn(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sock in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join()

    def _spawn(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, name="origin tls")  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(plain)
            self._spawn(self._serve, plain)

    def _serve(self, plain: socket.socket) -> None:
        try:
            client = self._context.wrap_socket(plain, server_side=True)
        except (OSError, ssl.SSLError):
            plain.close()
            return
        behind = socket.create_connection((HOST, self._behind))
        self._sockets += [client, behind]
        self._spawn(self._pump, client, behind)
        farewell = self._pump(behind, client)
        with contextlib.suppress(OSError, ValueError):
            if farewell:
                client.unwrap()
        for sock in (client, behind):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> bool:
        """Pass bytes on to the end; tells whether that was an orderly one."""
        try:
            while data := source.recv(PIECE):
                sink.sendall(data)
        except OSError:
            return False
        with contextlib.suppress(OSError):
            if not isinstance(sink, ssl.SSLSocket):
                sink.shutdown(socket.SHUT_WR)
        return True
