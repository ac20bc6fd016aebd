"""The worker as a whole: from a message in the queue to a transcript, and whatever else may become of it."""

import json
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as project
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models.functions import Now
from django.db.models.signals import post_save
from django.utils import timezone

from local.youtube import Video as Clip
from tests import builders, sounds
from tests.wer import word_error_rate
from tests.youtube_scenarios import answers, needs_javascript, refused
from transcripts.models import Transcript
from transcripts.worker import errors, loop
from videos import queue, services, sweeping
from videos.models import Attempt, Deletion, Video

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sqs", "_signals")]

CAPTIONED, VOICE = "SampleCapt1", "SampleVoice"


def work() -> None:
    """Sends what is to be sent, and handles it."""
    sweeping.sweep()
    loop.Worker(poll_seconds=0).run(idle_exit=0)


def visible(sqs, settings) -> int:
    return depth(sqs, settings, "ApproximateNumberOfMessages")


def in_flight(sqs, settings) -> int:
    return depth(sqs, settings, "ApproximateNumberOfMessagesNotVisible")


def delayed(sqs, settings) -> int:
    return depth(sqs, settings, "ApproximateNumberOfMessagesDelayed")


def depth(sqs, settings, name) -> int:
    found = sqs.get_queue_attributes(QueueUrl=settings.SQS_QUEUE_URL, AttributeNames=["All"])
    return int(found["Attributes"][name])


def stored(video) -> list[str]:
    """Every file of a video, relative to its prefix."""
    root = Path(default_storage.path(video.files_prefix))
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


# --- the main job


def test_it_takes_captions_where_there_are_some(stand_in, sqs, settings):
    video = builders.queued(youtube_id=CAPTIONED)

    work()

    video.refresh_from_db()
    assert (video.status, video.source, video.language, video.progress) == ("completed", "captions", "en", 100)
    assert (video.title, video.channel) == ("How a video becomes a transcript", "The sample of this repository")
    assert video.duration_ms > 50_000
    assert video.s3_path == ""
    transcript = video.transcript
    assert (transcript.engine, transcript.model, transcript.language) == ("youtube", "human", "en")
    assert transcript.content.startswith("Welcome to this short talk about transcripts")
    assert visible(sqs, settings) + in_flight(sqs, settings) == 0


def test_it_listens_where_there_are_none(stand_in, small_model):
    video = builders.queued(youtube_id=VOICE)

    work()

    video.refresh_from_db()
    assert (video.status, video.source, video.language) == ("completed", "speech", "en")
    assert video.transcript.engine == "faster-whisper"
    sample = json.loads(Path(project.BASE_DIR, "local/sample/talk.json").read_text())
    spoken = " ".join(text for _, _, text in sample["segments"])
    assert word_error_rate(spoken, video.transcript.content) < 0.25
    assert stored(video) == ["1/audio.webm", "1/transcript.json"]
    assert default_storage.size(video.s3_path) == Path(project.BASE_DIR, "local/sample/talk.webm").stat().st_size


def test_it_writes_the_transcript_as_a_file_too(stand_in):
    video = builders.queued(youtube_id=CAPTIONED)

    work()

    transcript = Transcript.objects.get(video=video)
    with default_storage.open(transcript.s3_path) as file:
        document = json.load(file)
    assert document["video_id"] == str(video.pk)
    assert document["url"] == video.url
    assert [tuple(segment.values()) for segment in document["segments"]] == transcript.segments


def test_it_listens_although_there_are_captions_if_the_user_wants_that(stand_in, small_model):
    video = builders.queued(youtube_id=CAPTIONED, mode="speech")

    work()

    video.refresh_from_db()
    assert video.source == "speech"
    assert "timedtext" not in [request.endpoint for request in stand_in.log]


def test_it_downloads_nothing_if_the_user_wants_captions_only(stand_in):
    video = builders.queued(youtube_id=VOICE, mode="captions")

    work()

    video.refresh_from_db()
    assert (video.status, video.error_code) == ("failed", "no_captions")
    assert "media" not in [request.endpoint for request in stand_in.log]


def test_it_asks_youtube_once_for_one_job(stand_in):
    builders.queued(youtube_id=CAPTIONED)

    work()

    assert [request.endpoint for request in stand_in.log].count("watch") == 1


