"""The API as processes that share a port: ``python -m benchmarks.serving PORT 4``.

Each has 25 threads, and each thread its connection to the database, as each Lambda has.
"""

import os
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from wsgiref import simple_server

THREADS = 25


class _Quiet(simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class _Pooled(simple_server.WSGIServer):
    request_queue_size = 256
    threads: ThreadPoolExecutor

    def process_request(self, request: "socket.socket | tuple[bytes, socket.socket]", client_address: Any) -> None:
        """In a thread that stays: one that ended would leave its connection behind."""
        self.threads.submit(self._answer, request, client_address)

    def _answer(self, request: "socket.socket | tuple[bytes, socket.socket]", client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        finally:
            self.shutdown_request(request)


def main() -> None:
    """Serves until it is ended; the first process ends the others."""
    from ytbackend.wsgi import application

    port, processes = int(sys.argv[1]), int(sys.argv[2])
    with simple_server.make_server("127.0.0.1", port, application, _Pooled, _Quiet) as serving:
        children = []
        for _ in range(processes - 1):
            if not (child := os.fork()):
                break
            children.append(child)

        serving.threads = ThreadPoolExecutor(THREADS)

        def end(number: int, frame: object) -> None:
            for child in children:
                os.kill(child, signal.SIGTERM)
            os._exit(0)

        signal.signal(signal.SIGTERM, end)
        serving.serve_forever()


if __name__ == "__main__":
    main()
