"""A claim while the work goes on: the lease and the message, kept alive beside it."""

import logging
import threading
import time

import pytest
from django.db import OperationalError, connection

from tests import builders
from transcripts.worker.claim import Claim, ClaimLost
from videos import facts, queue, services
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


def test_what_its_threads_log_says_which_video_it_is_about(video, settings):
    settings.SQS_QUEUE_URL = ""  # so each beat of the one towards the queue is a warning
    log = logging.getLogger("transcripts.worker.claim")
    known: list[dict[str, str | int]] = []
    noted = threading.Event()

    class Note(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            known.append(facts.current())
            noted.set()

    log.addHandler(handler := Note())
    with facts.during(video_id=str(video.pk), attempt=1), Claim(video, queue.Message("receipt", "body")):
        came = noted.wait(10)
    log.removeHandler(handler)

    assert (came, known[0]) == (True, {"video_id": str(video.pk), "attempt": 1})


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


# --- how long a worker that is told to stop goes on


@pytest.fixture
def claim(video, settings) -> Claim:
    settings.GRACE_SECONDS = 20
    return Claim(video, queue.Message("receipt", "body"))


@pytest.mark.parametrize("stage", [Video.Stage.METADATA, Video.Stage.CAPTIONS, Video.Stage.STORING])
def test_it_finishes_what_is_a_matter_of_seconds(claim, stage):
    claim.step(stage)

    assert claim.patience() == 20


def test_it_does_not_wait_for_a_download_after_which_the_work_begins(claim):
    claim.step(Video.Stage.AUDIO, 0.99)

    assert claim.patience() == 0


@pytest.mark.parametrize(("taken", "done", "patience"), [(60, 0.5, 0), (60, 0.8, 20), (600, 0.9, 0), (0, 0.0, 0)])
def test_it_listens_to_the_end_only_where_little_is_left(claim, monkeypatch, taken, done, patience):
    began = time.monotonic()
    claim.step(Video.Stage.SPEECH)
    claim.step(Video.Stage.SPEECH, done)
    monkeypatch.setattr(time, "monotonic", lambda: began + taken)

    assert claim.patience() == patience


# --- a database or storage that is down while there is work to lose


def test_it_goes_on_where_it_cannot_tell_how_far_it_is(claim, monkeypatch):
    def lost(*_, **__):
        raise OperationalError(2013, "Lost connection to server during query")

    monkeypatch.setattr(Video, "advance", lost)

    claim.step(Video.Stage.SPEECH, 0.5)

    assert claim.patience() == 20


def test_it_stores_a_file_when_storage_is_back(claim):
    failures = [OSError("down"), OSError("down")]

    def save() -> str:
        if failures:
            raise failures.pop()
        return "a/path"

    assert claim.upload(save) == "a/path"


def test_it_stores_nothing_any_more_when_the_claim_is_lost(claim, video):
    services.delete_video(video)
    with pytest.raises(ClaimLost):
        claim.step(Video.Stage.STORING)

    def save() -> str:
        raise OSError("down")

    with pytest.raises(ClaimLost):
        claim.upload(save)


def test_it_gives_storage_up_after_a_while(claim, settings):
    settings.PATIENCE_SECONDS = 1

    def save() -> str:
        raise OSError("down")

    with pytest.raises(OSError, match="down"):
        claim.upload(save)
