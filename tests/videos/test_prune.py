"""``manage.py prune``: how long things are kept."""

import json
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests import builders
from transcripts import stored
from videos.deadline import Deadline
from videos.files import SignedFileSystemStorage
from videos.models import Video

pytestmark = pytest.mark.django_db(transaction=True)

SOUND = b"opus"


def heard(*, days: float) -> Video:
    """Completed so many days ago, with its audio."""
    video = builders.completed()
    path = default_storage.save(f"{video.attempt_prefix}audio.webm", ContentFile(SOUND))
    when = timezone.now() - timedelta(days=days)
    Video.objects.filter(pk=video.pk).update(s3_path=path, bytes_kept=100, completed_at=when, updated_at=when)
    video.refresh_from_db()
    return video


def left() -> set[str]:
    return set(Video.objects.values_list("youtube_id", flat=True))


def test_old_audio_goes_and_its_transcript_stays():
    old, new = heard(days=31), heard(days=29)

    call_command("prune", "--audio-days=30")

    assert Video.objects.get(pk=old.pk).s3_path == ""
    assert Video.objects.get(pk=old.pk).transcript
    assert not default_storage.exists(old.s3_path)
    assert default_storage.exists(new.s3_path)
    assert Video.objects.get(pk=old.pk).bytes_kept == 100 - len(SOUND)


def test_old_videos_go_with_all_that_belongs_to_them(settings):
    settings.RETAIN_TRANSCRIPTS_DAYS = 30
    old, new = heard(days=31), heard(days=29)
    failed = builders.failed()
    Video.objects.filter(pk=failed.pk).update(updated_at=timezone.now() - timedelta(days=31))
    waits = builders.queued()
    Video.objects.filter(pk=waits.pk).update(updated_at=timezone.now() - timedelta(days=400))

    call_command("prune")

    assert left() == {new.youtube_id, waits.youtube_id}
    assert not default_storage.exists(old.s3_path)


def test_an_option_overrides_the_setting(settings):
    settings.RETAIN_TRANSCRIPTS_DAYS = 1
    heard(days=31)

    call_command("prune", "--transcripts-days=0", "--audio-days=60")

    assert Video.objects.exclude(s3_path="").count() == 1


def test_for_ever_is_the_default_and_nothing_is_done_then():
    heard(days=4000)

    with pytest.raises(CommandError, match="RETAIN_AUDIO_DAYS") as error:
        call_command("prune")

    assert error.value.returncode == 2
    assert Video.objects.count() == 1


def test_a_dry_run_counts_and_a_limit_holds(capsys):
    for _ in range(3):
        heard(days=31)

    call_command("prune", "--transcripts-days=30", "--dry-run", "--json")
    assert json.loads(capsys.readouterr().out)["videos"] == 3
    assert Video.objects.count() == 3

    call_command("prune", "--transcripts-days=30", "--limit=2")
    assert Video.objects.count() == 1


class KeepingStorage(SignedFileSystemStorage):
    """Tells everything, and deletes nothing."""

    def delete(self, name):
        raise OSError("read-only")


def test_audio_stays_while_storage_does_not_tell_its_size(settings, tmp_path):
    video = heard(days=31)
    well = settings.STORAGES
    (tmp_path / "file").write_text("where a folder should be")
    broken = well["default"] | {"OPTIONS": {"location": tmp_path / "file"}}
    settings.STORAGES = well | {"default": broken}

    call_command("prune", "--audio-days=30")
    settings.STORAGES = well
    kept = Video.objects.get()
    call_command("prune", "--audio-days=30")

    assert (kept.s3_path, Video.objects.get().s3_path) == (video.s3_path, "")
    assert Video.objects.get().bytes_kept == kept.bytes_kept - len(SOUND)


def test_audio_that_storage_does_not_delete_is_left_to_the_sweep(settings):
    video = heard(days=31)
    well = settings.STORAGES
    keeping = well["default"] | {"BACKEND": f"{__name__}.KeepingStorage"}
    settings.STORAGES = well | {"default": keeping}

    call_command("prune", "--audio-days=30")

    settings.STORAGES = well
    assert Video.objects.get().s3_path == ""
    stored.reconcile(Deadline())
    assert not default_storage.exists(video.s3_path)
