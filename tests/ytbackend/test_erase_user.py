"""``manage.py erase_user``: everything of a person goes, and of nobody else."""

import json

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from accounts.models import User
from tests import builders
from tests.tokens import ALICE, BOB
from transcripts.models import Transcript
from videos.models import Attempt, Deletion, Video
from ytbackend import erasure

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def path() -> str:
    """A file of Alice's, who has completed, failed and waits."""
    video = builders.completed(ALICE)
    builders.failed(ALICE)
    builders.processing(ALICE)
    LogEntry.objects.create(user_id=ALICE, action_flag=1, object_repr="x")
    return default_storage.save(f"{video.files_prefix}1/audio.webm", ContentFile(b"x"))


def test_everything_of_the_user_goes_and_nothing_of_anybody_else(path, capsys):
    kept = builders.completed(BOB)

    call_command("erase_user", ALICE, "--yes", "--json")

    assert list(User.objects.values_list("pk", flat=True)) == [BOB]
    assert list(Video.objects.all()) == [kept]
    assert set(Attempt.objects.values_list("video_id", flat=True)) == {kept.pk}
    assert Transcript.objects.get().user_id == BOB
    assert not LogEntry.objects.exists()
    assert not default_storage.exists(path)
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == {"videos": 3, "transcripts": 1, "django_admin_log": 1, "users": 1}
    assert any("Cognito" in sentence for sentence in told["kept"])


def test_files_that_storage_does_not_delete_are_written_down(path, settings, tmp_path):
    (tmp_path / "file").write_text("where a folder should be")
    broken = {"BACKEND": "videos.files.SignedFileSystemStorage", "OPTIONS": {"location": tmp_path / "file"}}
    settings.STORAGES = settings.STORAGES | {"default": broken}

    call_command("erase_user", ALICE, "--yes")

    assert path.startswith(tuple(Deletion.objects.values_list("prefix", flat=True)))
    assert not User.objects.exists()


def test_every_table_that_refers_to_a_user_is_known():
    tables = {relation.related_model._meta.db_table for relation in erasure._relations()}

    assert {"videos", "transcripts", "django_admin_log"} <= tables


def test_it_can_be_stopped_and_goes_on(path):
    user = User.objects.get(pk=ALICE)

    assert erasure.erase(user, proceed=lambda number: False) is False
    assert Video.objects.count() == 2
    assert not User.objects.get().is_active

    assert erasure.erase(user, proceed=lambda number: True)
    assert not User.objects.exists()


def test_nothing_is_erased_unasked_or_in_a_dry_run(path, capsys):
    with pytest.raises(CommandError, match="add --yes") as error:
        call_command("erase_user", ALICE)
    assert error.value.returncode == 2

    call_command("erase_user", ALICE, "--dry-run")

    assert "3 rows of videos" in capsys.readouterr().out
    assert Video.objects.count() == 3


def test_an_e_mail_address_is_told_whose_it_is():
    builders.user(ALICE)

    with pytest.raises(CommandError, match=ALICE) as error:
        call_command("erase_user", f"{ALICE[:5]}@example.com", "--yes")

    assert error.value.returncode == 3
    assert User.objects.exists()
