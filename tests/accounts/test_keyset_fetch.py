"""The one request of the key set, against a server on loopback with TLS of its own."""

import ssl
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
import trustme

from accounts import keyset
from accounts.keyset import FetchedKeySet, KeysUnavailable, fetch
from tests import tokens

KEY_SET = tokens.key_set().encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[str]] = []
    done = threading.Event()

    def do_GET(self) -> None:
        self.asked.append(self.path)
        match self.path:
            case "/redirect":
                self._answer(302, b"", Location="/jwks.json")
            case "/missing":
                self._answer(404, KEY_SET)
            case "/failing":
                self._answer(500, KEY_SET)
            case "/empty":
                self._answer(204, b"")
            case "/largest":
                self._answer(200, KEY_SET.ljust(150_000))
            case "/larger":
                self._answer(200, KEY_SET.ljust(150_001))
            case "/page":
                self._answer(200, b"<!doctype html>")
            case "/hanging":
                self.done.wait(20)
            case _:
                self._answer(200, KEY_SET)

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server(authority: trustme.CA) -> Iterator[str]:
    """The address of a server that Cognito's could be."""
    Handler.done.clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    # The handshake belongs to the thread of the connection, not to the one that accepts.
    listening.socket = context.wrap_socket(listening.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=partial(listening.serve_forever, poll_interval=0.01))
    thread.start()
    yield f"https://127.0.0.1:{listening.server_port}"
    Handler.done.set()
    listening.shutdown()
    thread.join()
    listening.server_close()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    Handler.asked.clear()


def test_it_gets_a_key_set(server: str, trusting: ssl.SSLContext) -> None:
    assert fetch(f"{server}/jwks.json", context=trusting) == KEY_SET


def test_a_key_set_may_have_150_kilobytes(server: str, trusting: ssl.SSLContext) -> None:
    assert len(fetch(f"{server}/largest", context=trusting)) == 150_000


def test_it_refuses_a_longer_answer(server: str, trusting: ssl.SSLContext) -> None:
    with pytest.raises(ValueError, match="longer than 150000 bytes"):
        fetch(f"{server}/larger", context=trusting)


@pytest.mark.parametrize(("path", "status"), [("missing", 404), ("failing", 500)])
def test_it_refuses_the_body_of_an_error(path: str, status: int, server: str, trusting: ssl.SSLContext) -> None:
    with pytest.raises(OSError, match=str(status)):
        fetch(f"{server}/{path}", context=trusting)


def test_it_follows_no_redirect(server: str, trusting: ssl.SSLContext) -> None:
    with pytest.raises(OSError, match="302"):
        fetch(f"{server}/redirect", context=trusting)

    assert Handler.asked == ["/redirect"]


def test_it_does_not_trust_a_certificate_that_nobody_vouches_for(server: str) -> None:
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        fetch(f"{server}/jwks.json")

    assert Handler.asked == []


def test_it_speaks_nothing_but_https(server: str) -> None:
    with pytest.raises(OSError, match="unknown url type"):
        fetch(server.replace("https:", "http:"))


def test_it_waits_no_longer_than_the_time_out(
    server: str, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyset, "TIMEOUT_SECONDS", 0.05)

    with pytest.raises(TimeoutError):
        fetch(f"{server}/hanging", context=trusting)


def test_it_goes_through_the_proxy_of_the_environment(
    server: str, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")

    with pytest.raises(OSError, match="refused"):
        fetch(f"{server}/jwks.json", context=trusting)

    assert Handler.asked == []


def test_keys_come_over_the_wire(server: str, trusting: ssl.SSLContext) -> None:
    keys = FetchedKeySet(f"{server}/jwks.json", fetch=partial(fetch, context=trusting))

    assert keys.key(tokens.pool().kid) == tokens.private_key("pool").public_key()


@pytest.mark.parametrize("path", ["redirect", "missing", "failing", "empty", "larger", "page"])
def test_no_keys_come_from_an_endpoint_that_fails(path: str, server: str, trusting: ssl.SSLContext) -> None:
    keys = FetchedKeySet(f"{server}/{path}", fetch=partial(fetch, context=trusting))

    with pytest.raises(KeysUnavailable):
        keys.key(tokens.pool().kid)
