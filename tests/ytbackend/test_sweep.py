"""``manage.py sweep``, as an operator calls it."""

import json
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db.models.functions import Now
from django.utils import timezone

from tests import builders
from tests.conftest import messages
from transcripts.models import Transcript
from videos.models import Deletion, Video
from ytbackend.management.commands import sweep

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sqs")]


@pytest.fixture
def disorder(settings, tmp_path) -> dict[str, int]:
    """One of each that a sweep puts right; gives what it should say."""
    own = {"BACKEND": "videos.files.SignedFileSystemStorage", "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = settings.STORAGES | {"default": own}
    builders.queued()
    lost = builders.processing()
    Video.objects.filter(pk=lost.pk).update(lease_expires_at=Now())
    completed = builders.completed()
    Transcript.objects.update(s3_path=f"{completed.attempt_prefix}transcript.json")
    Deletion.objects.create(prefix="videos/1/")
    default_storage.save(f"{completed.files_prefix}9/stray", ContentFile(b"x"))
    sent = {"sent": 1, "taken_back": 1, "given_up": 0, "deletions": 1, "dead_letters": 0}
    return sent | {"files without rows": 1, "rows without files": 1}


def told(capsys) -> dict[str, int]:
    return json.loads(capsys.readouterr().out)


def test_a_dry_run_names_what_there_is_and_changes_nothing(disorder, capsys, sqs, settings):
    for _ in range(2):
        call_command("sweep", "--dry-run", "--json")
        assert told(capsys) == disorder

    assert messages(sqs, settings) == []


def test_a_script_gets_what_was_done(disorder, capsys):
    call_command("sweep", "--json")
    done = told(capsys)
    call_command("sweep", "--dry-run", "--json")

    assert done == disorder | {
        "sent": 2,
        "deletions": 2,
        "sign-ins forgotten": 0,
        "sessions forgotten": 0,
    }  # with what was taken back, and its files
    assert set(told(capsys).values()) == {0}


def test_sessions_of_the_admin_that_have_expired_go_and_no_others_a_batch_at_a_time(monkeypatch, capsys):
    monkeypatch.setattr(sweep, "MOST_SESSIONS", 2)
    now = timezone.now()
    for number in range(3):
        Session.objects.create(session_key=f"old{number}", session_data="x", expire_date=now - timedelta(minutes=1))
    Session.objects.create(session_key="open", session_data="x", expire_date=now + timedelta(minutes=1))

    gone = []
    for _ in range(3):
        call_command("sweep", "--json")
        gone.append(told(capsys)["sessions forgotten"])

    assert gone == [2, 1, 0]
    assert Session.objects.get().pk == "open"
