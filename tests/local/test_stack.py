"""``make demo`` and ``make run`` as somebody meets them: as processes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Nothing of this test run's own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COGNITO_", "DJANGO_"))}
    # Where nobody answers: YouTube cannot be reached.
    return kept | {"DATA_DIR": str(folder), "YOUTUBE_PROXY_URL": "http://127.0.0.1:9", "COLUMNS": "200"} | more


def demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local.demo", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment(folder), capture_output=True, text=True, timeout=120, check=False
    )


def test_the_demo_shows_the_main_job_both_ways_and_ends(tmp_path):
    done = demo(tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "from captions (youtube, human)" in done.stdout
    assert "from speech (faster-whisper, whisper-tiny.en)" in done.stdout
    assert len(re.findall(r"0:\d\d +\S+ \S+", done.stdout)) >= 20
    assert "202" in done.stdout
    assert done.stderr == ""


def test_the_demo_says_plainly_when_youtube_cannot_be_reached_and_shows_the_sample(tmp_path):
    done = demo(tmp_path, "https://youtu.be/dQw4w9WgXcQ")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "YouTube cannot be reached" in done.stdout
    assert "How a video becomes a transcript" in done.stdout


@contextmanager
def running(folder: Path, port: int, *, exit_code: int = 0) -> Iterator[tuple[str, str, Path]]:
    """``make run``; gives the API's address, a token, and what was printed."""
    log = folder / "run.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "local.run"],
            cwd=ROOT, env=environment(folder, PORT=str(port)), stdout=output, stderr=output,
        )  # fmt: skip
    try:
        wait_for(lambda: "TOKEN=" in log.read_text(), process)
        yield f"http://127.0.0.1:{port}", re.search(r"TOKEN=(\S+)", log.read_text())[1], log
    finally:
        if exit_code == 0:  # else it ends by itself
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == exit_code


def wait_for(condition, process=None) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        assert process is None or process.poll() is None
        time.sleep(0.1)


def call(address: str, token: str, body: object = None) -> dict:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body else None
    with urllib.request.urlopen(urllib.request.Request(address, data=data, headers=headers)) as answer:
        return json.load(answer)


@pytest.fixture
def port() -> int:
    from local.stack import free_port

    return free_port()


def test_the_running_stack_works_and_its_data_survives_a_restart(tmp_path, port):
    with running(tmp_path, port) as (api, token, log):
        video = call(f"{api}/analyze", token, {"url": "https://youtu.be/SampleCapt1"})
        wait_for(lambda: call(f"{api}/videos/{video['id']}", token)["status"] == "completed")
        printed = log.read_text()
    assert f"{api}/docs" in printed
    assert f"{api}/admin/" in printed
    assert re.search(r"login admin, password \S+", printed)
    assert "-m local.manage" in printed

    # A job that was queued when the stack ended, with a message that is gone with it.
    subprocess.run(
        [sys.executable, "manage.py", "shell", "-v0", "-c", QUEUE_ONE],
        cwd=ROOT,
        env=environment(tmp_path, DJANGO_DEBUG="true", DATABASE_URL=f"sqlite:///{tmp_path}/db.sqlite3"),
        check=True,
    )  # fmt: skip

    with running(tmp_path, port) as (api, token, _):
        wait_for(lambda: [v["status"] for v in call(f"{api}/videos", token)["results"]] == ["completed", "completed"])


QUEUE_ONE = """
from django.utils import timezone
from accounts.models import User
from local.cognito import USER_SUB
from videos.models import Video
Video.objects.create(
    user=User.objects.get(id=USER_SUB), youtube_id="SampleVoice", url="https://www.youtube.com/watch?v=SampleVoice",
    enqueued_at=timezone.now(),
)
"""


def manage(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local.manage", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment(folder), capture_output=True, text=True, timeout=60, check=False
    )


