"""``manage.py doctor``: whether all is well, and what to do where it is not."""

import json
from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from transcripts.worker import doctor as worker
from videos import queue
from videos.deadline import Deadline
from videos.finding import Verdict
from videos.models import Breaker
from ytbackend import doctor

pytestmark = pytest.mark.django_db


def verdicts(look) -> list[str]:
    return [finding.verdict for finding in doctor.examine([look])]


def ill(look) -> str:
    """What is said, and what to do, where it is not well."""
    found = [finding for finding in doctor.examine([look]) if finding.verdict != Verdict.OK]
    assert len(found) == 1
    assert found[0].advice
    return f"{found[0].detail} {found[0].advice}"


@pytest.fixture
def no_such_model(settings) -> None:
    settings.SPEECH_MODEL = "/no/such/folder"


def test_what_is_well_is_said_so(sqs, stand_in, small_model):
    looks = [doctor.migrations, doctor.bucket, doctor.keys, doctor.clocks, doctor.breaker]
    looks += [worker.youtube_is_reachable, worker.speech_model, worker.disk]

    assert {look.__name__: set(verdicts(look)) for look in looks} == {look.__name__: {"ok"} for look in looks}
    assert verdicts(doctor.database)[0] == "ok"


def test_while_debugging_the_warnings_about_a_deployment_are_one_line_and_errors_stay(settings):
    settings.DEBUG = True
    settings.SQS_QUEUE_URL = ""

    found = list(doctor.examine([doctor.checks]))

    (line,) = [finding for finding in found if finding.verdict == Verdict.WARNING]
    assert "security.W018" in line.detail
    assert "make run" in line.detail
    assert any("SQS_QUEUE_URL" in finding.detail for finding in found if finding.verdict == Verdict.FAILED)
    settings.DEBUG = False
    assert "make run" not in "".join(finding.detail for finding in doctor.examine([doctor.checks]))


@pytest.mark.skipif(connection.vendor != "mysql", reason="a rule for MySQL")
@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("SET time_zone = '+02:00'", "+02:00"),
        ("SET sql_mode = ''", "sql_mode"),
        ("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "REPEATABLE-READ"),
        ("SET NAMES latin1", "latin1"),
    ],
)
def test_a_session_that_is_set_up_in_another_way_is_found(statement, named):
    with connection.cursor() as cursor:
        cursor.execute(statement)
    try:
        assert named in ill(doctor.database)
    finally:
        connection.close()


def test_a_migration_that_is_missing_is_named():
    last = MigrationRecorder.Migration.objects.filter(app="videos").latest("id")
    last.delete()

    assert f"videos.{last.name}" in ill(doctor.migrations)


def test_a_queue_that_is_down_is_found(settings):
    settings.SQS_QUEUE_URL = ""

    assert "SQS_QUEUE_URL" in ill(doctor.message_queue)
    assert "SQS" not in "".join(finding.detail for finding in doctor.clocks())


def test_a_queue_without_dead_letters_is_doubtful(sqs):
    assert "maxReceiveCount of 10" in ill(doctor.message_queue)


def test_dead_letters_and_an_impatient_policy_are_doubtful(sqs, settings):
    dead = sqs.create_queue(QueueName="dead-doctor")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    sqs.set_queue_attributes(QueueUrl=settings.SQS_QUEUE_URL, Attributes={"RedrivePolicy": policy})
    sqs.send_message(QueueUrl=dead, MessageBody="hello")

    found = list(doctor.message_queue())

    assert [finding.verdict for finding in found] == ["ok", "warning", "warning"]
    assert "redrive" in found[1].advice


def test_a_bucket_is_tried_by_writing_reading_and_deleting(bucket):
    assert verdicts(doctor.bucket) == ["ok"]
    assert default_storage.listdir("videos/doctor") == ([], [])


