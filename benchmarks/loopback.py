"""What benchmarks measure against: MariaDB over TCP, SQS in a process of its own, and this program's API."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from local.cognito import CLIENT_ID, JWKS_FILE, POOL_ID, Pool, pool_in
from local.mariadb import Server
from local.stack import end_with_parent, free_port

SENT = "sent"  # a file, see benchmarks.queue_server
# What a db.t4g.small has, and room for much to be written at once.
MEMORY = ("--innodb-buffer-pool-size=1G", "--innodb-log-file-size=1G")


class Loopback(NamedTuple):
    """Between ``with`` and its end. ``environment`` is what processes need to take it for their world."""

    server: Server
    pool: Pool
    aws_url: str
    folder: Path
    environment: dict[str, str]

    def token(self, sub: str) -> str:
        """An ID token of this user."""
        return self.pool.issue(sub, f"{sub}@example.com", "id", lifetime_s=86_400)

    def sent(self) -> Counter[str]:
        """How often the queue has taken a message for each video."""
        lines = (self.folder / SENT).read_text("utf-8").splitlines()
        return Counter(json.loads(line)["video_id"] for line in lines)


@contextlib.contextmanager
def loopback(**settings: str) -> Iterator[Loopback]:
    """Starts it all, migrates, and sets Django up in this process. Once a process."""
    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        Server(port=port, options=("--skip-name-resolve", *MEMORY)) as server,
        _moto(Path(name, SENT)) as aws_url,
    ):
        folder = Path(name)
        with contextlib.closing(server.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE transcripts CHARACTER SET utf8mb4")
            cursor.execute("CREATE USER app@127.0.0.1 IDENTIFIED BY 'app'")
            cursor.execute("GRANT ALL ON transcripts.* TO app@127.0.0.1")
        pool = pool_in(folder)
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "ytbackend.settings",
            "DJANGO_SECRET_KEY": "invented-for-a-measurement",
            "DJANGO_DEBUG": "false",
            "DJANGO_ALLOWED_HOSTS": "*",
            "DATABASE_URL": f"mysql://app:app@127.0.0.1:{port}/transcripts",
            "DATA_DIR": name,
            "S3_BUCKET": "",
            "AWS_ENDPOINT_URL": aws_url,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
            "COGNITO_USER_POOL_ID": POOL_ID,
            "COGNITO_CLIENT_IDS": CLIENT_ID,
            "COGNITO_JWKS": str(folder / JWKS_FILE),
            "LOG_LEVEL": "ERROR",
            "LOG_FORMAT": "text",
            "METRICS": "",
        } | settings
        os.environ["SQS_QUEUE_URL"] = create_queue("jobs")
        import django
        from django.core.management import call_command
        from django.db import connection as ours

        django.setup()
        call_command("migrate", verbosity=0)
        try:
            yield Loopback(server, pool, aws_url, folder, dict(os.environ))
        finally:
            ours.close()


def create_queue(name: str) -> str:
    """A queue; returns its URL."""
    url: str = sqs().create_queue(QueueName=name)["QueueUrl"]
    return url


def sqs() -> Any:
    """A client, bare."""
    import boto3

    return boto3.client("sqs")


def cpu_seconds(pid: int) -> float:
    """All threads' time on a processor, of those that live; finer than the clock ticks of /proc/PID/stat."""
    spent = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):  # it has just ended
            spent += int(thread.read_text().split()[0])
    return spent / 1e9


@contextlib.contextmanager
def started(command: list[str], environment: dict[str, str], port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that serves HTTP on a port of loopback, from when it answers until the end."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": None if os.environ.get("BENCH_LOG") else subprocess.DEVNULL}
    process = subprocess.Popen(
        command,
        env=environment,
        preexec_fn=end_with_parent,  # noqa: PLW1509 - no thread of ours holds a lock that it would need
        **quiet,  # type: ignore[call-overload]
    )
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as one:
                one.request("GET", "/health")
                one.getresponse().read()
                break
            if process.poll() is not None:
                sys.exit(f"{' '.join(command)} ended by itself.")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def _moto(sent: Path) -> Iterator[str]:
    """SQS, not in our process: what it costs must not be taken for ours."""
    port = free_port()
    with started([sys.executable, "-m", "benchmarks.queue_server", str(port), str(sent)], dict(os.environ), port):
        yield f"http://127.0.0.1:{port}"
