"""Cognito's key set behind a proxy, for an API that fetches it."""

import functools
import os
import ssl
import tempfile
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import trustme

from tests import tokens
from tests.faults.hooks import replace
from tests.faults.proxy import Proxy


class _Keys(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = tokens.key_set().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that break are what this is for."""


class KeyServer:
    """Gives the key set between ``with`` and its end, as far as ``proxy`` lets it.

    Handed to an API as one hands it a hook, it makes that API fetch its keys here.
    """

    def __init__(self) -> None:
        self._end = ExitStack()

    def __enter__(self) -> Self:
        authority = trustme.CA()
        folder = Path(self._end.enter_context(tempfile.TemporaryDirectory(prefix="keys-")))
        self._trusted = str(folder / "ca.pem")
        authority.cert_pem.write_to_path(self._trusted)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        server = _Server(("127.0.0.1", 0), _Keys)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=functools.partial(server.serve_forever, poll_interval=0.05))
        thread.start()
        self._end.callback(server.server_close)
        self._end.callback(thread.join)
        self._end.callback(server.shutdown)
        self.proxy = self._end.enter_context(Proxy(("127.0.0.1", server.server_port)))
        return self

    def __exit__(self, *_: object) -> None:
        self._end.close()

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return _KeysFrom, (f"https://{self.proxy.address}/.well-known/jwks.json", self._trusted)


class _KeysFrom:
    """What an API is told of it."""

    def __init__(self, url: str, trusted: str) -> None:
        self._url, self._trusted = url, trusted

    def install(self) -> None:
        from accounts import authentication
        from accounts.keyset import FetchedKeySet

        os.environ |= {"SSL_CERT_FILE": self._trusted, "no_proxy": "127.0.0.1"}
        replace(authentication, "keys_from", lambda setting, issuer: FetchedKeySet(self._url))
