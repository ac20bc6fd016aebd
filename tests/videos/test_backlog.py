"""``manage.py queue``: what there is to do."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests import builders
from videos import backlog
from videos.models import Breaker, Video

pytestmark = pytest.mark.django_db


def test_what_waited_for_its_retry_waits_only_since_then(sqs):
    due = timezone.now() - timedelta(minutes=5)
    builders.queued()
    Video.objects.update(requested_at=due - timedelta(hours=2), retry_at=due)

    assert backlog.look().oldest == due


def test_what_may_not_begin_yet_is_not_the_oldest(sqs):
    builders.queued()
    Video.objects.update(retry_at=timezone.now() + timedelta(hours=1))

    found = backlog.look()

    assert (found.queued, found.waiting_for_retry, found.oldest) == (1, 1, None)


def test_it_says_what_to_do_where_nobody_works_and_youtube_refuses(sqs, capsys):
    builders.queued()
    Video.objects.update(requested_at=timezone.now() - timedelta(hours=2))
    call_command("queue")
    nobody_works = capsys.readouterr()
    for _ in range(3):
        Breaker.objects.youtube().failed("source_refused")
    call_command("queue")
    refused = capsys.readouterr()

    assert "could have begun" in nobody_works.out + nobody_works.err
    assert "Is a worker running?" in nobody_works.out + nobody_works.err
    assert "check_youtube" in refused.out + refused.err


def test_a_queue_that_does_not_answer_is_told_and_fails(settings, capsys):
    settings.SQS_QUEUE_URL = ""

    with pytest.raises(CommandError, match=r"manage\.py doctor"):
        call_command("queue")

    assert "queued" in capsys.readouterr().out
