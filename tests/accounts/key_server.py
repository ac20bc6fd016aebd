"""The address of the pool's keys, for a process that reaches the world through a proxy: over HTTPS, on loopback.

Our own code is not touched: it is told of the proxy by ``https_proxy`` and of the authority by ``SSL_CERT_FILE``.
"""

import contextlib
import ssl
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme

from tests.tokens import ISSUER

HOST = ISSUER.removeprefix("https://").partition("/")[0]


class Answer:
    """What the next caller gets: a status, a body, and headers; ``hang`` keeps callers waiting until it is set."""

    def __init__(self, body: bytes | str = b"", status: int = 200, **headers: str) -> None:
        self.body = body.encode() if isinstance(body, str) else body
        self.status, self.headers = status, headers
        self.hang: threading.Event | None = None


class KeyServer(ThreadingHTTPServer):
    """Speaks for the pool's host alone; ``paths`` is what was asked for."""

    daemon_threads = True
    disable_nagle_algorithm = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Proxy)
        self.answer = Answer()
        self.paths: list[str] = []
        self.vouched_for = True
        self.failures: list[str] = []
        authority, stranger = trustme.CA(), trustme.CA()
        self.authority_pem = authority.cert_pem.bytes()
        self._contexts = {True: _context(authority), False: _context(stranger)}

    @property
    def tls(self) -> ssl.SSLContext:
        return self._contexts[self.vouched_for]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what some tests are about."""


def _context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    return context


class _Proxy(BaseHTTPRequestHandler):
    server: KeyServer

    def do_CONNECT(self) -> None:
        self.close_connection = True
        if self.path != f"{HOST}:443":
            self.send_error(502)
            return
        self.send_response(200)
        self.end_headers()
        with self.server.tls.wrap_socket(self.connection, server_side=True) as encrypted:
            _Site(encrypted, self.client_address, self.server)

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Site(BaseHTTPRequestHandler):
    server: KeyServer

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        answer = self.server.answer
        if answer.hang is not None:
            answer.hang.wait(20)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def running(folder: Path) -> Iterator[tuple[KeyServer, dict[str, str]]]:
    """A server, and the environment in which it is the pool's."""
    server = KeyServer()
    pem = folder / "authority.pem"
    pem.write_bytes(server.authority_pem)
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
    thread.start()
    try:
        yield server, {"https_proxy": server.url, "no_proxy": "", "SSL_CERT_FILE": str(pem)}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