def test_it_leaves_no_temporary_file_and_no_thread_to_the_next_job(stand_in, small_model, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    videos = [builders.queued(youtube_id=youtube_id) for youtube_id in (VOICE, CAPTIONED, "nosuchvideo")]

    work()

    assert list(tmp_path.iterdir()) == []
    assert [t.name for t in threading.enumerate() if any(str(video.pk) in t.name for video in videos)] == []


def test_it_replaces_what_an_earlier_attempt_has_left(stand_in, small_model):
    video = builders.processing(youtube_id=VOICE)
    default_storage.save(f"{video.attempt_prefix}audio.webm", ContentFile(b"half a file"))
    Video.objects.update(lease_expires_at=Now() - timedelta(seconds=1))

    work()

    video.refresh_from_db()
    assert stored(video) == [f"{video.fence}/audio.webm", f"{video.fence}/transcript.json"]


# --- failures


def test_it_ends_a_job_at_once_when_the_cause_is_permanent(stand_in, sqs, settings):
    stand_in.videos["privatevid0"] = refused("privatevid0", "Private video", status="LOGIN_REQUIRED")
    video = builders.queued(youtube_id="privatevid0")

    work()

    video.refresh_from_db()
    assert (video.status, video.attempt, video.error_code) == ("failed", 1, "video_private")
    assert not video.error_retryable
    assert visible(sqs, settings) + in_flight(sqs, settings) + delayed(sqs, settings) == 0


def bot_check(youtube_id: str) -> Clip:
    return refused(youtube_id, "Sign in to confirm you’re not a bot", status="LOGIN_REQUIRED")


def test_it_tries_again_later_when_the_cause_is_passing(stand_in, sqs, settings):
    stand_in.videos["blockedvid0"] = bot_check("blockedvid0")
    video = builders.queued(youtube_id="blockedvid0")

    work()

    video.refresh_from_db()
    assert (video.status, video.attempt, video.error_code) == ("queued", 1, "source_refused")
    assert 22 < (video.retry_at - video.updated_at).total_seconds() < 38
    assert video.enqueued_at is not None
    assert delayed(sqs, settings) == 1


def test_it_leaves_a_late_retry_to_the_sweep(stand_in, sqs, settings):
    settings.RETRY_BASE_SECONDS = 3600
    stand_in.videos["blockedvid0"] = bot_check("blockedvid0")
    video = builders.queued(youtube_id="blockedvid0")

    work()

    video.refresh_from_db()
    assert (video.retry_at - video.updated_at).total_seconds() > 2000
    assert video.enqueued_at is None
    assert delayed(sqs, settings) == 0


def test_it_fails_when_the_attempts_are_used_up_and_keeps_the_last_cause(stand_in, settings):
    settings.RETRY_BASE_SECONDS = 0
    stand_in.videos[CAPTIONED].faults["timedtext"] = answers(200)  # with an empty body
    video = builders.queued(youtube_id=CAPTIONED, mode="captions")

    work()

    video.refresh_from_db()
    assert (video.status, video.attempt, video.error_code) == ("failed", 3, "captions_withheld")
    assert video.error_retryable


def test_it_listens_at_last_where_youtube_withholds_its_captions(stand_in, small_model, settings):
    settings.MAX_ATTEMPTS = 1
    stand_in.videos[CAPTIONED].faults["timedtext"] = answers(200)  # with an empty body
    video = builders.queued(youtube_id=CAPTIONED)

    work()

    video.refresh_from_db()
    assert (video.status, video.source) == ("completed", "speech")


def test_it_does_not_listen_where_youtube_may_still_hand_out_its_captions(stand_in):
    stand_in.videos[CAPTIONED].faults["timedtext"] = answers(200)
    video = builders.queued(youtube_id=CAPTIONED)

    work()

    video.refresh_from_db()
    assert (video.status, video.error_code) == ("queued", "captions_withheld")


def test_it_recovers_when_youtube_does(stand_in):
    clip = stand_in.videos[CAPTIONED]
    stand_in.videos[CAPTIONED] = bot_check(CAPTIONED)
    video = builders.queued(youtube_id=CAPTIONED)
    work()
    stand_in.videos[CAPTIONED] = clip
    Video.objects.update(retry_at=None, enqueued_at=None)
    work()

    video.refresh_from_db()
    assert (video.status, video.attempt, video.error_code) == ("completed", 2, "")


def test_it_tries_again_when_storage_is_down(stand_in, settings, tmp_path):
    settings.PATIENCE_SECONDS = 0
    blocked = tmp_path / "no-folder"
    blocked.write_text("a file where a folder should be")
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "videos.files.SignedFileSystemStorage", "OPTIONS": {"location": blocked}}
    }
    video = builders.queued(youtube_id=CAPTIONED)

    work()

    video.refresh_from_db()
    assert (video.status, video.error_code) == ("queued", "storage_unavailable")
    assert video.attempt == 0  # it was no fault of the video's


