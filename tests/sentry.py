"""Sentry's far side on loopback: takes envelopes, and keeps them to be looked at.

https://develop.sentry.dev/sdk/data-model/envelopes/
"""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import brotli

_DECODERS = {"gzip": gzip.decompress, "br": brotli.decompress, "": bytes}  # br where brotli is, as in the worker


class Ingest:
    """What has come in: the raw text of each envelope, and the events in them."""

    def __init__(self, port: int) -> None:
        self.dsn = f"http://public@127.0.0.1:{port}/7"
        self.envelopes: list[str] = []

    def events(self) -> list[dict[str, Any]]:
        found = []
        for envelope in self.envelopes:
            lines = envelope.splitlines()[1:]
            items = zip(lines[::2], lines[1::2], strict=True)
            found += [json.loads(payload) for header, payload in items if json.loads(header)["type"] == "event"]
        return found


@contextmanager
def ingest() -> Iterator[Ingest]:
    """Listens until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            plain = _DECODERS[self.headers.get("Content-Encoding", "")](body)
            there.envelopes.append(plain.decode())
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        there = Ingest(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield there
        finally:
            server.shutdown()
            thread.join()
