"""A claim while the work goes on: the lease and the message, kept alive beside it."""

import time

import pytest
from django.db import connection

from tests import builders
from transcripts.worker.claim import Claim
from videos import queue, services
from videos.models import Video

pytestmark = pytest.mark.django_db(transaction=True)

# That time passes is the very thing under test: more of it than LEASE_SECONDS.
LEASE_SECONDS = 2
LONGER = 2.5


@pytest.fixture
def video(settings) -> Video:
    settings.LEASE_SECONDS = LEASE_SECONDS
    return builders.processing()


@pytest.fixture
def message(sqs, video) -> queue.Message:
    queue.send(video)
    received = queue.receive(wait_seconds=0)
    assert received is not None
    return received


def test_it_hides_the_message_for_as_long_as_the_work_lasts(video, message):
    with Claim(video, message):
        time.sleep(LONGER)

        assert queue.receive(wait_seconds=0) is None


def test_it_keeps_the_lease_while_the_queue_hangs(video, silent_queue):
    with Claim(video, queue.Message("receipt", "body")):
        time.sleep(LONGER)

        assert services.claim_video(video.pk) is None


def connections() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()")
        return [row[0] for row in cursor.fetchall()]


@pytest.mark.skipif(connection.vendor != "mysql", reason="SQLite has no connection that somebody else could end")
def test_it_keeps_the_lease_when_its_connection_is_lost(video, message):
    with Claim(video, message):
        end = time.monotonic() + 10
        while not (beating := connections()):
            assert time.monotonic() < end, "no heartbeat has come"
            time.sleep(0.05)
        with connection.cursor() as cursor:
            for number in beating:
                cursor.execute("KILL %s", [number])
        time.sleep(LONGER)

        assert services.claim_video(video.pk) is None
