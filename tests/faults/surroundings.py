"""What all tests of this package share: MariaDB, SQS, S3 and YouTube, and the proxies that lead to them."""

import contextlib
import os
import runpy
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from unittest import mock

import boto3
from django.core.management import call_command
from django.db import connections

from local.mariadb import Server
from local.youtube import StandIn
from tests import tokens
from tests.faults import processes
from tests.faults.proxy import Proxy

BUCKET = "faults"
TIMES = {
    "WORKER_JOBS": 3,
    "LEASE_SECONDS": 3,
    "RETRY_BASE_SECONDS": 1,
    "RESEND_AFTER_SECONDS": 2,
    "MAX_ATTEMPTS": 3,
    "YOUTUBE_RETRIES": 0,
    "QUOTA_SUBMISSIONS_PER_DAY": 0,  # but for the rows that are about it
}


@dataclass(frozen=True)
class Surroundings:
    """The test itself reaches everything directly; the processes that it starts go through the proxies."""

    server: Server
    youtube: StandIn
    aws_url: str
    database: Proxy
    queue: Proxy
    storage: Proxy

    @property
    def proxies(self) -> tuple[Proxy, ...]:
        return self.database, self.queue, self.storage


@contextlib.contextmanager
def surroundings(aws_url: str) -> Iterator[Surroundings]:
    """Starts it all. The default database of this process is MariaDB from here to the end."""
    port = _free_port()
    aws_port = int(aws_url.rpartition(":")[2])
    with (
        Server(port=port, options=("--skip-name-resolve",)) as server,
        _default_database(server.url),
        Proxy(("127.0.0.1", port)) as database,
        Proxy(("127.0.0.1", aws_port)) as queue,
        Proxy(("127.0.0.1", aws_port)) as storage,
        StandIn() as youtube,
    ):
        _create(server)
        s3 = boto3.client("s3", region_name="us-east-1", endpoint_url=aws_url)
        s3.create_bucket(Bucket=BUCKET)
        s3.close()
        processes.prepare(os.environ | _environment(youtube, database, queue, storage))
        yield Surroundings(server, youtube, aws_url, database, queue, storage)


def _environment(youtube: StandIn, database: Proxy, queue: Proxy, storage: Proxy) -> Mapping[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "ytbackend.settings",
        "DATABASE_URL": f"mysql://app:app@{database.address}/transcripts",
        "AWS_ENDPOINT_URL_SQS": f"http://{queue.address}",
        "AWS_ENDPOINT_URL_S3": f"http://{storage.address}",
        "S3_BUCKET": BUCKET,
        "COGNITO_JWKS": tokens.key_set(),
        "LOG_LEVEL": "INFO",
        **youtube.environment(),
        **{name: str(value) for name, value in TIMES.items()},
    }


def _create(server: Server) -> None:
    """The schema, and a user without root's privileges, which no limit holds back."""
    with contextlib.closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE transcripts CHARACTER SET utf8mb4")
        cursor.execute("CREATE USER app@127.0.0.1 IDENTIFIED BY 'app'")
        cursor.execute("GRANT ALL ON transcripts.* TO app@127.0.0.1")
    call_command("migrate", verbosity=0)


@contextlib.contextmanager
def _default_database(url: str) -> Iterator[None]:
    """Django's, in this process: with the options that the project's own settings give MySQL."""
    with mock.patch.dict(os.environ, {"DATABASE_URL": url}):
        databases = runpy.run_path(str(processes.ROOT / "ytbackend/settings.py"))["DATABASES"]
    before = connections.settings["default"]
    connections["default"].close()
    connections.settings["default"] = connections.configure_settings(databases)["default"]
    del connections["default"]
    try:
        yield
    finally:
        connections["default"].close()
        connections.settings["default"] = before
        del connections["default"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