def test_a_bucket_that_is_not_there_is_found(bucket, settings):
    settings.STORAGES["default"]["OPTIONS"]["bucket_name"] = "gone"
    settings.STORAGES = dict(settings.STORAGES)

    assert "s3:ListBucket" in ill(doctor.bucket)


def test_a_folder_that_cannot_be_written_is_found(settings, tmp_path):
    (tmp_path / "file").write_text("where a folder should be")
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "videos.files.SignedFileSystemStorage",
            "OPTIONS": {"location": tmp_path / "file" / "files"},
        }
    }

    assert "cannot write" in ill(doctor.bucket)


def test_keys_that_cannot_be_read_are_found(settings):
    settings.COGNITO_JWKS = "{}"

    assert "COGNITO_JWKS" in ill(doctor.keys)


def test_a_clock_that_is_wrong_is_found(sqs, monkeypatch):
    now = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() + timedelta(minutes=6))

    found = list(doctor.clocks())

    assert {finding.verdict for finding in found} == {"warning"}
    assert "ahead of that of SQS" in found[-1].detail


def test_a_youtube_that_refuses_is_found():
    for _ in range(3):
        Breaker.objects.youtube().failed("source_refused")

    assert "source_refused" in ill(doctor.breaker)


def test_a_proxy_that_is_down_is_found(settings):
    settings.YOUTUBE_PROXY_URL, settings.YOUTUBE_RETRIES = "http://127.0.0.1:9", 0

    assert "YOUTUBE_PROXY_URL" in ill(worker.youtube_is_reachable)


@pytest.mark.usefixtures("no_such_model")
def test_a_model_that_is_not_there_is_found():
    assert "/no/such/folder" in ill(worker.speech_model)


def test_a_full_disk_is_found(monkeypatch):
    monkeypatch.setattr(worker, "ROOM_BYTES", 10**18)

    assert "TMPDIR" in ill(worker.disk)


@pytest.mark.parametrize(("limit", "verdict"), [("OLD_DAYS", "warning"), ("TOO_OLD_DAYS", "failed")])
def test_a_yt_dlp_that_is_old_is_found(monkeypatch, limit, verdict):
    monkeypatch.setattr(worker, "OLD_DAYS", 10**6)
    monkeypatch.setattr(worker, "TOO_OLD_DAYS", 10**6)
    assert verdicts(worker.yt_dlp) == ["ok"]

    monkeypatch.setattr(worker, limit, -1)
    assert verdicts(worker.yt_dlp) == [verdict]


def test_a_look_that_fails_is_a_finding_as_well():
    def stumble():
        raise RuntimeError("over its own feet")
        yield

    assert "over its own feet" in ill(stumble)


def test_after_the_deadline_nothing_is_begun_and_each_look_left_out_is_a_finding():
    found = list(doctor.examine([doctor.database, doctor.message_queue], deadline=Deadline(-1)))

    assert [(one.name, one.verdict, one.detail) for one in found] == [
        ("database", "warning", "not looked at: no time left"),
        ("message queue", "warning", "not looked at: no time left"),
    ]
    assert all("manage.py doctor" in one.advice for one in found)


def test_without_a_deadline_or_within_it_everything_is_looked_at():
    assert list(doctor.examine([doctor.migrations], deadline=Deadline(60))) == list(doctor.examine([doctor.migrations]))


def test_the_command_tells_a_script_and_ends_with_3(settings, capsys):
    settings.SQS_QUEUE_URL = ""

    with pytest.raises(CommandError) as error:
        call_command("doctor", "--json", "--without-worker")

    told = json.loads(capsys.readouterr().out)
    assert (told["healthy"], error.value.returncode) == (False, 3)
    assert {"queue", "storage", "key set"} <= {finding["name"] for finding in told["findings"]}


def test_doubts_are_no_failure_unless_one_is_strict(sqs):
    queue._client.cache_clear()
    call_command("doctor", "--without-worker")

    with pytest.raises(CommandError):
        call_command("doctor", "--without-worker", "--strict")
