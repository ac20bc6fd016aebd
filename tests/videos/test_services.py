"""What crosses the boundary between rows, messages and files."""

import contextlib
import threading
import uuid
from datetime import timedelta
from unittest import mock

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.functions import Now
from django.utils import timezone

from tests import builders
from tests.conftest import messages
from videos import services, sweeping
from videos.models import Deletion, Video
from videos.transactions import repeated

pytestmark = pytest.mark.django_db(transaction=True)


def ids(sqs, settings):
    return [uuid.UUID(message["video_id"]) for message in messages(sqs, settings)]


def test_the_sweep_sends_what_was_never_sent_and_only_once(sqs, settings):
    video = builders.queued()

    assert [sweeping.sweep().sent for _ in range(2)] == [1, 0]
    assert ids(sqs, settings) == [video.pk]


def test_the_sweep_sends_nothing_for_what_is_in_work_or_ended(sqs, settings):
    builders.processing(), builders.completed(), builders.failed()

    assert not any(sweeping.sweep())
    assert ids(sqs, settings) == []


def test_the_sweep_sends_a_retry_when_it_is_due(sqs, settings):
    due, later = builders.processing(), builders.processing()
    due.release("source_refused", "Not now.", delay=-1)
    later.release("source_refused", "Not now.", delay=600)

    sweeping.sweep()

    assert ids(sqs, settings) == [due.pk]


def test_the_sweep_sends_again_what_was_sent_long_ago(sqs, settings):
    video = builders.queued()
    Video.objects.update(enqueued_at=Now() - timedelta(seconds=settings.RESEND_AFTER_SECONDS + 1))

    sweeping.sweep()

    assert ids(sqs, settings) == [video.pk]


def test_the_sweep_takes_back_what_has_lost_its_worker(sqs, settings):
    video = builders.processing()
    Video.objects.update(lease_expires_at=Now() - timedelta(seconds=1))

    assert sweeping.sweep().taken_back == 1
    assert ids(sqs, settings) == [video.pk]


def test_the_sweep_stops_sending_when_the_queue_is_down(settings):
    settings.SQS_QUEUE_URL = ""
    for _ in range(3):
        builders.queued()

    assert sweeping.sweep().sent == 0
    assert Video.objects.filter(enqueued_at=None).count() == 3


def test_the_sweep_finishes_a_deletion_that_storage_had_prevented(tmp_path, settings, sqs):
    video = builders.completed()
    blocked = tmp_path / "no-folder"
    blocked.write_text("a file where a folder should be")
    path = default_storage.save(f"{video.files_prefix}1/audio.webm", ContentFile(b"x"))
    with use_storage(settings, blocked):
        services.delete_video(video)
    assert default_storage.exists(path)

    Deletion.objects.update(due_at=timezone.now())

    assert sweeping.sweep().deletions == 1
    assert not default_storage.exists(path)


def use_storage(settings, location):
    import contextlib

    @contextlib.contextmanager
    def used():
        before = settings.STORAGES
        settings.STORAGES = before | {
            "default": {"BACKEND": before["default"]["BACKEND"], "OPTIONS": {"location": location}}
        }
        yield
        settings.STORAGES = before

    return used()


def test_the_sweep_removes_what_a_worker_wrote_after_the_deletion(sqs):
    video = builders.processing()
    services.delete_video(video)
    path = default_storage.save(f"{video.attempt_prefix}late.json", ContentFile(b"x"))
    Deletion.objects.update(requested_at=timezone.now() - Deletion.GRACE, due_at=timezone.now())

    sweeping.sweep()

    assert not default_storage.exists(path)
    assert not Deletion.objects.exists()


def test_the_sweep_is_not_stopped_by_a_deletion_that_cannot_be_done(sqs):
    default_storage.save("videos/a-file-and-no-folder", ContentFile(b"x"))
    Deletion.objects.create(prefix="videos/a-file-and-no-folder/")
    video = builders.completed()
    path = default_storage.save(f"{video.files_prefix}1/audio.webm", ContentFile(b"x"))
    Deletion.objects.create(prefix=video.files_prefix)

    sweeping.sweep()

    assert not default_storage.exists(path)


def test_the_sweep_removes_the_files_of_an_attempt_that_lost_its_worker(sqs):
    video = builders.processing()
    path = default_storage.save(f"{video.attempt_prefix}audio.webm", ContentFile(b"x"))
    Video.objects.update(lease_expires_at=Now() - timedelta(seconds=1))

    sweeping.sweep()

    assert not default_storage.exists(path)


