"""The queue, against a real SQS protocol."""

import json
import socket
import time
from contextlib import ExitStack

import pytest

from tests import builders
from videos import queue

pytestmark = pytest.mark.django_db


def test_it_carries_three_strings_and_nothing_else(sqs):
    video = builders.queued()

    queue.send(video)

    body = json.loads(queue.receive(wait_seconds=0).body)
    assert body == {"video_id": str(video.pk), "url": video.url, "user_id": video.user_id}


def test_it_gives_none_when_nothing_is_there(sqs):
    assert queue.receive(wait_seconds=0) is None


def test_it_hides_a_received_message_from_others(sqs):
    queue.send(builders.queued())
    queue.receive(wait_seconds=0)

    assert queue.receive(wait_seconds=0) is None


def test_it_gives_a_message_back_at_once(sqs):
    queue.send(builders.queued())
    message = queue.receive(wait_seconds=0)

    queue.extend(message, 0)

    assert queue.receive(wait_seconds=0).body == message.body


def test_it_forgets_a_deleted_message(sqs, settings):
    queue.send(builders.queued())
    message = queue.receive(wait_seconds=0)

    queue.delete(message)

    left = sqs.get_queue_attributes(QueueUrl=settings.SQS_QUEUE_URL, AttributeNames=["All"])["Attributes"]
    assert left["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_it_delays_a_message(sqs):
    queue.send(builders.queued(), delay=60)

    assert queue.receive(wait_seconds=0) is None


@pytest.mark.parametrize(
    "body", ["", "x", "[]", "null", "7", "{}", '{"video_id": "1"}', '{"video_id": 7}', "[" * 9000, '{"video_id": null}']
)
def test_it_finds_no_video_in_a_body_that_is_not_ours(body):
    assert queue.Message("receipt", body).video_id is None


def test_it_says_so_when_no_queue_is_configured(settings):
    settings.SQS_QUEUE_URL = ""

    with pytest.raises(queue.QueueUnavailable, match="SQS_QUEUE_URL"):
        queue.send(builders.queued())


def test_it_says_so_when_the_queue_does_not_exist(sqs, settings):
    settings.SQS_QUEUE_URL += "-gone"

    with pytest.raises(queue.QueueUnavailable, match="send_message"):
        queue.send(builders.queued())


def test_it_gives_up_soon_when_nobody_answers(silent_queue):
    video = builders.queued()
    began = time.monotonic()

    with pytest.raises(queue.QueueUnavailable):
        queue.send(video)

    assert time.monotonic() - began < 5


def test_it_gives_up_soon_when_nobody_takes_the_call(settings, monkeypatch):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as far_side, ExitStack() as callers:
        for _ in range(3):  # they are all that it takes
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(far_side.getsockname())
        address = f"http://127.0.0.1:{far_side.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        settings.SQS_QUEUE_URL = f"{address}/1/q"
        queue._client.cache_clear()
        began = time.monotonic()

        with pytest.raises(queue.QueueUnavailable, match="Connect timeout"):
            queue.send(builders.queued())
        queue._client.cache_clear()

        assert time.monotonic() - began < 5
