"""Whether what lies in storage is what the rows name."""

import json

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models import F

from tests import builders
from transcripts import stored
from transcripts.models import Transcript
from videos import services
from videos.deadline import Deadline
from videos.models import Video

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_own_storage", "_either_storage")]


@pytest.fixture
def _own_storage(settings, tmp_path):
    """Nobody else's files: on a file system, and in S3 where a test says so."""
    options = {"BACKEND": "videos.files.SignedFileSystemStorage", "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = settings.STORAGES | {"default": options}


@pytest.fixture(params=["file system", "S3"])
def _either_storage(request):
    if request.param == "S3":
        request.getfixturevalue("bucket")


def put(path: str, content: bytes = b"x") -> str:
    return default_storage.save(path, ContentFile(content))


def completed(**columns) -> Video:
    """With the files that its rows name."""
    video = builders.completed(s3_path="to be named", **columns)
    Video.objects.filter(pk=video.pk).update(s3_path=put(f"{video.attempt_prefix}audio.webm"))
    path = put(f"{video.attempt_prefix}transcript.json", stored.document(video.transcript))
    Transcript.objects.filter(video=video).update(s3_path=path)
    return Video.objects.get(pk=video.pk)


def reconcile() -> tuple[int, int]:
    return stored.reconcile(Deadline())


def test_it_touches_nothing_where_files_and_rows_agree():
    videos = [completed() for _ in range(3)]

    assert reconcile() == (0, 0)
    assert all(default_storage.exists(video.s3_path) for video in videos)
    assert all(default_storage.exists(video.transcript.s3_path) for video in videos)


def test_it_deletes_a_file_whose_video_is_gone():
    path = put("videos/6a1bd6a6-4ee7-4ed6-a0a1-6b8f0a3e2d11/1/audio.webm")

    assert reconcile() == (1, 0)
    assert not default_storage.exists(path)


def test_it_deletes_what_somebody_has_left_who_tried_storage_out_more_than_an_hour_ago(monkeypatch):
    path = put(stored.trial_path())
    assert reconcile() == (0, 0)
    assert default_storage.exists(path)  # somebody may be at it

    monkeypatch.setattr(stored, "TRIAL_SECONDS", -1)

    assert stored.outlook()["files without rows"] == 1
    assert reconcile() == (1, 0)
    assert not default_storage.exists(path)


@pytest.mark.parametrize("name", ["by-hand", "1-", "12345/x"])
def test_it_leaves_what_else_lies_beside_it(name):
    put(f"videos/doctor/{name}")

    assert reconcile() == (0, 0)


def test_it_deletes_what_an_earlier_attempt_has_left():
    video = completed()
    path = put(f"{video.files_prefix}0/audio.webm")

    assert reconcile() == (1, 0)
    assert not default_storage.exists(path)
    assert default_storage.exists(video.s3_path)


def test_it_leaves_the_files_of_an_attempt_that_runs():
    video = builders.processing()
    path = put(f"{video.attempt_prefix}audio.webm")

    assert reconcile() == (0, 0)
    assert default_storage.exists(path)


def test_it_leaves_the_files_of_a_transcript_that_is_made_anew():
    video = completed()
    services.reprocess_video(video)
    claimed = Video.objects.claim(video.pk)
    new = put(f"{claimed.attempt_prefix}audio.webm")

    assert reconcile() == (0, 0)
    assert all(default_storage.exists(path) for path in (video.s3_path, video.transcript.s3_path, new))


def test_it_leaves_what_is_not_ours():
    path = put("videos/readme.txt")

    assert reconcile() == (0, 0)
    assert default_storage.exists(path)


def test_it_writes_a_lost_transcript_file_anew():
    video = completed(title="Bees")
    with default_storage.open(video.transcript.s3_path) as file:
        before = json.load(file)
    default_storage.delete(video.transcript.s3_path)

    assert reconcile() == (0, 1)
    with default_storage.open(video.transcript.s3_path) as file:
        assert json.load(file) == before


def test_it_forgets_audio_that_is_lost(alice):
    video = completed()
    default_storage.delete(video.s3_path)

    assert reconcile() == (0, 1)
    assert alice.get(f"/videos/{video.pk}/audio").status_code == 404


def test_it_measures_what_was_completed_before_sizes_were_kept():
    video = completed()
    put(f"{video.attempt_prefix}answers/1/transcript.srt", b"no part of it")

    assert reconcile() == (0, 0)
    kept = sum(default_storage.size(path) for path in (video.s3_path, video.transcript.s3_path))
    assert Video.objects.get().bytes_kept == kept


def test_it_leaves_the_sizes_that_are_known():
    video = completed()
    Video.objects.filter(pk=video.pk).update(bytes_kept=7)

    reconcile()

    assert Video.objects.get().bytes_kept == 7


def test_it_goes_on_where_it_stopped_and_begins_anew_after_the_last(monkeypatch):
    monkeypatch.setattr(stored, "FILES_A_RUN", 2)
    monkeypatch.setattr(stored, "ROWS_A_RUN", 2)
    for _ in range(3):
        default_storage.delete(completed().transcript.s3_path)
    for number in range(5):
        put(f"videos/ffffffff-ffff-4fff-bfff-ffffffffff{number:02}/1/audio.webm")

    runs = [reconcile() for _ in range(6)]

    assert [sum(run) for run in zip(*runs, strict=True)] == [5, 3]
    assert runs[0][1] == 2
    put("videos/00000000-0000-4000-8000-000000000000/1/audio.webm")
    assert sum(reconcile()[0] for _ in range(6)) == 1


def test_it_stops_when_its_time_is_over():
    for number in range(3):
        put(f"videos/ffffffff-ffff-4fff-bfff-ffffffffff{number:02}/1/audio.webm")

    assert stored.reconcile(Deadline(-1)) == (0, 0)
    assert reconcile() == (3, 0)


def test_it_leaves_a_transcript_that_was_stored_under_no_name():
    video = builders.completed()
    Transcript.objects.filter(video=video).update(s3_path="", created_at=F("created_at"))

    assert reconcile() == (0, 0)


def test_it_gives_up_quietly_where_storage_does_not_answer(settings, bucket, caplog):
    completed()
    options = settings.STORAGES["default"]
    missing = {"default": options | {"OPTIONS": options["OPTIONS"] | {"bucket_name": "no-such-bucket"}}}
    settings.STORAGES = settings.STORAGES | missing

    assert reconcile() == (0, 0)
    assert "NoSuchBucket" in caplog.text
