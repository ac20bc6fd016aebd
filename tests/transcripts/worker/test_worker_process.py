"""The worker as a process: how it begins, and how it ends when it is told to."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as project
from django.core.management import call_command
from django.db.models.functions import Now

from tests import builders
from tests.conftest import messages
from videos import sweeping
from videos.models import Video

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sqs", "_signals")]

CAPTIONED, VOICE = "SampleCapt1", "SampleVoice"


# --- the command


def test_the_command_handles_one_message_and_ends(stand_in, capsys):
    builders.queued(youtube_id=CAPTIONED)
    builders.queued(youtube_id="nosuchvideo")
    sweeping.sweep()

    call_command("run_worker", "--once")

    assert Video.objects.filter(status__in=["completed", "failed"]).count() == 1
    assert capsys.readouterr().out == "1 messages handled\n"


def test_the_command_ends_when_idle(capsys):
    call_command("run_worker", "--idle-exit", "0")

    assert capsys.readouterr().out == "0 messages handled\n"


@pytest.fixture(params=["1", "3"], ids=["one at a time", "side by side"])
def worker_process(stand_in, settings, tmp_path, request):
    """A worker as a process of its own, on the test's database and queue."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("mysql"):
        url = f"mysql://root@localhost/{database['NAME']}?unix_socket={database['OPTIONS']['unix_socket']}"
    else:
        url = f"sqlite:///{database['NAME']}"
    environment = os.environ | stand_in.environment() | {
        "DJANGO_SETTINGS_MODULE": "ytbackend.settings",
        "DATABASE_URL": url,
        "SQS_QUEUE_URL": settings.SQS_QUEUE_URL,
        "LOG_LEVEL": "INFO",
        "YOUTUBE_RETRIES": "0",
        "WORKER_JOBS": request.param,
    }  # fmt: skip
    log = tmp_path / "worker.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "run_worker"],
            cwd=project.BASE_DIR,
            env=environment,
            stdout=output,
            stderr=output,
        )
    yield process, log
    process.kill()
    process.wait()


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def test_a_worker_that_is_idle_ends_at_once_in_the_middle_of_a_long_poll(worker_process):
    process, log = worker_process
    wait_for(lambda: "waiting for messages" in log.read_text())

    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=5) == 0
    assert re.search("stopped after 0 messages", log.read_text())


@pytest.fixture
def idle(worker_process, sqs, settings):
    """What Linux says of a worker that has asked the queue and found no work: of its memory, and of what is loaded."""
    process, log = worker_process
    sqs.send_message(QueueUrl=settings.SQS_QUEUE_URL, MessageBody="hello")
    wait_for(lambda: "not ours" in log.read_text())
    return (Path(f"/proc/{process.pid}/{name}").read_text() for name in ("status", "maps"))


HAS_PROC = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="memory is told under /proc")


@HAS_PROC
def test_a_worker_that_is_idle_takes_less_than_100_mb(idle):
    status, _ = idle

    assert int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) < 100_000


@HAS_PROC
def test_a_worker_that_is_idle_has_not_loaded_what_speech_needs(idle):
    _, maps = idle

    assert [name for name in ("ctranslate2", "onnxruntime", "/av/", "numpy", "tokenizers") if name in maps] == []


@pytest.fixture
def held(stand_in):
    """A way to have YouTube wait with an answer: gives what tells that it was asked, and what lets it answer."""
    go_on = threading.Event()

    def hold(youtube_id: str, endpoint: str) -> tuple[threading.Event, threading.Event]:
        asked = threading.Event()

        def wait(site) -> bool:
            asked.set()
            go_on.wait(30)
            return False

        stand_in.videos[youtube_id].faults[endpoint] = wait
        return asked, go_on

    yield hold
    go_on.set()


@pytest.fixture
def busy(worker_process, held):
    """The worker in the middle of a job that will not take long, told to stop; the event lets YouTube answer."""
    process, log = worker_process
    asked, go_on = held(CAPTIONED, "timedtext")
    video = builders.queued(youtube_id=CAPTIONED)
    sweeping.sweep()
    assert asked.wait(30)
    process.send_signal(signal.SIGTERM)
    wait_for(lambda: "seconds to finish" in log.read_text())
    return video, go_on


def test_a_worker_that_has_much_left_to_do_gives_its_job_back_at_once(worker_process, held, sqs, settings):
    process, _ = worker_process
    asked, _ = held(VOICE, "media")
    video = builders.queued(youtube_id=VOICE)
    sweeping.sweep()
    assert asked.wait(30)

    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=15) == 0
    video.refresh_from_db()
    assert (video.status, video.attempt, video.error_code) == ("queued", 0, "worker_stopped")
    assert video.attempts.get().outcome == "interrupted"
    assert [message["video_id"] for message in messages(sqs, settings)] == [str(video.pk)]  # for another worker, now


def test_a_worker_that_is_nearly_done_finishes_its_job_first(worker_process, busy):
    process, (video, go_on) = worker_process[0], busy

    go_on.set()

    assert process.wait(timeout=30) == 0
    video.refresh_from_db()
    assert video.status == "completed"


def test_a_worker_that_is_told_twice_ends_now(worker_process, busy):
    process, (video, _) = worker_process[0], busy

    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=10) == -signal.SIGTERM
    video.refresh_from_db()
    assert video.status == "processing"  # until the lease ends and the sweep takes it back


# --- several jobs in hand


SIDE_BY_SIDE = pytest.mark.parametrize("worker_process", ["3"], indirect=True)


@pytest.fixture
def two_in_hand(worker_process, held):
    """A worker that does two jobs, neither of which YouTube answers; the one in the middle of its sound."""
    asked = [held(VOICE, "media")[0], held(CAPTIONED, "timedtext")[0]]
    videos = [builders.queued(youtube_id=youtube_id) for youtube_id in (VOICE, CAPTIONED)]
    sweeping.sweep()
    assert all(event.wait(30) for event in asked)
    return videos


@SIDE_BY_SIDE
def test_a_worker_that_is_told_to_stop_has_as_much_patience_with_each_job_as_that_needs(
    worker_process, two_in_hand, held
):
    process, _ = worker_process
    process.send_signal(signal.SIGTERM)
    wait_for(lambda: Video.objects.filter(error_code="worker_stopped").exists())

    held(VOICE, "media")[1].set()

    assert process.wait(timeout=30) == 0
    outcomes = [(video.status, video.attempt) for video in Video.objects.order_by("youtube_id")]
    assert outcomes == [("completed", 1), ("queued", 0)]


@SIDE_BY_SIDE
def test_what_a_killed_worker_had_in_hand_is_all_taken_back(worker_process, two_in_hand):
    process, _ = worker_process
    process.kill()
    process.wait()
    Video.objects.update(lease_expires_at=Now() - timedelta(seconds=1))

    sweeping.sweep()

    assert [(video.status, video.enqueued_at is not None) for video in Video.objects.all()] == [("queued", True)] * 2
