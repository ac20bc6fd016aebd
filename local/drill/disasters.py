"""The disasters: each submits its videos, does harm, and returns what it has submitted and what was deleted.

A small selection of what ``tests/faults`` does in full; these need nothing but the service's own processes.
"""

import signal
import subprocess
from collections.abc import Callable
from typing import NamedTuple

from django.db import connection

from accounts.models import User
from local.drill.scratch import LEASE_SECONDS, Clip, Scratch, wait_for
from videos import queue, services
from videos.models import Attempt, Video

Worker = subprocess.Popen[bytes]


class Played(NamedTuple):
    """What a disaster was about."""

    submitted: list[Video]
    deleted: tuple[Video, ...] = ()


def killed_at_its_work(scratch: Scratch) -> Played:
    """A worker is killed (SIGKILL) while it reads the captions."""
    clip, video, worker = _busy(scratch)
    scratch.end(worker)
    clip.let_go()
    scratch.start("run_worker")
    return Played([video])


def killed_before_it_stores(scratch: Scratch) -> Played:
    """A worker is killed with the transcript in its hands, which it could not store."""
    clip, video, worker = _busy(scratch)
    with scratch.without_storage():
        clip.let_go()
        wait_for(lambda: _now(video).stage == Video.Stage.STORING, "the worker wants to store")
        scratch.end(worker)
    scratch.start("run_worker")
    return Played([video])


def frozen_past_its_lease(scratch: Scratch) -> Played:
    """A worker is frozen (SIGSTOP) until another one has finished its job, and then goes on."""
    clip, video, worker = _busy(scratch)
    worker.send_signal(signal.SIGSTOP)
    scratch.start("run_worker")
    wait_for(lambda: _now(video).fence > video.fence + 1, "another one takes over")
    clip.let_go()
    wait_for(lambda: _now(video).status == Video.Status.COMPLETED, "the other one completes it")
    worker.send_signal(signal.SIGCONT)
    scratch.wait_until_it_says(worker, "was deleted or taken over")
    return Played([video])


def queue_purged(scratch: Scratch) -> Played:
    """Every message is lost, and nobody is told."""
    videos = [_submit(scratch.clip()) for _ in range(5)]
    scratch.sqs.purge_queue(QueueUrl=scratch.queue_url)
    scratch.start("run_worker")
    return Played(videos)


def everything_comes_ten_times(scratch: Scratch) -> Played:
    """SQS delivers each message ten times, to two workers."""
    videos = [_submit(scratch.clip()) for _ in range(3)]
    for video in videos:
        for _ in range(9):
            scratch.sqs.send_message(QueueUrl=scratch.queue_url, MessageBody=queue.body(video))
    for _ in range(2):
        scratch.start("run_worker")
    return Played(videos)


def storage_down(scratch: Scratch) -> Played:
    """The bucket cannot be reached when the transcript is to be stored, for longer than a lease."""
    clip, video, _ = _busy(scratch)
    with scratch.without_storage():
        clip.let_go()
        wait_for(lambda: _now(video).stage == Video.Stage.STORING, "the worker wants to store")
        expires = _now(video).lease_expires_at
        wait_for(
            lambda: _now(video).lease_expires_at != expires, "it waits, and keeps its claim", seconds=LEASE_SECONDS * 3
        )
    return Played([video])


def database_cut(scratch: Scratch) -> Played:
    """Every connection to the database is cut, three times, in the middle of a job."""
    clip, video, _ = _busy(scratch)
    for _ in range(3):
        scratch.cut_database()
        connection.close()
        wait_for(lambda: Attempt.objects.filter(video=video).exists(), "the database answers")
    clip.let_go()
    return Played([video])


def deleted_in_the_middle(scratch: Scratch) -> Played:
    """A user deletes a video while a worker is at it."""
    clip, video, worker = _busy(scratch)
    services.delete_video(video)
    clip.let_go()
    scratch.wait_until_it_says(worker, "was deleted or taken over")
    return Played([video], deleted=(video,))


DISASTERS: tuple[Callable[[Scratch], Played], ...] = (
    killed_at_its_work,
    killed_before_it_stores,
    frozen_past_its_lease,
    queue_purged,
    everything_comes_ten_times,
    storage_down,
    database_cut,
    deleted_in_the_middle,
)


def _submit(clip: Clip) -> Video:
    user = User.objects.seen("d4111000-0000-4000-8000-000000000001", "drill@example.com")
    video, _ = services.submit_video(user=user, youtube_id=clip.id, mode="captions", language="")
    return video


def _busy(scratch: Scratch) -> tuple[Clip, Video, Worker]:
    """A worker in the middle of a job."""
    clip = scratch.clip()
    clip.hold()
    video = _submit(clip)
    worker = scratch.start("run_worker")
    wait_for(lambda: _now(video).stage == Video.Stage.CAPTIONS, "a worker reads the captions")
    return clip, video, worker


def _now(video: Video) -> Video:
    return Video.objects.get(pk=video.pk)
