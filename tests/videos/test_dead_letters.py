"""What was received too often."""

import json
import uuid

import pytest

from tests import builders
from tests.conftest import messages
from videos import dead_letters, queue, sweeping
from videos.deadline import Deadline
from videos.models import Video

pytestmark = pytest.mark.django_db


@pytest.fixture
def dead(sqs, settings):
    """The dead-letter queue of the test's queue; gives a way to put something into it."""
    url = sqs.create_queue(QueueName=f"dead-{uuid.uuid4()}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 10})
    sqs.set_queue_attributes(QueueUrl=settings.SQS_QUEUE_URL, Attributes={"RedrivePolicy": policy})

    class DeadLetters:
        def put(self, body: str) -> None:
            sqs.send_message(QueueUrl=url, MessageBody=body)

        def count(self) -> int:
            found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            return sum(int(found[f"ApproximateNumberOfMessages{kind}"]) for kind in ("", "NotVisible"))

    return DeadLetters()


@pytest.mark.parametrize("state", ["queued", "processing", "completed", "failed"])
def test_it_clears_away_a_letter_of_ours_and_says_why_it_was_there(dead, caplog, state):
    dead.put(queue.body(getattr(builders, state)()))

    assert dead_letters.settle(Deadline()) == 1
    assert dead.count() == 0
    assert state in caplog.text


def test_it_clears_away_a_letter_whose_video_is_gone(dead, caplog):
    dead.put(json.dumps({"video_id": str(uuid.uuid4()), "url": "", "user_id": ""}))

    assert dead_letters.settle(Deadline()) == 1
    assert dead.count() == 0
    assert "unknown" in caplog.text


@pytest.mark.parametrize("body", ["hello", "[]", '{"video_id": 7}', "x" * 100_000])
def test_it_leaves_a_letter_that_is_not_ours_to_somebody(dead, caplog, body):
    dead.put(body)

    assert dead_letters.settle(Deadline()) == 0
    assert dead.count() == 1
    assert "not ours" in caplog.text


def test_a_video_that_still_wants_work_gets_a_new_message(dead, sqs, settings):
    video = builders.queued()
    video.sent()
    dead.put(queue.body(video))

    sweeping.sweep()
    sweeping.sweep()

    assert [message["video_id"] for message in messages(sqs, settings)] == [str(video.pk)]


def test_a_video_in_work_is_left_to_its_worker(dead):
    video = builders.processing()
    dead.put(queue.body(video))

    dead_letters.settle(Deadline())

    assert Video.objects.values().get(pk=video.pk)["status"] == "processing"


def test_letters_of_others_hide_none_of_ours(dead):
    for _ in range(25):
        dead.put("hello")
    dead.put(queue.body(builders.failed()))

    assert dead_letters.settle(Deadline()) == 1


def test_a_queue_without_a_redrive_policy_has_none(sqs):

    assert dead_letters.settle(Deadline()) == 0


def test_a_queue_that_is_down_does_not_end_the_sweep(settings):
    settings.SQS_QUEUE_URL = ""

    assert sweeping.sweep().dead_letters == 0
