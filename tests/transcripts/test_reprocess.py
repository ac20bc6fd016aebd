"""``manage.py reprocess``."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from botocore.exceptions import EndpointConnectionError
from django.conf import settings as project
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from tests import builders
from tests.conftest import messages
from tests.tokens import ALICE, BOB
from tests.videos.test_services import lost_answers
from videos import queue, reprocessing
from videos.models import Attempt, Deletion, Video

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sqs")]


def reprocess(*arguments: object) -> None:
    call_command("reprocess", *map(str, arguments))


def refused(code: int, *arguments: object) -> str:
    with pytest.raises(CommandError) as error:
        reprocess(*arguments)
    assert error.value.returncode == code
    return str(error.value)


def queued() -> set[uuid.UUID]:
    return set(Video.objects.filter(status="queued").values_list("pk", flat=True))


# --- by id


@pytest.mark.parametrize("state", ["completed", "failed"])
def test_it_starts_what_has_ended_and_sends_it(state, sqs, settings, capsys):
    video = getattr(builders, state)()

    reprocess(video.pk)

    now = Video.objects.get()
    assert (now.status, now.attempt, now.fence, now.enqueued_at is None) == ("queued", 0, video.fence + 1, False)
    assert [message["video_id"] for message in messages(sqs, settings)] == [str(video.pk)]
    assert capsys.readouterr().out == f"{video.pk}: queued\n"


@pytest.mark.parametrize("state", ["queued", "processing"])
def test_it_leaves_what_waits_or_is_in_work_alone_unless_it_is_forced(state, capsys):
    video = getattr(builders, state)()

    assert "1 of 1" in refused(1, video.pk)
    assert f"it is {state}. Add --force" in capsys.readouterr().err

    reprocess(video.pk, "--force", "--mode=speech", "--language=pt-BR")
    now = Video.objects.get()
    assert (now.status, now.fence, now.mode, now.wanted_language) == ("queued", video.fence + 1, "speech", "pt-BR")


def test_what_a_worker_had_in_hand_is_to_go_and_its_attempt_ends():
    video = builders.processing()

    reprocess(video.pk, "--force")

    assert Deletion.objects.get().prefix == video.attempt_prefix
    assert Attempt.objects.get().outcome == "superseded"
    assert not video.extend()


def test_the_files_of_the_transcript_stay():
    video = builders.completed()

    reprocess(video.pk)

    assert not Deletion.objects.exists()
    assert video.transcript


def test_it_says_what_it_could_not_do_and_does_the_rest(capsys):
    video, nobody = builders.failed(), uuid.uuid4()

    assert "1 of 2" in refused(1, nobody, video.pk)

    assert f"{nobody}: there is no such video" in capsys.readouterr().err
    assert queued() == {video.pk}


def test_nothing_found_has_a_code_of_its_own():
    assert "1 of 1" in refused(3, uuid.uuid4())


def test_it_says_what_an_id_looks_like():
    with pytest.raises(CommandError, match="ids are UUIDs"):
        reprocess("7")


# --- by what they are


@pytest.mark.parametrize(
    "options",
    [
        ["--user", ALICE],
        ["--user", f"{ALICE[:5]}@example.com"],
        ["--state=failed"],
        ["--error-code=source_refused"],
        ["--error-code=video_live", "--error-code=source_refused"],
        ["--older-than=7d"],
    ],
    ids=" ".join,
)
def test_it_starts_those_that_are_meant_and_no_others(options):
    meant = builders.failed(ALICE, "source_refused")
    Video.objects.update(updated_at=timezone.now() - timedelta(days=8))
    others = [builders.completed(BOB)]

    reprocess(*options)

    assert queued() == {meant.pk}
    assert Video.objects.get(pk=others[0].pk).status == "completed"


def test_it_knows_what_the_text_came_from_and_who_wrote_it():
    captioned, heard = builders.completed(), builders.completed()
    heard.transcript.engine = "faster-whisper"
    heard.transcript.save()
    Video.objects.filter(pk=heard.pk).update(source="speech")

    reprocess("--source=captions")
    assert queued() == {captioned.pk}

    reprocess("--engine=faster-whisper", "--newer-than=1h")
    assert queued() == {captioned.pk, heard.pk}


def test_it_never_takes_all_by_mistake():
    builders.failed()

    assert "--state" in refused(2)
    assert "either ids" in refused(2, uuid.uuid4(), "--state=failed")
    assert queued() == set()


def test_what_goes_on_by_itself_needs_force():
    builders.processing()

    assert "--force" in refused(2, "--state=processing")
    assert queued() == set()


@pytest.mark.parametrize("options", [["--user=nobody@example.com"], ["--state=failed"]], ids=" ".join)
def test_nobody_and_nothing_are_said_so(options):
    assert "no " in refused(3, *options).lower()


def test_it_ends_at_the_limit(sqs, settings):
    for _ in range(14):
        builders.failed()

    reprocess("--state=failed", "--limit=12")

    assert len(queued()) == len(messages(sqs, settings)) == 12


def test_windows_and_slices_leave_nothing_out_and_take_nothing_twice(sqs, settings, monkeypatch):
    monkeypatch.setattr(reprocessing, "WINDOW", 7)
    for number in range(30):
        (builders.completed if number % 3 else builders.failed)()

    reprocess("--state=failed")

    sent = [message["video_id"] for message in messages(sqs, settings)]
    assert sorted(sent) == sorted(map(str, queued()))
    assert len(sent) == 10


def test_a_dry_run_says_what_there_is_and_changes_nothing(sqs, settings, capsys):
    builders.failed(code="source_refused")
    builders.completed()

    reprocess("--user", ALICE, "--dry-run")

    said = capsys.readouterr().out
    assert "Would start 2 videos" in said
    assert "1 failed source_refused" in said
    assert (queued(), messages(sqs, settings)) == (set(), [])


def test_one_is_no_plural(capsys):
    builders.failed()

    reprocess("--state=failed", "--dry-run")

    assert "Would start 1 video:" in capsys.readouterr().out


def test_a_script_gets_a_line_for_each_and_a_summary(capsys):
    video, nobody = builders.failed(), uuid.uuid4()

    refused(1, video.pk, nobody, "--json")

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"video_id": str(video.pk), "result": "queued"} in lines
    assert {"video_id": str(nobody), "result": "unknown"} in lines
    assert lines[-1]["summary"] == {"queued": 1, "unknown": 1, "unsent": 0}


def test_it_keeps_to_the_rate():
    for _ in range(20):
        builders.failed()
    begun = time.monotonic()

    reprocess("--state=failed", "--rate=40/s")

    assert time.monotonic() - begun >= 0.5


# --- while things fail


def test_what_the_queue_does_not_take_is_left_to_the_sweep(sqs, settings, capsys):
    for _ in range(3):
        builders.failed()
    refused = {"Id": "2", "Code": "InternalError", "SenderFault": False}

    def take_two(params, **kwargs):
        params["Entries"] = params["Entries"][:2]

    def say_so(parsed, **kwargs):
        parsed["Failed"] = [refused]

    events = queue._client(queue.BATCH_SECONDS).meta.events
    events.register("provide-client-params.sqs.SendMessageBatch", take_two)
    events.register("after-call.sqs.SendMessageBatch", say_so)

    reprocess("--state=failed")

    assert Video.objects.unsent(resend_after=60).count() == 1
    assert len(messages(sqs, settings)) == 2
    assert "1 of them could not be sent" in capsys.readouterr().err


def test_a_queue_that_is_down_ends_it_and_loses_nothing(settings):
    settings.SQS_QUEUE_URL = ""
    for _ in range(12):
        builders.failed()

    assert "10 of 12 are started. The same call goes on with the rest." in refused(1, "--state=failed")

    assert Video.objects.unsent(resend_after=60).count() == 10


def test_a_queue_that_is_down_leaves_no_rest_where_all_are_started(settings):
    settings.SQS_QUEUE_URL = ""
    builders.failed()

    said = refused(1, "--state=failed")

    assert "1 of 1 is started." in said
    assert "the rest" not in said


def test_a_queue_that_fails_on_the_way_leaves_ten_to_the_sweep(sqs, settings):
    for _ in range(100):
        builders.failed()
    requests = itertools.count(1)

    def fail_the_third(params, **kwargs):
        if next(requests) == 3:
            raise EndpointConnectionError(endpoint_url="https://sqs.example")

    queue._client(queue.BATCH_SECONDS).meta.events.register(
        "provide-client-params.sqs.SendMessageBatch", fail_the_third
    )

    said = refused(1, "--state=failed")

    sent = len(messages(sqs, settings))
    assert f"{sent + 10} of 100 are started" in said
    assert Video.objects.unsent(resend_after=60).count() == 10
    assert sent <= 40


def test_ten_are_committed_while_others_are_being_sent(sqs, settings):
    for _ in range(30):
        builders.failed()
    both = threading.Barrier(2)
    requests = itertools.count(1)

    def wait_for_another(params, **kwargs):
        if next(requests) > 1:  # nobody goes ahead of the first
            both.wait(timeout=30)

    events = queue._client(queue.BATCH_SECONDS).meta.events
    events.register("provide-client-params.sqs.SendMessageBatch", wait_for_another)

    reprocess("--state=failed")

    assert len(messages(sqs, settings)) == 30


def test_a_commit_whose_answer_was_lost_is_known_as_its_own(sqs, settings):
    video = builders.failed()

    with lost_answers():
        started = reprocessing.start([video.pk], states=[Video.Status.FAILED])

    assert [row.pk for row in started.queued] == [video.pk]
    assert Video.objects.get().fence == video.fence + 1
    assert len(messages(sqs, settings)) == 1


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite locks no single rows")
def test_a_row_that_somebody_has_locked_holds_nobody_up(sqs, settings):
    locked, free = builders.failed(), builders.failed()
    with transaction.atomic():
        Video.objects.select_for_update().get(pk=locked.pk)
        with ThreadPoolExecutor(1) as other:
            refusal = other.submit(refused, 1, "--state=failed").result(timeout=20)
            other.submit(lambda: connection.close()).result()

    assert "locked by somebody else" in refusal
    assert queued() == {free.pk}


# --- as a process


@pytest.fixture
def environment(settings) -> dict[str, str]:
    database = settings.DATABASES["default"]
    url = f"sqlite:///{database['NAME']}"
    if database["ENGINE"].endswith("mysql"):
        url = f"mysql://root@localhost/{database['NAME']}?unix_socket={database['OPTIONS']['unix_socket']}"
    names = {"DATABASE_URL": url, "SQS_QUEUE_URL": settings.SQS_QUEUE_URL}
    return os.environ | {"DJANGO_SETTINGS_MODULE": "ytbackend.settings"} | names


def test_ctrl_c_ends_it_between_two_steps_and_the_same_call_goes_on(environment, sqs, settings):
    for _ in range(60):
        builders.failed()
    call = [sys.executable, "manage.py", "reprocess", "--state=failed", "--json"]

    process = subprocess.Popen(
        [*call, "--rate=20/s"],
        cwd=project.BASE_DIR,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)

    assert process.returncode == 130, err
    lines = [json.loads(line) for line in (first + out).splitlines()]
    assert 0 < lines[-1]["summary"]["queued"] == len(lines) - 1 < 60
    assert b"The same call goes on with the rest" in err

    done = subprocess.run(call, cwd=project.BASE_DIR, env=environment, capture_output=True, check=False)
    assert (done.returncode, len(queued())) == (0, 60)
    assert len(messages(sqs, settings)) == 60


@pytest.mark.parametrize(("arguments", "code"), [(["--nonsense"], 2), ([], 2), (["--state=failed"], 3)])
def test_exit_codes_mean_something(environment, arguments, code):
    done = subprocess.run(
        [sys.executable, "manage.py", "reprocess", *arguments],
        cwd=project.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr
