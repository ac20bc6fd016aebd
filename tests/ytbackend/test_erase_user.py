"""``manage.py erase_user``: everything of a person goes, and of nobody else."""

import json

import pytest
from axes.models import AccessAttempt, AccessFailureLog
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from accounts.models import User
from tests import builders
from tests.tokens import ALICE, BOB
from transcripts.models import Transcript
from videos import rollup
from videos.deadline import Deadline
from videos.models import Attempt, Deletion, Snapshot, Video
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

    call_command("erase_user", ALICE, "--yes", "--forget-ban")
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


# --- what others have written about the user


def entry(by: User, about, **told) -> LogEntry:
    kind = ContentType.objects.get_for_model(about)
    told = {"object_repr": str(about), "change_message": f"changed {about}"} | told
    return LogEntry.objects.create(user=by, content_type=kind, object_id=str(about.pk), action_flag=CHANGE, **told)


def test_the_history_of_staff_tells_what_they_did_but_neither_e_mail_nor_title():
    operator = User.objects.create(id="olga", email="olga@example.com", is_staff=True)
    alice = builders.user(ALICE)
    video, other = builders.completed(ALICE, title="Bees of Alice"), builders.completed(BOB, title="Ants of Bob")
    entries = [entry(operator, about) for about in (alice, video)]
    kept = entry(operator, other)

    call_command("erase_user", ALICE, "--yes")

    told = LogEntry.objects.filter(pk__in=[entry.pk for entry in entries]).order_by("pk")
    assert list(told.values_list("user_id", "action_flag", "object_repr", "change_message")) == [
        ("olga", CHANGE, ALICE, ""),
        ("olga", CHANGE, str(video.pk), ""),
    ]
    kept.refresh_from_db()
    assert (kept.object_repr, kept.change_message) == ("Ants of Bob", "changed Ants of Bob")


def test_staff_are_not_erased_because_what_they_did_would_go_too(path):
    User.objects.filter(pk=ALICE).update(is_staff=True)

    with pytest.raises(CommandError, match=f"staff remove {ALICE}"):
        call_command("erase_user", ALICE, "--yes")
    with pytest.raises(erasure.IsStaff):
        erasure.erase(User.objects.get(pk=ALICE), proceed=lambda number: True)

    assert User.objects.get(pk=ALICE).is_active
    assert (Video.objects.count(), LogEntry.objects.count()) == (3, 1)


@pytest.mark.parametrize("model", [AccessAttempt, AccessFailureLog])
def test_passwords_that_were_tried_in_the_users_name_are_forgotten(model):
    counted = {"failures_since_start": 1} if model is AccessAttempt else {}
    alice = builders.user(ALICE)
    for name in (alice.pk, alice.email, "olga", ""):
        model.objects.create(username=name, ip_address="192.0.2.1", user_agent="x", **counted)

    call_command("erase_user", ALICE, "--yes")

    assert set(model.objects.values_list("username", flat=True)) == {"olga", ""}


def test_the_front_page_counts_its_users_anew():
    builders.completed(ALICE)
    rollup.roll_up(Deadline())
    assert set(Snapshot.objects.values_list("pk", flat=True)) >= {"states", "users"}

    call_command("erase_user", ALICE, "--yes")

    assert not Snapshot.objects.filter(pk="users").exists()
    assert Snapshot.objects.filter(pk="states").exists()


# --- who comes back


def test_who_is_switched_off_is_not_let_in_again_by_mistake(path, capsys):
    User.objects.filter(pk=ALICE).update(is_active=False)

    with pytest.raises(CommandError, match="--forget-ban"):
        call_command("erase_user", ALICE, "--yes")
    assert Video.objects.count() == 3

    call_command("erase_user", ALICE, "--yes", "--forget-ban")
    assert not User.objects.exists()


@pytest.mark.parametrize("how", ["--dry-run", "--yes"])
def test_it_says_what_comes_first_in_cognito(path, capsys, how):
    call_command("erase_user", ALICE, how)

    said = capsys.readouterr().out
    assert said.index("admin-disable-user") < said.index("Kept")
    assert "at most a day" in said
