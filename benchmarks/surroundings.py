"""What a stack needs around it: MariaDB over TCP with rows in it, a queue on loopback, and signed tokens."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import boto3
from cryptography.hazmat.primitives.asymmetric import rsa

from local.cognito import CLIENT_ID, ISSUER, POOL_ID, Pool
from local.mariadb import Server
from local.stack import free_port

REGION = "us-east-1"


class Surroundings(NamedTuple):
    """``environment`` is what a function gets; ``pool`` makes tokens that all of them take."""

    environment: dict[str, str]
    pool: Pool
    server: Server
    database_url: str
    queue_url: str


@contextmanager
def surroundings() -> Iterator[Surroundings]:
    """Between ``with`` and its end. The tables are migrated and empty."""
    port, aws_port = free_port(), free_port()
    queue = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.queue_server", str(aws_port), os.devnull],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with Server(port=port) as server:
            database_url = f"mysql://bench:bench@127.0.0.1:{port}/transcripts"
            with server.connect() as connection, connection.cursor() as cursor:
                cursor.execute("CREATE DATABASE transcripts CHARACTER SET utf8mb4")
                cursor.execute("CREATE USER bench@'%' IDENTIFIED BY 'bench'")
                cursor.execute("GRANT ALL ON *.* TO bench@'%'")
            pool = Pool(rsa.generate_private_key(public_exponent=65537, key_size=2048))
            endpoint = f"http://127.0.0.1:{aws_port}"
            queue_url = _queue(endpoint)
            environment = {
                "DJANGO_SECRET_KEY": "invented-for-a-measurement-and-never-used-again",
                "DJANGO_ALLOWED_HOSTS": ".execute-api.us-east-1.amazonaws.com",
                "DATABASE_URL": database_url,
                "AWS_REGION": REGION,
                "AWS_ACCESS_KEY_ID": "testing",
                "AWS_SECRET_ACCESS_KEY": "testing",
                "AWS_SESSION_TOKEN": "testing",
                "AWS_ENDPOINT_URL": endpoint,
                "SQS_QUEUE_URL": queue_url,
                "S3_BUCKET": "nowhere",
                "COGNITO_USER_POOL_ID": POOL_ID,
                "COGNITO_CLIENT_IDS": CLIENT_ID,
                "COGNITO_ISSUER": ISSUER,
                "COGNITO_JWKS": pool.jwks(),
                "QUOTA_SUBMISSIONS_PER_DAY": "1000000",
                "QUOTA_VIDEOS": "1000000",
                "METRICS": "emf",
            }
            subprocess.run(
                [sys.executable, "manage.py", "migrate", "--verbosity=0"], check=True, env=os.environ | environment
            )
            yield Surroundings(environment, pool, server, database_url, queue_url)
    finally:
        queue.kill()
        queue.wait()


def _queue(endpoint: str) -> str:
    key = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    client: Any = boto3.client("sqs", endpoint_url=endpoint, region_name=REGION, **key)
    for _ in range(200):
        try:
            return str(client.create_queue(QueueName="jobs")["QueueUrl"])
        except Exception as error:  # noqa: BLE001 - whatever there is until it answers
            last = error
            time.sleep(0.1)
    sys.exit(f"The queue's stand-in does not answer: {last}")
