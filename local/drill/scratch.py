"""A database, a queue, a bucket and a YouTube of the drill's own, with workers as real processes; gone at its end.

Nothing of a deployment is ever touched: whatever the environment says is put aside before Django reads it, and
``check`` refuses to go on where a setting names something that was not made here.
"""

import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from local.folder import ROOT
from local.mariadb import SERVER, Server
from local.stack import StackError, end_with_parent, free_port
from local.youtube import Site, StandIn
from local.youtube_answers import Track, Video

LEASE_SECONDS = 3
PATIENCE_SECONDS = 60  # for anything to happen that must
_SHORT = {"LEASE_SECONDS": LEASE_SECONDS, "RETRY_BASE_SECONDS": 0, "RESEND_AFTER_SECONDS": 2, "YOUTUBE_RETRIES": 0}


class Clip(Video):
    """A video with captions, for which whoever asks may have to wait: a long job."""

    def __init__(self, number: int) -> None:
        super().__init__(f"Drill{number:06}", title=f"Drill {number}", tracks=(Track("en", [(0, 1000, "Still here")]),))
        self.asked = 0
        self._open = threading.Event()
        self._open.set()
        self.faults = {"watch": self._count, "timedtext": self._wait}

    def hold(self) -> None:
        """From now on, whoever asks for captions waits."""
        self._open.clear()

    def let_go(self) -> None:
        """They get them."""
        self._open.set()

    def _count(self, site: Site) -> bool:
        self.asked += 1
        return False

    def _wait(self, site: Site) -> bool:
        self._open.wait(PATIENCE_SECONDS)
        return False


