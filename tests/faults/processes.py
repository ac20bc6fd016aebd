"""Workers, sweeps and APIs as processes of their own, which can be killed, frozen and thawed.

They are forked from one that has imported everything already, so that each is there in a few milliseconds.
"""

import contextlib
import faulthandler
import http.client
import importlib
import json
import multiprocessing
import os
import signal
import socketserver
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock
from wsgiref import simple_server

from tests import tokens
from tests.faults import bugs
from tests.faults.hooks import Hook, skew_clock

ROOT = Path(__file__).parents[2]
SWEEP_SECONDS = 0.3
_context = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Plan:
    """What a process is to be; it travels there."""

    role: str
    log: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    hooks: tuple[Hook, ...] = ()
    bug: str = ""
    constants: Mapping[str, Any] = field(default_factory=dict)  # by their dotted names
    clock: float = 0  # seconds by which its clock is wrong


def prepare(environment: Mapping[str, str]) -> None:
    """Has everything imported, in this environment, which every process then has as well."""
    _context.set_forkserver_preload(["__main__", "tests.faults.preload", "tests.faults.processes"])
    single = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with mock.patch.dict(os.environ, {**environment, **single}, clear=True):
        forkserver.ensure_running()


# --- Within the process


def _become(plan: Plan, channel: Connection) -> None:
    with plan.log.open("ab", buffering=0) as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell that runs the tests may have them ignore
    faulthandler.register(signal.SIGUSR1)  # tells the log where each thread is
    from django.conf import settings

    for name, value in plan.settings.items():
        setattr(settings, name, value)
    for name, value in plan.constants.items():
        module, _, constant = name.rpartition(".")
        setattr(importlib.import_module(module), constant, value)
    if plan.clock:
        skew_clock(plan.clock)
    if plan.bug:
        bugs.plant(plan.bug)
    for hook in plan.hooks:
        hook.install()
    sys.exit(_ROLES[plan.role](channel))


def _worker(channel: Connection) -> None:
    from django.core.management import call_command

    from transcripts.management.commands import run_worker

    with mock.patch.object(run_worker, "POLL_SECONDS", 1):
        call_command("run_worker")


def _sweeper(channel: Connection) -> None:
    from django.core.management import call_command

    call_command("sweep", every=SWEEP_SECONDS)


def _sweep(channel: Connection) -> None:
    from django.core.management import call_command

    call_command("sweep")


class _Quiet(simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class _Threaded(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    daemon_threads = True
    request_queue_size = 128


def _api(channel: Connection, server: type[simple_server.WSGIServer] = _Threaded) -> None:
    from ytbackend.wsgi import application

    with simple_server.make_server("127.0.0.1", 0, application, server, _Quiet) as serving:
        channel.send(serving.server_address[1])
        serving.serve_forever(poll_interval=0.05)


def _lambda(channel: Connection) -> None:
    """As Lambda runs it: one request at a time, always in the same thread."""
    _api(channel, simple_server.WSGIServer)


_ROLES: dict[str, Callable[[Connection], None]] = {
    "worker": _worker,
    "sweeper": _sweeper,
    "sweep": _sweep,
    "api": _api,
    "lambda": _lambda,
}


# --- From outside


class Process:
    """A process that has been started from a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._channel, theirs = _context.Pipe()
        self._process = _context.Process(target=_become, args=(plan, theirs), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    @property
    def frozen(self) -> bool:
        """Whether it has been stopped by SIGSTOP, and has not been continued."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
            return state == "T"
        return False

    def log(self) -> str:
        return self.plan.log.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        if self.alive:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self._process.join()

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def terminate(self) -> None:
        self.signal(signal.SIGTERM)

    def exit_code(self, within: float) -> int:
        """Waits for its end."""
        self._process.join(within)
        if self._process.exitcode is None:
            self.signal(signal.SIGUSR1)
            self._process.join(1)
        assert self._process.exitcode is not None, f"{self.plan.role} has not ended within {within} s"
        return self._process.exitcode

    def end(self) -> None:
        """Whatever state it is in, it is gone afterwards."""
        self.kill()
        self._channel.close()
        self._process.close()

    def told(self, within: float = 20) -> Any:
        """What it has sent us."""
        assert self._channel.poll(within), f"{self.plan.role} says nothing"
        return self._channel.recv()


class Answer(NamedTuple):
    """What the API has said."""

    status: int
    body: Any
    headers: Message
    seconds: float


class Api(Process):
    """An API, called over HTTP by users with signed tokens."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._port = self.told()

    @contextlib.contextmanager
    def request(
        self, method: str, path: str, body: Any = None, *, user: str = tokens.ALICE, key: str = "", timeout: float = 60
    ) -> Iterator[http.client.HTTPConnection]:
        """A request that has been sent, and whose answer nobody has read. ``key`` is its ``Idempotency-Key``."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout)
        headers = {"Authorization": f"Bearer {tokens.id_token(user)}", "Content-Type": "application/json"}
        headers |= {"Idempotency-Key": key} if key else {}
        with contextlib.closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            yield connection

    def call(self, method: str, path: str, body: Any = None, *, user: str = tokens.ALICE, key: str = "") -> Answer:
        """A request and its answer. Raises ``OSError`` or ``http.client.HTTPException`` where none comes."""
        begun = time.monotonic()
        with self.request(method, path, body, user=user, key=key) as connection:
            answer = connection.getresponse()
            data = answer.read()
        is_json = "json" in answer.headers.get("Content-Type", "")
        content = json.loads(data) if data and is_json else data
        return Answer(answer.status, content, answer.headers, time.monotonic() - begun)
