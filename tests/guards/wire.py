"""Requests as a server hands them to WSGI, also those that no client library would send."""

import contextlib
import functools
import io
import json
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.core import signals
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections

from tests.tokens import id_token


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """Its body; fails where it is no problem of RFC 9457 with a sentence."""
        assert self.headers["Content-Type"] == "application/problem+json", (self.status, self.headers, self.body[:200])
        found = json.loads(self.body)
        assert found.keys() >= {"type", "title", "status", "code", "detail"}
        assert found["status"] == self.status
        assert len(found["detail"]) > 10
        assert found["detail"].rstrip('"').endswith((".", "…")) or "errors" in found, found["detail"]
        return found


def ask(
    method: str,
    path: str,
    query: str = "",
    *,
    body: bytes = b"",
    announced: str | None = "",
    token: str | None = None,
    **headers: str,
) -> Answer:
    """``path`` is already decoded, and text that stands for bytes, as in PEP 3333. Alice asks, unless told otherwise.

    ``announced`` is the Content-Length: by default the true one, None for none. Headers by their names in WSGI.
    """
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": "application/json",
        "HTTP_HOST": "testserver",
        "HTTP_AUTHORIZATION": f"Bearer {token or id_token()}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if announced is not None:
        environ["CONTENT_LENGTH"] = announced or str(len(body))
    began: list[Any] = []
    with _connections_stay():
        answer = _application()(environ | headers, lambda status, pairs, _=None: began.extend([status, pairs]))
        whole = b"".join(answer)
        answer.close()
    return Answer(int(began[0].split()[0]), dict(began[1]), whole)


@functools.cache
def _application() -> Any:
    return get_wsgi_application()


@contextlib.contextmanager
def _connections_stay() -> Iterator[None]:
    """A server's request closes them, and with them the transaction of the test."""
    both = (signals.request_started, signals.request_finished)
    for signal in both:
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in both:
            signal.connect(close_old_connections)