class Scratch:
    """Everything of a drill, between ``with`` and its end."""

    def __init__(self) -> None:
        self.mark = f"drill-{uuid.uuid4().hex[:12]}"
        self.clips: dict[str, Clip] = {}
        self.database: Server | None = None
        self.environment: dict[str, str] = {}
        self._parts = contextlib.ExitStack()
        self._logs: dict[int, Path] = {}
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Scratch":
        with contextlib.ExitStack() as parts:
            self.folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="drill-")))
            self.youtube = parts.enter_context(StandIn())
            logging.getLogger("werkzeug").setLevel(logging.ERROR)
            self._storage_port = free_port()
            self.storage = self._serve(self._storage_port)
            sqs = self._serve(free_port())
            parts.callback(sqs.stop)
            parts.callback(self._stop_storage)
            host, port = sqs.get_host_and_port()
            self.environment = self._settings(parts, f"http://{host}:{port}")
            os.environ.clear()
            os.environ.update(self.environment)
            self._make(f"http://{host}:{port}")
            parts.enter_context(self.processes_of_its_own())
            self._parts = parts.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        for clip in self.clips.values():
            clip.let_go()
        self._parts.close()

    def _stop_storage(self) -> None:
        self.storage.stop()

    @staticmethod
    def _serve(port: int) -> ThreadedMotoServer:
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
        server.start()
        return server

    def _settings(self, parts: contextlib.ExitStack, aws_url: str) -> dict[str, str]:
        """Nothing that a deployment reads is left of the environment."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        url = f"sqlite:///{self.folder / 'db.sqlite3'}"
        if SERVER is not None:
            port = free_port()
            self.database = parts.enter_context(Server(port=port, options=("--skip-name-resolve",)))
            with contextlib.closing(self.database.connect()) as connection, connection.cursor() as cursor:
                cursor.execute("CREATE DATABASE drill CHARACTER SET utf8mb4")
                cursor.execute("CREATE USER drill@127.0.0.1 IDENTIFIED BY 'drill'")
                cursor.execute("GRANT ALL ON drill.* TO drill@127.0.0.1")
            url = f"mysql://drill:drill@127.0.0.1:{port}/drill"
        return kept | self.youtube.environment() | {name: str(value) for name, value in _SHORT.items()} | {
            "DJANGO_SETTINGS_MODULE": "ytbackend.settings",
            "DJANGO_DEBUG": "true",
            "DATABASE_URL": url,
            "DATA_DIR": str(self.folder),
            "S3_BUCKET": self.mark,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "drill",
            "AWS_SECRET_ACCESS_KEY": "drill",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_SQS": aws_url,
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{self._storage_port}",
            "SQS_QUEUE_URL": f"{aws_url}/123456789012/{self.mark}",
        }  # fmt: skip

    def _make(self, aws_url: str) -> None:
        self.sqs = boto3.client("sqs", region_name="us-east-1", endpoint_url=aws_url)
        dead = self.sqs.create_queue(QueueName=f"{self.mark}-dead")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 10})
        attributes = {"RedrivePolicy": policy, "VisibilityTimeout": str(LEASE_SECONDS)}
        self.queue_url = self.sqs.create_queue(QueueName=self.mark, Attributes=attributes)["QueueUrl"]
        s3 = boto3.client("s3", region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{self._storage_port}")
        s3.create_bucket(Bucket=self.mark)
        s3.close()

    def check(self, settings: Any) -> None:
        """Raises ``StackError`` where Django would work on something that was not made here."""
        database: Mapping[str, Any] = settings.DATABASES["default"]
        names = {
            "SQS_QUEUE_URL": self.mark in settings.SQS_QUEUE_URL and "//127.0.0.1:" in settings.SQS_QUEUE_URL,
            "S3_BUCKET": self.mark == settings.S3_BUCKET,
            "DATABASE_URL": str(self.folder) in str(database["NAME"])
            or (database.get("HOST") == "127.0.0.1" and database.get("USER") == "drill" and self.database is not None),
        }
        wrong = [name for name, is_ours in names.items() if not is_ours]
        if wrong:
            raise StackError(f"{', '.join(wrong)} names something that this drill has not made. Nothing was done.")

    # --- What disasters are made of

    def clip(self) -> Clip:
        """A video on YouTube."""
        clip = Clip(len(self.clips) + 1)
        self.clips[clip.id] = self.youtube.videos[clip.id] = clip
        return clip

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """A command of ``manage.py`` as a process."""
        log = self.folder / f"{len(self._processes):02}-{arguments[0]}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "manage.py", *arguments],
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - no thread of ours holds a lock that it would need
            )
        self._processes.append(process)
        self._logs[process.pid] = log
        return process

    def wait_until_it_says(self, process: "subprocess.Popen[bytes]", words: str) -> None:
        """In its log. Raises ``StackError``."""
        log = self._logs[process.pid]
        wait_for(lambda: words in log.read_text(errors="replace"), f"a process says that {words!r}")

    def end(self, *processes: "subprocess.Popen[bytes]") -> None:
        """At once, whatever state they are in."""
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()

    @contextlib.contextmanager
    def processes_of_its_own(self) -> Iterator[None]:
        """What is started meanwhile does not live longer."""
        before = len(self._processes)
        try:
            yield
        finally:
            self.end(*self._processes[before:])

    @contextlib.contextmanager
    def without_storage(self) -> Iterator[None]:
        """Nobody answers where the bucket was; what lies in it stays."""
        self.storage.stop()
        try:
            yield
        finally:
            self.storage = self._serve(self._storage_port)

    def cut_database(self) -> int:
        """Kills every connection of the service; returns how many. There are none to kill with SQLite."""
        if self.database is None:
            return 0
        with contextlib.closing(self.database.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT id FROM information_schema.processlist WHERE user = 'drill'")
            ids = [row[0] for row in cursor.fetchall()]
            for number in ids:
                with contextlib.suppress(Exception):  # it may have ended by itself
                    cursor.execute(f"KILL {int(number)}")
        return len(ids)

    def messages(self) -> int:
        """In the queue: waiting, in workers' hands, delayed."""
        kinds = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=kinds)["Attributes"]
        return sum(int(found[kind]) for kind in kinds)


def wait_for(condition: Callable[[], object], what: str, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Raises ``StackError`` with ``what`` where it does not come true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise StackError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.1)