def test_it_says_so_when_nobody_speaks(stand_in, small_model, tmp_path):
    media = sounds.write(tmp_path / "silence.webm", sounds.silence(3))
    stand_in.videos["silentvideo"] = Clip("silentvideo", duration_ms=3000, media=media)
    video = builders.queued(youtube_id="silentvideo")

    work()

    video.refresh_from_db()
    assert (video.status, video.error_code) == ("failed", "no_speech")
    sweeping.sweep()
    assert stored(video) == []


def test_it_survives_a_bug_and_tries_again(stand_in, settings, caplog):
    settings.SPEECH_MODEL = "/there/is/no/model"
    video = builders.queued(youtube_id=VOICE)

    work()

    video.refresh_from_db()
    assert (video.status, video.error_code) == ("queued", "internal_error")
    assert "SPEECH_MODEL" in caplog.text


@pytest.mark.parametrize(("attempts_before", "runs_it"), [(0, False), (1, True)])
def test_it_runs_youtubes_javascript_only_where_it_tries_again(stand_in, attempts_before, runs_it):
    needs_javascript(stand_in.videos[CAPTIONED], "TVHTML5")
    builders.queued(youtube_id=CAPTIONED, attempt=attempts_before)

    work()

    assert any(request.path.endswith("base.js") for request in stand_in.log) == runs_it


# --- messages that lead to no work


@pytest.mark.parametrize("state", ["completed", "failed"])
def test_it_deletes_a_message_for_a_video_that_has_ended(sqs, settings, state):
    video = getattr(builders, state)()
    queue.send(video)

    loop.Worker(poll_seconds=0).run(idle_exit=0)

    assert visible(sqs, settings) + in_flight(sqs, settings) == 0


def test_it_deletes_a_message_for_a_video_that_is_gone(sqs, settings):
    video = builders.queued()
    queue.send(video)
    services.delete_video(video)

    loop.Worker(poll_seconds=0).run(idle_exit=0)

    assert visible(sqs, settings) + in_flight(sqs, settings) == 0


def test_it_leaves_a_message_that_is_not_ours_to_the_dead_letter_queue(sqs, settings):
    sqs.send_message(QueueUrl=settings.SQS_QUEUE_URL, MessageBody="hello")

    loop.Worker(poll_seconds=0).run(idle_exit=0)

    assert in_flight(sqs, settings) == 1


def test_it_leaves_a_message_while_another_worker_is_at_work(sqs, settings):
    video = builders.processing()
    queue.send(video)

    loop.Worker(poll_seconds=0).run(idle_exit=0)

    assert in_flight(sqs, settings) == 1
    video.refresh_from_db()
    assert video.attempt == 1


def test_it_hides_a_message_that_comes_before_its_time(sqs, settings):
    settings.LEASE_SECONDS = 1
    video = builders.processing()
    video.release("source_refused", "Not now.", delay=600)
    queue.send(video)

    loop.Worker(poll_seconds=0).handle_one()

    assert queue.receive(wait_seconds=2) is None  # when the second for which it was received is over
    assert in_flight(sqs, settings) == 1


def test_it_gives_up_a_video_whose_last_worker_was_lost(sqs, settings):
    settings.MAX_ATTEMPTS = 1
    video = builders.processing()
    Video.objects.update(lease_expires_at=Now() - timedelta(seconds=1))
    queue.send(video)

    loop.Worker(poll_seconds=0).run(idle_exit=0)

    video.refresh_from_db()
    assert (video.status, video.error_code) == ("failed", "worker_lost")


# --- deletion and loss while it works


def meanwhile(clip: Clip, endpoint: str, action) -> None:
    """Does something before YouTube answers as usual, in the thread that answers."""

    def fault(site) -> bool:
        try:
            action()
        finally:
            connection.close()
        return False

    clip.faults[endpoint] = fault


def test_it_stops_and_leaves_nothing_when_its_video_is_deleted(stand_in, small_model, sqs, settings):
    video = builders.queued(youtube_id=VOICE)

    meanwhile(stand_in.videos[VOICE], "media", lambda: services.delete_video(Video.objects.get(pk=video.pk)))

    work()

    assert not Video.objects.exists()
    assert not Transcript.objects.exists()
    assert stored(video) == []


def test_it_writes_nothing_when_another_worker_has_taken_over(stand_in, small_model):
    video = builders.queued(youtube_id=VOICE)

    def overtake() -> None:
        Video.objects.update(lease_expires_at=Now() - timedelta(seconds=1))
        services.claim_video(video.pk)

    meanwhile(stand_in.videos[VOICE], "media", overtake)

    work()

    video.refresh_from_db()
    assert (video.status, video.attempt) == ("processing", 2)
    assert stored(video) == []


