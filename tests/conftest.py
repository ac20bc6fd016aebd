"""The people, the queue and the far side of the network that tests share."""

import json
import logging
import uuid
from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer
from rest_framework.test import APIClient

from tests import tokens
from videos import queue as video_queue


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database-only", action="store_true", help="Only the tests that touch the database.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--database-only"):
        return
    touching = [item for item in items if item.get_closest_marker("django_db")]
    config.hook.pytest_deselected(items=[item for item in items if item not in touching])
    items[:] = touching


def client_of(sub: str, email: str) -> APIClient:
    client = APIClient()
    client.default_format = "json"
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.id_token(sub, email=email)}")
    return client


@pytest.fixture(autouse=True)
def _cognito(settings) -> None:
    settings.COGNITO_JWKS = tokens.key_set()


@pytest.fixture
def alice() -> APIClient:
    """Who owns what the test is about."""
    return client_of(tokens.ALICE, "alice@example.com")


@pytest.fixture
def bob() -> APIClient:
    """Another user, with things of his own."""
    return client_of(tokens.BOB, "bob@example.com")


@pytest.fixture
def charlie() -> APIClient:
    """Nobody has ever seen him."""
    return client_of(tokens.CHARLIE, "charlie@example.com")


@pytest.fixture
def stranger() -> APIClient:
    """Has no token."""
    return APIClient()


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    """SQS, S3 and Cognito on loopback, over HTTP; gives the address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # no line for each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    patch = pytest.MonkeyPatch()
    patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    yield f"http://{host}:{port}"
    patch.undo()
    server.stop()


@pytest.fixture
def sqs(aws, settings):
    """A queue of the test's own, and a client to look into it."""
    client = boto3.client("sqs", region_name="us-east-1", endpoint_url=aws)
    settings.SQS_QUEUE_URL = client.create_queue(QueueName=f"q-{uuid.uuid4()}")["QueueUrl"]
    video_queue._client.cache_clear()
    yield client
    client.close()


def messages(sqs, settings) -> list[dict[str, str]]:
    """Takes every message out of the queue."""
    found = []
    while batch := sqs.receive_message(QueueUrl=settings.SQS_QUEUE_URL, MaxNumberOfMessages=10).get("Messages"):
        for message in batch:
            found.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=settings.SQS_QUEUE_URL, ReceiptHandle=message["ReceiptHandle"])
    return found