def test_operators_commands_reach_the_running_stack_and_no_other(tmp_path, port):
    with running(tmp_path, port) as (api, token, _):
        video = call(f"{api}/analyze", token, {"url": "https://youtu.be/SampleCapt1"})
        told = manage(tmp_path, "video", video["id"], "--json")
        asked = manage(tmp_path, "queue", "--json")
        nobody = manage(tmp_path, "video", "nosuchvideo")
        kept = tmp_path / "settings.json"
        assert kept.stat().st_mode & 0o077 == 0
        left = kept.read_text()

    assert json.loads(told.stdout)["id"] == video["id"], told.stderr
    assert asked.returncode == 0, asked.stderr  # the queue is in the memory of the stack
    assert nobody.returncode == 3
    assert not kept.exists()
    kept.write_text(left)  # as a stack that was killed leaves it
    refused = manage(tmp_path, "queue")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("make run is not running on")


@pytest.mark.parametrize("link", ["nonsense", "https://vimeo.com/12345", "https://www.youtube.com/playlist?list=PL1"])
def test_the_demo_refuses_what_is_no_link_to_a_video(tmp_path, link):
    done = demo(tmp_path, link)

    assert done.returncode == 2
    assert done.stdout.startswith(f"{link}: ")


def test_the_running_stack_ends_without_a_word_too_many_when_it_is_interrupted(tmp_path, port):
    log = tmp_path / "run.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            # As a shell without job control starts what it puts into the background.
            ["env", "--ignore-signal=INT", sys.executable, "-m", "local.run"],
            cwd=ROOT,
            env=environment(tmp_path, PORT=str(port)),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    wait_for(lambda: "TOKEN=" in log.read_text(), process)

    os.killpg(process.pid, signal.SIGINT)  # as a terminal does at Ctrl-C

    assert process.wait(timeout=8) == 0
    assert "Traceback" not in log.read_text()
    assert "Stopped. The data stays in" in log.read_text()


def processes_of(folder: Path, words: str) -> list[int]:
    """The processes of the stack on this folder whose command line has these words."""
    found = subprocess.run(["pgrep", "-f", words], capture_output=True, text=True, check=False).stdout.split()
    environments = {int(pid): Path(f"/proc/{pid}/environ") for pid in found}
    return [pid for pid, path in environments.items() if path.exists() and str(folder) in path.read_text()]


def test_the_running_stack_leaves_no_process_behind_when_it_is_killed(tmp_path, port):
    with running(tmp_path, port, exit_code=-signal.SIGKILL):
        children = [pid for word in ("runserver", "run_worker", "sweep") for pid in processes_of(tmp_path, word)]
        assert len(children) >= 3
        (stack,) = processes_of(tmp_path, "local.run")
        os.kill(stack, signal.SIGKILL)

        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))


def test_the_running_stack_tells_what_became_of_a_worker_that_was_killed(tmp_path, port):
    with running(tmp_path, port, exit_code=1) as (_, _, log):
        os.kill(processes_of(tmp_path, "run_worker")[0], signal.SIGKILL)
        wait_for(lambda: "was killed by SIGKILL" in log.read_text())
        assert "Start again" in log.read_text()


@pytest.mark.parametrize("value", ["foo", "99999", "0"])
def test_the_running_stack_refuses_a_port_that_is_none(tmp_path, value):
    done = subprocess.run(
        [sys.executable, "-m", "local.run"],
        cwd=ROOT,
        env=environment(tmp_path, PORT=value),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout.strip()) == (1, f"PORT is '{value}', but must be a number from 1 to 65535.")


def test_a_second_stack_on_the_same_data_is_refused(tmp_path, port):
    from local.stack import free_port

    with running(tmp_path, port):
        second = subprocess.run(
            [sys.executable, "-m", "local.run"],
            cwd=ROOT,
            env=environment(tmp_path, PORT=str(free_port())),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert second.returncode == 1
    assert "Another stack is running on" in second.stdout


def test_the_running_stack_says_so_when_its_port_is_taken(tmp_path, port):
    with running(tmp_path, port):
        second = subprocess.run(
            [sys.executable, "-m", "local.run"],
            cwd=ROOT,
            env=environment(tmp_path, PORT=str(port)),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    assert second.returncode == 1
    assert "PORT=" in second.stdout
