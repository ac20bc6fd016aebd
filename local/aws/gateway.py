"""HTTP on loopback in front of a function: each request becomes the event that its front would make of it."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from local.aws.fronts import Answer, Front, Malformed, Request
from local.aws.lambda_runtime import MAX_PAYLOAD_BYTES, Invocation

_OF_THE_CONNECTION = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})

Invoke = Callable[[bytes], Invocation]


def send(front: Front, invoke: Invoke, request: Request) -> Answer:
    """What the client gets. A failing function is an answer as well, without a word of the cause, as with AWS."""
    event = front.event(request)
    if isinstance(event, Answer):
        return event
    payload = json.dumps(event).encode()
    if len(payload) > MAX_PAYLOAD_BYTES:
        return Answer.of_front(413, "Request Too Long")
    outcome = invoke(payload)
    if outcome.error is not None:
        return front.failure()
    try:
        answer = front.answer(outcome.answer)
    except Malformed:
        return front.failure()
    return answer._replace(body=b"") if request.method == "HEAD" else answer


@contextlib.contextmanager
def serving(front: Front, invoke: Invoke) -> Iterator[str]:
    """Listens on loopback; gives the address, without any stage."""
    server = _Server(front, invoke)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, front: Front, invoke: Invoke) -> None:
        self.front, self.invoke = front, invoke
        super().__init__(("127.0.0.1", 0), _Client)


class _Client(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    server: _Server

    def _any(self) -> None:
        headers = tuple((name, value) for name, value in self.headers.items() if name.lower() not in _OF_THE_CONNECTION)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, self.path, headers, body, self.client_address[0])
        answer = send(self.server.front, self.server.invoke, request)
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() not in _OF_THE_CONNECTION:
                self.send_header(name, value.strip())
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _any  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent; the function's own log tells more."""
