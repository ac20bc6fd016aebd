"""``manage.py drill``: disasters against a stack of its own, and whether it would notice a broken promise."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from django.conf import settings as project
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from local.drill import promises
from local.drill.scratch import Scratch
from local.stack import StackError
from tests import builders
from transcripts.models import Transcript
from videos.models import Attempt, Video


def drill(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", "drill", *arguments],
        cwd=project.BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "ytbackend.settings"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_disaster_is_played_with_real_processes_and_nothing_of_the_deployment_is_used():
    production = {
        "SQS_QUEUE_URL": "http://127.0.0.1:9/1/production",
        "S3_BUCKET": "production",
        "DATABASE_URL": "sqlite:////tmp/production-of-nobody.sqlite3",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    }

    done = drill("--only", "deleted_in_the_middle", "--json", **production)

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["held"], [row["disaster"] for row in told["disasters"]]) == (True, ["deleted_in_the_middle"])


def test_a_disaster_that_nobody_knows_is_a_wrong_call():
    done = drill("--only", "flood")

    assert (done.returncode, done.stdout) == (2, "")
    assert "killed_at_its_work" in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SQS_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/1/jobs"),
        ("S3_BUCKET", "production"),
        ("DATABASE_URL", {"NAME": "transcripts", "HOST": "db.internal", "USER": "app"}),
    ],
)
def test_it_refuses_what_it_has_not_made(tmp_path, name, value):
    scratch = Scratch()
    scratch.folder = tmp_path
    ours = {
        "SQS_QUEUE_URL": f"http://127.0.0.1:1/1/{scratch.mark}",
        "S3_BUCKET": scratch.mark,
        "DATABASE_URL": {"NAME": tmp_path / "db.sqlite3"},
    }

    def settings(**names):
        found = ours | names
        return SimpleNamespace(**found, DATABASES={"default": found["DATABASE_URL"]})

    scratch.check(settings())
    with pytest.raises(StackError, match=name):
        scratch.check(settings(**{name: value}))


# --- whether a broken promise would be noticed


@pytest.fixture
def video(settings, tmp_path) -> Video:
    """Completed, with its file, in a storage of the test's own."""
    own = {"BACKEND": "videos.files.SignedFileSystemStorage", "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = settings.STORAGES | {"default": own}
    completed = builders.completed()
    path = default_storage.save(f"{completed.attempt_prefix}transcript.json", ContentFile(b"{}"))
    Transcript.objects.update(s3_path=path)
    return completed


def broken(*submitted: Video, deleted: tuple[Video, ...] = (), messages: int = 0) -> set[str]:
    return {promise for promise, _ in promises.broken(submitted, deleted, messages=messages)}


@pytest.mark.django_db
def test_what_holds_is_not_complained_about(video):
    assert broken(video) == set()
    assert promises.unrest(0) == ""


@pytest.mark.django_db
def test_each_promise_can_be_broken(video):
    stuck = builders.processing()
    assert broken(video, stuck) == {"ends"}
    assert "1 videos at work" in promises.unrest(0)

    assert broken(video, messages=1) == {"tidy"}
    assert broken(deleted=(video,)) == {"gone"}

    stray = default_storage.save(f"{video.files_prefix}9/transcript.json", ContentFile(b"{}"))
    assert broken(video) == {"tidy"}
    default_storage.delete(stray)

    Attempt.objects.create(video=video, fence=9, number=1, outcome="completed", started_at=video.created_at)
    assert broken(video) == {"once"}

    default_storage.delete(Transcript.objects.get(video=video).s3_path)
    assert broken(video) == {"kept"}
