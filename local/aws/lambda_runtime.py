"""Lambda's Runtime API on loopback, which drives the real runtime client (``awslambdaric``) in an unzipped package.

The process gets what a function has on Lambda: the variables of the function, Lambda's own, the package as its
working folder, and an interpreter with nothing installed but the client. Nothing of this project, of its virtual
environment or of the user's home is in reach.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
"""

import json
import queue
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self

API = "/2018-06-01/runtime"
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: 6 MB each way, plus a little for the frame
MAX_PAYLOAD_BYTES = 6 * 1024 * 1024 + 100
ACCOUNT = "123456789012"


class InitError(Exception):
    """The module of the handler could not be loaded; the text is what the runtime reported, and its log."""


class Invocation(NamedTuple):
    """What became of one event: ``answer`` is what the handler returned, unless ``error`` is set.

    ``error`` has ``errorType`` and ``errorMessage``, as the caller of Lambda's Invoke gets them.
    """

    answer: Any
    error: dict[str, Any] | None
    milliseconds: float
    log: str


class LambdaRuntime:
    """One execution environment between ``with`` and its end; events are handled one after the other, as on Lambda.

    ``python`` is an interpreter that has ``awslambdaric``; ``prefix`` is put in front of the command.
    Entering raises ``InitError``.
    """

    def __init__(
        self,
        folder: Path,
        handler: str,
        *,
        python: Path,
        environment: Mapping[str, str] | None = None,
        function: str = "yt-backend-default",
        region: str = "us-east-1",
        memory_mb: int = 1024,
        timeout_s: float = 29,
        init_timeout_s: float = 60,
        prefix: Sequence[str] = (),
    ) -> None:
        self.folder, self.handler, self.timeout_s = folder, handler, timeout_s
        self.init_milliseconds = 0.0
        self.arn = f"arn:aws:lambda:{region}:{ACCOUNT}:function:{function}"
        self._command = [*prefix, str(python), "-s", "-B", "-u", "-m", "awslambdaric", handler]
        self._init_timeout_s = init_timeout_s
        self._environment = _lambdas_own(function, region, memory_mb, python) | dict(environment or {})
        self._one_at_a_time = threading.Lock()
        self._events: queue.SimpleQueue[tuple[str, bytes] | None] = queue.SimpleQueue()
        self._reports: queue.SimpleQueue[_Report] = queue.SimpleQueue()
        self._started = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._home = tempfile.TemporaryDirectory(prefix="lambda-")
        self._log = Path(self._home.name, "log")
        self._server = _Server(("127.0.0.1", 0), self)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self._environment |= {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
            "LAMBDA_TASK_ROOT": str(self.folder),
            "_HANDLER": self.handler,
            "HOME": self._home.name,
        }
        with self._log.open("wb") as output:
            self._started = time.perf_counter()
            self._process = subprocess.Popen(
                self._command,
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        threading.Thread(target=self._watch, args=[self._process], daemon=True).start()
        try:
            report = self._reports.get(timeout=self._init_timeout_s)
        except queue.Empty:
            report = _Report("", "exit", f"it was not ready within {self._init_timeout_s:g} seconds".encode())
        if report.kind != "ready":
            seen = f"{self.handler} could not be loaded: {report.body.decode(errors='replace')}\n{self.log()}"
            self.close()
            raise InitError(seen)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether the process is there to take another event."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process's id; 0 before there is one."""
        return self._process.pid if self._process else 0

    def log(self, start: int = 0) -> str:
        """All that was written to standard output and standard error, from the byte ``start`` on."""
        return self._log.read_bytes()[start:].decode(errors="replace")

    def invoke(self, event: Any) -> Invocation:
        """Hands one event over, and waits for its end.

        ``bytes`` go as they are. A process that ends, or takes longer than the function's time-out, is an error as on
        Lambda, and ``alive`` is false after it.
        """
        with self._one_at_a_time:
            request_id = str(uuid.uuid4())
            before = self._log.stat().st_size
            began = time.perf_counter()
            if not self.alive:
                raise InitError(f"The process has ended:\n{self.log()}")
            self._events.put((request_id, event if isinstance(event, bytes) else json.dumps(event).encode()))
            try:
                report = self._reports.get(timeout=self.timeout_s)
            except queue.Empty:
                self._kill()
                text = f"RequestId: {request_id} Error: Task timed out after {self.timeout_s:.2f} seconds"
                report = _Report.of_platform("Sandbox.Timedout", text)
            took = (time.perf_counter() - began) * 1000
            if report.kind == "exit":
                text = f"RequestId: {request_id} Error: Runtime exited with error: {report.body.decode()}"
                report = _Report.of_platform("Runtime.ExitError", text)
            log = self.log(before)
        if report.kind == "error":
            return Invocation(None, json.loads(report.body), took, log)
        return Invocation(json.loads(report.body or b"null"), None, took, log)

    def close(self) -> None:
        """Ends the process, and everything that it wrote."""
        self._kill()
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()
        self._home.cleanup()

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _watch(self, process: "subprocess.Popen[bytes]") -> None:
        code = process.wait()
        self._reports.put(_Report("", "exit", f"exit status {code}".encode()))


class _Report(NamedTuple):
    """What the process said or did: ``ready``, ``response``, ``error``, ``init``, ``exit``."""

    request_id: str
    kind: str
    body: bytes

    @classmethod
    def of_platform(cls, kind: str, message: str) -> "_Report":
        return cls("", "error", json.dumps({"errorType": kind, "errorMessage": message}).encode())


def _lambdas_own(function: str, region: str, memory_mb: int, python: Path) -> dict[str, str]:
    return {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_SESSION_TOKEN": "testing",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_FUNCTION_NAME": function,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{time.strftime('%Y/%m/%d', time.gmtime())}/[$LATEST]{uuid.uuid4().hex}",
        "AWS_EC2_METADATA_DISABLED": "true",  # no machine's role must be asked for
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin",
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], runtime: LambdaRuntime) -> None:
        self.runtime = runtime
        super().__init__(address, _RuntimeApi)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Silent: a process that ends drops the connection on which it waits."""


class _RuntimeApi(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        runtime = self.server.runtime
        if self.path == f"{API}/restore/next":  # of SnapStart, at once after its snapshot
            self._reply(200)
            return
        if self.path != f"{API}/invocation/next":
            self._reply(404)
            return
        if not runtime.init_milliseconds:
            runtime.init_milliseconds = (time.perf_counter() - runtime._started) * 1000
            runtime._reports.put(_Report("", "ready", b""))
        event = runtime._events.get()
        if event is None:
            self._reply(410)
            return
        request_id, body = event
        self._reply(
            200,
            body,
            {
                "Content-Type": "application/json",
                "Lambda-Runtime-Aws-Request-Id": request_id,
                "Lambda-Runtime-Deadline-Ms": str(int((time.time() + runtime.timeout_s) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": runtime.arn,
                "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0",
            },
        )

    def do_POST(self) -> None:
        body = self._body()
        match self.path.removeprefix(API).strip("/").split("/"):
            case ["init" | "restore", "error"]:
                self.server.runtime._reports.put(_Report("", "init", body))
                self._reply(202, b'{"status":"OK"}')
            case ["invocation", request_id, ("response" | "error") as kind]:
                if kind == "response" and len(body) > MAX_PAYLOAD_BYTES:
                    text = f"Response payload size exceeded maximum allowed payload size ({MAX_PAYLOAD_BYTES} bytes)."
                    self.server.runtime._reports.put(_Report.of_platform("Function.ResponseSizeTooLarge", text))
                    self._reply(413, b'{"errorType":"RequestEntityTooLarge"}')
                    return
                self.server.runtime._reports.put(_Report(request_id, kind, body))
                self._reply(202, b'{"status":"OK"}')
            case _:
                self._reply(404)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _reply(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent; the function's own log tells more."""
