"""The people, the queue and the far side of the network that tests share."""

import importlib
import json
import logging
import signal
import socket
import uuid
from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer
from rest_framework.test import APIClient

from local import speech_model
from local.youtube import StandIn, sample_videos
from tests import tokens
from transcripts.worker import speech
from videos import queue as video_queue


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database-only", action="store_true", help="Only the tests that touch the database.")
    parser.addoption("--faults", action="store_true", help="Only the tests that kill processes and cut connections.")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--faults"):  # tests/run.sh ends it so, and its servers and workers are to end with it
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    faults = config.getoption("--faults")
    wanted = [item for item in items if bool(item.get_closest_marker("faults")) == faults]
    if config.getoption("--database-only"):
        wanted = [item for item in wanted if item.get_closest_marker("django_db")]
    config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
    items[:] = wanted


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


@pytest.fixture
def bucket(aws, settings) -> str:
    """Files in S3, in a bucket of the test's own; gives its name."""
    importlib.import_module("ytbackend.urls")  # other tests need the addresses that there are without a bucket
    name = f"b-{uuid.uuid4()}"
    s3 = boto3.client("s3", region_name="us-east-1", endpoint_url=aws)
    s3.create_bucket(Bucket=name)
    s3.close()
    settings.S3_BUCKET = name
    options = {"bucket_name": name, "region_name": "us-east-1", "querystring_expire": 300, "signature_version": "s3v4"}
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": "videos.s3.BoundedS3Storage", "OPTIONS": options}}
    return name


@pytest.fixture
def silent_queue(settings, monkeypatch) -> Iterator[None]:
    """A queue whose far side takes every connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as far_side:
        address = f"http://127.0.0.1:{far_side.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        settings.SQS_QUEUE_URL = f"{address}/1/q"
        video_queue._client.cache_clear()
        yield
    video_queue._client.cache_clear()


def messages(sqs, settings) -> list[dict[str, str]]:
    """Takes every message out of the queue."""
    found = []
    while batch := sqs.receive_message(QueueUrl=settings.SQS_QUEUE_URL, MaxNumberOfMessages=10).get("Messages"):
        for message in batch:
            found.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=settings.SQS_QUEUE_URL, ReceiptHandle=message["ReceiptHandle"])
    return found


@pytest.fixture
def stand_in(settings, monkeypatch) -> Iterator[StandIn]:
    """YouTube, as far as yt-dlp can tell, with the two sample videos; fails the test if anything else is asked."""
    with StandIn(sample_videos()) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        settings.YOUTUBE_PROXY_URL = running.proxy_url
        settings.YOUTUBE_RETRIES = 0
        yield running
    assert running.leaks == []


@pytest.fixture(scope="session")
def _small_model() -> str:
    return str(speech_model.folder())


@pytest.fixture
def small_model(settings, _small_model) -> None:
    """The real speech engine with the small model, loaded once for all tests."""
    settings.SPEECH_MODEL = _small_model
    speech.engine()


@pytest.fixture
def _signals() -> Iterator[None]:
    """Gives the process its signal handlers back, which a worker takes over."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
