"""The embedded stack: the project's own API and worker as processes, with stand-ins for what AWS and YouTube are."""

import contextlib
import ctypes
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from moto.server import ThreadedMotoServer

from local import cognito, sign_in, speech_model, youtube
from local.folder import ROOT, Taken, alone_in, kept_secret, settings_in

QUEUE = "transcripts"
_LIBC = ctypes.CDLL(None)  # loaded here: between fork and exec nothing should be
MAX_RECEIVES = 10  # of a message, before it is a dead letter


class StackError(Exception):
    """The stack cannot run; the text says why, and what to do."""


class Child(NamedTuple):
    """A process of the stack."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path | None


class Stack:
    """Everything that the main job needs, between ``with`` and its end; all data lies below ``folder``."""

    def __init__(self, folder: Path, *, port: int = 0, sample: bool = True) -> None:
        if port and not _is_free(port):
            raise StackError(f"Port {port} is taken. Choose another one: PORT={port + 1} make run")
        self.folder = folder
        self.pool = cognito.pool_in(folder / "cognito")
        self.api_url = f"http://127.0.0.1:{port or free_port()}"
        self._sample = sample
        self._children: list[Child] = []
        self._parts = contextlib.ExitStack()
        self.environment: dict[str, str] = {}

    def __enter__(self) -> "Stack":
        with self._parts as parts:
            try:
                parts.enter_context(alone_in(self.folder))
            except Taken:
                raise StackError(
                    f"Another stack is running on {self.folder}. Stop it first, or set DATA_DIR."
                ) from None
            aws_url = parts.enter_context(_aws())
            sign_in_url = parts.enter_context(sign_in.sign_in_page(self.pool))
            settings = {
                "DJANGO_SETTINGS_MODULE": "ytbackend.settings",
                "DJANGO_DEBUG": "true",
                "DJANGO_SECRET_KEY": kept_secret(self.folder / "django-secret-key"),
                "DATA_DIR": str(self.folder),
                "DATABASE_URL": f"sqlite:///{self.folder / 'db.sqlite3'}",
                "S3_BUCKET": "",
                "AWS_ENDPOINT_URL": aws_url,
                "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "embedded",
                "AWS_SECRET_ACCESS_KEY": "embedded",
                "SQS_QUEUE_URL": _create_queue(aws_url),
                "COGNITO_USER_POOL_ID": cognito.POOL_ID,
                "COGNITO_CLIENT_IDS": cognito.CLIENT_ID,
                "COGNITO_JWKS": str(self.folder / "cognito" / cognito.JWKS_FILE),
                "COGNITO_DOMAIN": sign_in_url,
                "LEASE_SECONDS": os.environ.get("LEASE_SECONDS") or "15",  # a killed worker is missed soon
                "SPEECH_MODEL": os.environ.get("SPEECH_MODEL") or str(_named_model(self.folder)),
            }
            if self._sample:
                stand_in = parts.enter_context(youtube.StandIn(youtube.sample_videos()))
                settings |= stand_in.environment()
            self.environment = os.environ | settings
            parts.callback(self._end_children)
            self.manage("migrate", "--verbosity=0")
            parts.enter_context(settings_in(self.folder, settings))
            self._parts = parts.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._parts.close()

    def token(self) -> str:
        """An ID token of the stack's only user, valid for a day."""
        return self.pool.issue(cognito.USER_SUB, cognito.USER_EMAIL, token_use="id", lifetime_s=86_400)

    def manage(self, *arguments: str) -> None:
        """Runs a command of ``manage.py`` to its end. Raises ``StackError``."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StackError(f"manage.py {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")

    def start(self, name: str, *arguments: str, log: bool) -> None:
        """Starts a command of ``manage.py``; with ``log`` its output goes to a file, else to the terminal."""
        path = self.folder / f"{name}.log" if log else None
        with path.open("wb") if path else contextlib.nullcontext() as output:
            process = subprocess.Popen(
                [sys.executable, "manage.py", *arguments],
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for us; we then end the children, each once
                preexec_fn=end_with_parent,  # noqa: PLW1509 - no thread of ours holds a lock that it would need
            )
        self._children.append(Child(name, process, path))

    def check_children(self) -> None:
        """Raises ``StackError`` if one has ended by itself."""
        for child in self._children:
            if child.process.poll() is not None:
                raise StackError(_obituary(child))

    def wait_for_api(self) -> None:
        """Returns when the API answers. Raises ``StackError``."""
        for _ in range(300):
            self.check_children()
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.api_url}/health", timeout=1):  # noqa: S310
                return
            time.sleep(0.1)
        raise StackError(f"The API does not answer at {self.api_url}.")

    def _end_children(self) -> None:
        for child in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGTERM)
        for child in self._children:
            try:
                child.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(child.process.pid, signal.SIGKILL)
                child.process.wait()


def end_with_parent() -> None:
    """Asks Linux to end this child when the stack is killed (https://man7.org/linux/man-pages/man2/prctl.2.html)."""
    if sys.platform == "linux":
        _LIBC.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _obituary(child: Child) -> str:
    code = child.process.returncode
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"has ended by itself with exit code {code}"
    last = f" It wrote last:\n{child.log.read_text(errors='replace')[-2000:]}" if child.log else ""
    return f"The {child.name} {how}. Start again: what it had in hand goes on when its lease has run out.{last}"


def youtube_is_reachable() -> bool:
    """Whether a connection to YouTube, or to the configured proxy, comes about within three seconds."""
    proxy = urlsplit(os.environ.get("YOUTUBE_PROXY_URL", ""))
    address = (proxy.hostname, proxy.port or 80) if proxy.hostname else ("www.youtube.com", 443)
    try:
        with socket.create_connection(address, timeout=3):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def _aws() -> Iterator[str]:
    """SQS in this process; it forgets everything at the end, and the rows of the database send it again."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # no line for each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def _named_model(folder: Path) -> Path:
    """The small model under the name that transcripts shall give as theirs."""
    link = folder / "models" / "whisper-tiny.en"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(speech_model.folder())
    return link


def _create_queue(aws_url: str) -> str:
    """The queue, and the one where SQS puts what was received too often."""
    import boto3

    credentials = {"aws_access_key_id": "embedded", "aws_secret_access_key": "embedded"}
    sqs = boto3.client("sqs", region_name="us-east-1", endpoint_url=aws_url, **credentials)
    dead = sqs.create_queue(QueueName=f"{QUEUE}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES})
    url: str = sqs.create_queue(QueueName=QUEUE, Attributes={"RedrivePolicy": policy})["QueueUrl"]
    return url


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does, after a restart
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
