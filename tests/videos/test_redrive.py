"""``manage.py redrive`` and ``manage.py queue``."""

import json
import uuid

import pytest
from django.core.management import CommandError, call_command

from tests import builders
from tests.conftest import messages
from videos import queue
from videos.models import Breaker, Video

pytestmark = pytest.mark.django_db


@pytest.fixture
def dead(sqs, settings):
    """The URL of the dead-letter queue of the test's queue."""
    url = sqs.create_queue(QueueName=f"dead-{uuid.uuid4()}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 10})
    sqs.set_queue_attributes(QueueUrl=settings.SQS_QUEUE_URL, Attributes={"RedrivePolicy": policy})
    return url


def bury(sqs, url: str, *bodies: str) -> None:
    for body in bodies:
        sqs.send_message(QueueUrl=url, MessageBody=body)


def bodies(sqs, url: str) -> list[str]:
    """What the next who looks would see."""
    return sorted(message.body for message in queue.receive_dead(url))


# --- redrive


def test_it_only_looks_and_explains(sqs, dead, capsys):
    bury(sqs, dead, queue.body(builders.failed()), "hello\x1b[2J")

    call_command("redrive")

    said = capsys.readouterr().out
    assert "there is nothing left to do" in said
    assert "the body is not ours: hello�[2J" in said
    assert len(bodies(sqs, dead)) == 2


def test_it_sends_again_what_waits_clears_what_has_ended_and_leaves_what_is_not_ours(sqs, dead, settings, capsys):
    waits = builders.queued()
    waits.sent()
    bury(sqs, dead, queue.body(waits), queue.body(builders.failed()), queue.body(builders.processing()), "hello")

    call_command("redrive", "--send", "--json")

    assert [message["video_id"] for message in messages(sqs, settings)] == [str(waits.pk)]
    assert bodies(sqs, dead) == ["hello"]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1]["summary"] == {"sent": 1, "cleared": 2, "left": 1}


def test_dropping_loses_no_video(sqs, dead):
    waits = builders.queued()
    waits.sent()
    bury(sqs, dead, queue.body(waits), "hello")

    call_command("redrive", "--drop", "--yes")

    assert bodies(sqs, dead) == []
    assert Video.objects.unsent(resend_after=3600).get() == waits


@pytest.mark.parametrize("option", ["--send", "--drop"])
def test_a_dry_run_changes_nothing(sqs, dead, option):
    bury(sqs, dead, queue.body(builders.failed()))

    call_command("redrive", option, "--dry-run")

    assert len(bodies(sqs, dead)) == 1


def test_foreign_letters_can_be_dropped_alone(sqs, dead):
    ours = queue.body(builders.queued())
    bury(sqs, dead, ours, "hello")

    call_command("redrive", "--drop", "--foreign", "--yes")

    assert bodies(sqs, dead) == [ours]


def test_nothing_is_dropped_unasked(sqs, dead):
    bury(sqs, dead, "hello")

    with pytest.raises(CommandError, match="add --yes") as error:
        call_command("redrive", "--drop")

    assert error.value.returncode == 2
    assert bodies(sqs, dead) == ["hello"]


@pytest.mark.parametrize("command", ["queue", "redrive"])
def test_a_queue_that_is_down_is_said_so(settings, command):
    settings.SQS_QUEUE_URL = ""

    with pytest.raises(CommandError, match="SQS_QUEUE_URL") as error:
        call_command(command)

    assert error.value.returncode == 1


def test_a_queue_without_dead_letters_is_told_how_to_get_one(sqs):
    with pytest.raises(CommandError, match="redrive policy"):
        call_command("redrive")


# --- queue


def test_it_tells_messages_beside_rows(sqs, dead, capsys):
    builders.queued().sent()
    builders.queued()
    builders.processing()
    Breaker.objects.youtube().failed("source_refused")
    for _ in range(2):
        queue.send(builders.failed())
    queue.receive(wait_seconds=0)
    bury(sqs, dead, "hello")

    call_command("queue", "--json")

    told = json.loads(capsys.readouterr().out)
    assert told["messages"] == {"waiting": 1, "in_flight": 1, "delayed": 0}
    assert (told["dead"], told["queued"], told["unsent"], told["processing"], told["abandoned"]) == (1, 2, 1, 1, 0)
    assert told["oldest"]


def test_it_says_what_to_do(sqs, dead, capsys):
    builders.queued()
    bury(sqs, dead, "hello")
    for _ in range(3):
        Breaker.objects.youtube().failed("source_refused")

    call_command("queue")

    said = capsys.readouterr().out
    for command in ("redrive", "sweep", "check_youtube"):
        assert f"manage.py {command}" in said