def test_it_keeps_its_claim_while_the_work_takes_longer_than_the_lease(stand_in, settings):
    settings.LEASE_SECONDS = 2
    video = builders.queued(youtube_id=CAPTIONED)
    taken_over = []

    def be_slow() -> None:
        time.sleep(2.5)  # that time passes is the very thing under test
        taken_over.append(services.claim_video(video.pk))

    meanwhile(stand_in.videos[CAPTIONED], "timedtext", be_slow)

    work()

    video.refresh_from_db()
    assert taken_over == [None]
    assert (video.status, video.attempt) == ("completed", 1)


# --- bugs, and what comes between two steps


@contextmanager
def after_writing(model, action):
    """Does something whenever a row of this model is written, before the transaction commits."""

    def receiver(**_) -> None:
        action()

    post_save.connect(receiver, sender=model)
    try:
        yield
    finally:
        post_save.disconnect(receiver, sender=model)


def stumble(*what, bug: type[Exception] = RuntimeError) -> None:
    raise OperationalError(*what) if what else bug("a bug")


@pytest.mark.parametrize("bug", [RuntimeError, DatabaseError])
def test_it_keeps_a_transcript_whatever_happens_after_it_is_committed(stand_in, bug):
    video = builders.queued(youtube_id=CAPTIONED)

    with after_writing(Transcript, lambda: transaction.on_commit(lambda: stumble(bug=bug))):
        work()

    video.refresh_from_db()
    assert (video.status, stored(video)) == ("completed", ["1/transcript.json"])
    assert not Deletion.objects.exists()


def test_it_counts_no_attempt_where_the_database_fails_for_too_long(stand_in, settings):
    settings.PATIENCE_SECONDS = 0
    video = builders.queued(youtube_id=CAPTIONED)

    with after_writing(Transcript, lambda: stumble(2013, "Lost connection to server during query")):
        work()

    video.refresh_from_db()
    assert (video.status, video.attempt, video.error_code) == ("queued", 0, "database_unavailable")
    assert video.attempts.get().outcome == "interrupted"


def test_it_goes_on_when_a_video_is_deleted_between_its_release_and_the_next_message(stand_in, sqs, settings):
    stand_in.videos["blockedvid0"] = bot_check("blockedvid0")
    blocked, fine = (builders.queued(youtube_id=youtube_id) for youtube_id in ("blockedvid0", CAPTIONED))

    def delete_later() -> None:
        transaction.on_commit(Video.objects.filter(pk=blocked.pk).delete)

    with after_writing(Deletion, delete_later):
        work()

    fine.refresh_from_db()
    assert fine.status == "completed"
    assert not Video.objects.filter(pk=blocked.pk).exists()
    assert in_flight(sqs, settings) == 0


def test_a_bug_in_one_job_does_not_end_the_worker(stand_in, monkeypatch, caplog):
    monkeypatch.setattr(loop, "_FIRST_PAUSE_SECONDS", 0)
    stand_in.videos["blockedvid0"] = bot_check("blockedvid0")
    blocked, fine = (builders.queued(youtube_id=youtube_id) for youtube_id in ("blockedvid0", CAPTIONED))

    with after_writing(Deletion, stumble):  # which is when a job is settled
        work()

    blocked.refresh_from_db()
    fine.refresh_from_db()
    assert (blocked.status, fine.status) == ("processing", "completed")  # until the lease ends
    assert "RuntimeError: a bug" in caplog.text


def test_standing_in_line_for_the_engine_is_no_try(settings):
    """It neither makes a later trouble wait longer, nor counts to the hours for which a video is tried."""
    settings.RETRY_BASE_SECONDS, settings.GIVE_UP_HOURS = 30, 24
    video = builders.processing()
    earlier = timezone.now() - timedelta(hours=25)
    for fence in range(100, 106):
        Attempt.objects.create(
            video=video,
            fence=fence,
            number=1,
            requested_at=earlier,
            started_at=earlier,
            outcome=Attempt.Outcome.INTERRUPTED,
            error_code=errors.EngineBusy.code,
        )
    Video.objects.filter(pk=video.pk).update(requested_at=earlier)
    video.refresh_from_db()

    loop._settle(video, errors.StorageUnavailable(), "")

    video.refresh_from_db()
    assert video.status == "queued"
    assert (video.retry_at - video.updated_at).total_seconds() < 60