def test_a_video_whose_worker_is_gone_is_claimed_at_once_and_its_old_files_are_to_go():
    video = builders.processing()
    path = default_storage.save(f"{video.attempt_prefix}audio.webm", ContentFile(b"x"))
    Video.objects.update(lease_expires_at=Now() - timedelta(seconds=1))

    claimed = services.claim_video(video.pk)
    services.delete_files(Deletion.objects.get())

    assert (claimed.attempt, claimed.attempt_prefix != video.attempt_prefix) == (2, True)
    assert not default_storage.exists(path)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time: it cannot happen there")
def test_a_link_that_is_deleted_while_it_is_submitted_again_is_accepted_anew(sqs, monkeypatch):
    user, video = builders.user(), builders.failed(youtube_id="dQw4w9WgXcQ")
    retry = Video.retry

    def delete():
        services.delete_video(Video.objects.get(pk=video.pk))
        connection.close()

    def deleted_meanwhile(self, **wanted):
        monkeypatch.setattr(Video, "retry", retry)
        other = threading.Thread(target=delete)
        other.start()
        other.join()
        return retry(self, **wanted)

    monkeypatch.setattr(Video, "retry", deleted_meanwhile)

    again, started = services.submit_video(user=user, youtube_id="dQw4w9WgXcQ", mode="auto", language="")

    assert started
    assert again.pk != video.pk


def test_a_video_that_is_gone_is_deleted_without_complaint():
    video = builders.queued()
    services.delete_video(video)
    Deletion.objects.all().delete()

    services.delete_video(video)

    assert not Deletion.objects.exists()


def test_the_command_tells_what_it_has_done(sqs, capsys, settings, tmp_path):
    builders.queued()

    with use_storage(settings, tmp_path):
        call_command("sweep")

    assert capsys.readouterr().out == (
        "sent 1, taken back 0, given up 0, deletions 0, dead letters 0, files without rows 0, rows without files 0, "
        "sign-ins forgotten 0, sessions forgotten 0\n"
    )


# --- answers of the database that are lost, and rows that somebody has locked


@contextlib.contextmanager
def lost_answers(number: int = 1):
    """So many commits happen, and whoever made them is told that the connection was lost."""
    left = [number]
    commit = BaseDatabaseWrapper._commit  # type: ignore[attr-defined]

    def and_then_lose(self) -> None:
        commit(self)
        if left[0]:
            left[0] -= 1
            raise OperationalError(2013, "Lost connection to server during query")

    with mock.patch.object(BaseDatabaseWrapper, "_commit", and_then_lose):
        yield


def test_a_retry_whose_answer_was_lost_has_happened_once(sqs, settings):
    video = builders.failed()

    with lost_answers():
        started = services.retry_video(video)

    assert (started.status, started.fence) == ("queued", video.fence + 1)
    assert ids(sqs, settings) == [video.pk]


def test_a_cancellation_whose_answer_was_lost_has_happened():
    video = builders.processing()

    with lost_answers():
        assert services.cancel_video(video)

    video.refresh_from_db()
    assert (video.status, video.error_code) == ("failed", "cancelled")


def test_a_link_whose_answer_was_lost_is_new_all_the_same(sqs, settings):
    user = builders.user()

    with lost_answers():
        video, started = services.submit_video(user=user, youtube_id="dQw4w9WgXcQ", mode="auto", language="")

    assert started
    assert ids(sqs, settings) == [video.pk]


def test_a_release_that_was_undone_is_made_again():
    video = builders.processing()
    undone = [OperationalError(1213, "Deadlock found")]
    note = Deletion.objects.get_or_create

    def fail_once(**names):
        if undone:
            raise undone.pop()
        return note(**names)

    def release() -> bool:
        return services.end_attempt(video, lambda: video.release("no_space_left", "Full.", delay=0, counted=False))

    with mock.patch.object(Deletion.objects, "get_or_create", fail_once):
        released = repeated(release, seconds=10)

    video.refresh_from_db()
    assert (released, video.status, video.attempt) == (True, "queued", 0)


def test_a_video_that_is_deleted_while_it_is_retried_is_no_error():
    video = builders.failed()
    Video.objects.all().delete()

    assert services.retry_video(video) is None


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite locks no single row")
def test_the_sweep_passes_by_a_row_that_somebody_has_locked(sqs, settings):
    locked, lost, fresh = builders.processing(), builders.processing(), builders.queued()
    Video.objects.filter(status="processing").update(lease_expires_at=Now() - timedelta(seconds=1))
    holding, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Video.objects.select_for_update().get(pk=locked.pk)
            holding.set()
            let_go.wait(30)
        connection.close()

    other = threading.Thread(target=hold)
    other.start()
    assert holding.wait(10)

    swept = sweeping.sweep()
    let_go.set()
    other.join()

    assert swept.taken_back == 1
    assert sorted(ids(sqs, settings)) == sorted([lost.pk, fresh.pk])
