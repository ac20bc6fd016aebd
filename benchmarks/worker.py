"""What a caption job costs a worker, and how many it does in a minute with some of them side by side.

    python -m benchmarks.worker --json figures.json

The real worker in a process of its own, on MariaDB over TCP and SQS's protocol (moto); the real yt-dlp against the
stand-in of YouTube, which takes ``--latency`` for each answer as a far side does, and sends a watch page of YouTube's
true size. The rounds take turns with yt-dlp alone, which fetches the same captions in a bare loop. Processor time is
that of the process and its children, less that of one with a single job, so that imports do not count. Linux only.
"""

import argparse
import json
import logging
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import django

from benchmarks.process import memory_mb

JOBS = {1: 5, 2: 7, 4: 9, 8: 13}  # side by side: in a round
BARE = 5
LINES = 400  # of captions, as in half an hour
MOST_IDLE_MB = 100


def stand_in(latency: float, channel: Connection) -> None:
    """Be YouTube in a process of its own until the channel is closed."""
    from local.youtube import Site, StandIn, Track
    from tests.youtube_scenarios import RECORDED_ID, recorded, watch_page

    def wait(site: Site) -> bool:
        time.sleep(latency)
        return False

    video = recorded("youtube", RECORDED_ID)
    video.watch_page = watch_page()
    cues = [(n * 4000, n * 4000 + 3900, f"This is line {n} of what is said in it") for n in range(LINES)]
    video.tracks = [Track("en", cues), Track("en", cues, automatic=True)]
    video.faults = dict.fromkeys(("watch", "player", "next", "timedtext"), wait)
    with StandIn([video]) as youtube:
        channel.send((RECORDED_ID, youtube.environment()))
        while channel.recv() == "asked":
            channel.send([request.endpoint for request in youtube.log])
            youtube.log.clear()


def bare(times: int, youtube_id: str) -> None:
    """Ask what the video is and fetch its captions, by yt-dlp alone."""
    from yt_dlp import YoutubeDL
    from yt_dlp.downloader.http import HttpFD

    options = {
        "quiet": True,
        "noprogress": True,
        "no_warnings": True,
        "cachedir": False,
        "writesubtitles": True,
        "allowed_extractors": ["^youtube$"],
        "proxy": os.environ["YOUTUBE_PROXY_URL"],
        "compat_opts": {"no-certifi"},
        "extractor_args": {"youtube": {"skip": ["translated_subs", "hls", "dash"]}},
    }
    for _ in range(times):
        with YoutubeDL(options) as client:
            address = f"https://www.youtube.com/watch?v={youtube_id}"
            info = client.extract_info(address, download=False, process=False)
            (track,) = [track for track in info["subtitles"]["en"] if track["ext"] == "json3"]
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "captions")
                HttpFD(client, client.params).download(str(path), dict(track))
                if len(json.loads(path.read_text("utf-8"))["events"]) != LINES + 1:
                    sys.exit("yt-dlp alone has not found all captions")


def run(*arguments: str, **environment: str) -> tuple[float, float, int]:
    """Start a Python program and wait for its end: when it started, its processor seconds, its peak in kilobytes."""
    started = time.time()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [sys.executable, *arguments], env=os.environ | environment, stdout=said, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            sys.exit(f"{' '.join(arguments)} has failed:\n{said.read().decode(errors='replace')[-3000:]}")
    return started, used.ru_utime + used.ru_stime, used.ru_maxrss


def worker(*limits: str, jobs: int) -> tuple[float, float, int]:
    """See ``run``."""
    return run("manage.py", "run_worker", *limits, WORKER_JOBS=str(jobs))


class Jobs:
    """What there is to do: the same video for as many users."""

    def __init__(self, youtube_id: str) -> None:
        self._youtube_id = youtube_id
        self._users = 0

    def submit(self, number: int) -> None:
        """Rows and messages."""
        from accounts.models import User
        from videos import services

        for _ in range(number):
            self._users += 1
            user = User.objects.seen(f"user-{self._users}", f"{self._users}@example.com")
            services.submit_video(user=user, youtube_id=self._youtube_id, mode="captions", language="")

    def last(self, number: int) -> tuple[float, float]:
        """When the first of the last attempts began, and when the last ended. All must have succeeded."""
        from videos.models import Attempt

        attempts = Attempt.objects.order_by("-pk").values_list("outcome", "started_at", "ended_at")[:number]
        outcomes, began, ended = zip(*attempts, strict=True)
        if set(outcomes) != {"completed"}:
            sys.exit(f"not all jobs were completed: {outcomes}")
        return min(began).timestamp(), max(ended).timestamp()


