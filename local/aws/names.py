"""AWS's own host names, on loopback: a proxy that ends TLS itself and hands on to servers here.

So a program that is given it as ``HTTPS_PROXY`` calls the very addresses that it would call in an account, verified
by TLS as ever. What is asked of any other host is refused, and written down.
"""

import contextlib
import socket
import ssl
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import trustme

Address = tuple[str, int]


class Names:
    """The proxy between ``with`` and its end; ``hosts`` may grow meanwhile: a name to where its server listens.

    A name that begins with ``*`` stands for all with its end.
    """

    def __init__(self) -> None:
        self.hosts: dict[str, Address] = {}
        self.refused: list[str] = []
        self._authority = trustme.CA()
        self._certificates: dict[str, ssl.SSLContext] = {}

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="aws-names-")
        self.ca_file = Path(self._folder.name, "ca.pem")
        self._authority.cert_pem.write_to_path(str(self.ca_file))
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._folder.cleanup()

    def environment(self) -> dict[str, str]:
        """What a process needs to find AWS's names here; loopback stays as it is."""
        trusted = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), str(self.ca_file))
        proxies = dict.fromkeys(("HTTPS_PROXY", "https_proxy"), f"http://127.0.0.1:{self._server.server_port}")
        return trusted | proxies | dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")

    def find(self, host: str) -> Address | None:
        """Where the server of a host listens."""
        for known, address in self.hosts.items():
            if host == known or (known[0] == "*" and host.endswith(known[1:])):
                return address
        return None

    def tls_for(self, host: str) -> ssl.SSLContext:
        """A certificate of that name, made at the first call."""
        if host not in self._certificates:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._authority.issue_cert(host).configure_cert(context)
            self._certificates[host] = context
        return self._certificates[host]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, names: Names) -> None:
        self.names = names
        super().__init__(("127.0.0.1", 0), _Tunnel)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Silent: who hangs up in the middle has his answer already."""


class _Tunnel(BaseHTTPRequestHandler):
    disable_nagle_algorithm = True
    server: _Server

    def do_CONNECT(self) -> None:
        self.close_connection = True
        names, host = self.server.names, self.path.rpartition(":")[0]
        if not (address := names.find(host)):
            names.refused.append(host)
            self.send_error(502, f"There is no {host} here")
            return
        self.send_response_only(200, "Connection established")
        self.end_headers()
        with (
            names.tls_for(host).wrap_socket(self.connection, server_side=True) as outer,
            socket.create_connection(address) as inner,
        ):
            back = threading.Thread(target=_copy, args=[inner, outer], daemon=True)
            back.start()
            _copy(outer, inner)
            back.join(timeout=5)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent; ``Names.refused`` has what matters."""


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