def idle_mb() -> float:
    """What a worker has in memory when it has asked its queue, another one than the jobs', for the first time."""
    environment = os.environ | {"SQS_QUEUE_URL": os.environ["SQS_QUEUE_URL"] + "-none"}
    command = [sys.executable, "manage.py", "run_worker"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        for line in process.stderr or ():
            if b"waiting for messages" in line:
                break
        time.sleep(1)
        return memory_mb(process=str(process.pid))
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def surroundings() -> Iterator[None]:
    """MariaDB over TCP and SQS, in the environment of this process, which its children have too."""
    import boto3
    from moto.server import ThreadedMotoServer

    from local.mariadb import Server
    from local.stack import free_port

    port = free_port()
    with Server(port=port) as database, tempfile.TemporaryDirectory() as folder:
        with database.connect() as root, root.cursor() as cursor:
            cursor.execute("CREATE DATABASE transcripts CHARACTER SET utf8mb4")
            cursor.execute("CREATE USER app@127.0.0.1 IDENTIFIED BY 'app'")
            cursor.execute("GRANT ALL ON transcripts.* TO app@127.0.0.1")
        aws = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        aws.start()
        host, aws_port = aws.get_host_and_port()
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "ytbackend.settings",
            "DJANGO_DEBUG": "true",
            "LOG_LEVEL": "INFO",
            "DATA_DIR": folder,
            "DATABASE_URL": f"mysql://app:app@127.0.0.1:{port}/transcripts",
            "S3_BUCKET": "",
            "AWS_ENDPOINT_URL": f"http://{host}:{aws_port}",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "QUOTA_SUBMISSIONS_PER_DAY": "0",
        }
        sqs = boto3.client("sqs")
        sqs.create_queue(QueueName="jobs-none")
        os.environ["SQS_QUEUE_URL"] = sqs.create_queue(QueueName="jobs")["QueueUrl"]
        try:
            yield
        finally:
            aws.stop()


def measured(rounds: int, jobs: Jobs, youtube_id: str, far_side: Connection) -> dict[str, list[float]]:
    """All figures, each as often as there are rounds."""
    figures: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        figures.setdefault(name, []).append(value)

    for _ in range(rounds):
        note("idle_mb", idle_mb())
        jobs.submit(1)
        started, single, _ = worker("--once", jobs=1)
        note("single_cpu_s", single)
        began, ended = jobs.last(1)
        note("to_first_job_s", began - started)
        note("to_first_transcript_s", ended - started)
        _, first, _ = run("-m", "benchmarks.worker", "--bare", "1", "--id", youtube_id)
        _, used, _ = run("-m", "benchmarks.worker", "--bare", str(BARE), "--id", youtube_id)
        note("bare_cpu_s_a_job", (used - first) / (BARE - 1))
        for side_by_side, number in JOBS.items():
            jobs.submit(number)
            far_side.send("asked")
            far_side.recv()
            _, used, peak = worker("--max-messages", str(number), jobs=side_by_side)
            began, ended = jobs.last(number)
            note(f"jobs_a_minute_{side_by_side}", number / (ended - began) * 60)
            note(f"cpu_s_a_job_{side_by_side}", (used - single) / (number - 1))
            note(f"peak_mb_{side_by_side}", peak / 1024)
            far_side.send("asked")
            note(f"requests_a_job_{side_by_side}", len(far_side.recv()) / number)
    return figures


def main() -> None:
    """Print the figures, and write their medians; end with 1 where an idle worker is too large."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds for each answer of YouTube's")
    parser.add_argument("--json", type=Path, help="where to write the medians: name to number")
    parser.add_argument("--bare", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--id", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare is not None:
        bare(options.bare, options.id)
        return

    far_side, theirs = multiprocessing.get_context("spawn").Pipe()
    youtube = multiprocessing.get_context("spawn").Process(target=stand_in, args=(options.latency, theirs), daemon=True)
    youtube.start()
    youtube_id, environment = far_side.recv()
    os.environ |= environment
    with surroundings():
        django.setup()
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        logging.getLogger("transcripts").setLevel(logging.ERROR)
        from django.core.management import call_command
        from django.db import connection

        call_command("migrate", verbosity=0)
        figures = measured(options.rounds, Jobs(youtube_id), youtube_id, far_side)
        connection.close()
    far_side.send("enough")
    youtube.join()

    medians = {name: round(statistics.median(values), 3) for name, values in figures.items()}
    medians["share_of_yt_dlp"] = round(medians["bare_cpu_s_a_job"] / medians["cpu_s_a_job_1"], 3)
    print(f"an answer of YouTube's takes {options.latency} s\n{'':24} {'median':>9} {'least':>9} {'most':>9}")
    for name, value in medians.items():
        values = figures.get(name, [value])
        print(f"{name:24} {value:9.2f} {min(values):9.2f} {max(values):9.2f}")
    if options.json:
        options.json.write_text(json.dumps(medians, indent=2) + "\n", "utf-8")
    if medians["idle_mb"] > MOST_IDLE_MB:
        sys.exit(f"an idle worker has more than {MOST_IDLE_MB} MB")


if __name__ == "__main__":
    main()
