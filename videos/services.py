"""What crosses the boundary between rows, messages and files: submit, retry, delete, sweep."""

import logging
from typing import NamedTuple

from django.db import transaction

from accounts.models import User
from videos import files, queue
from videos.models import Deletion, Video
from videos.youtube_url import watch_url

log = logging.getLogger(__name__)

RESEND_AFTER_SECONDS = 3600  # a message under way for longer may be lost; a second one does no harm
BATCH = 500  # rows a sweep touches at most of each kind; the next one goes on


def submit_video(*, user: User, youtube_id: str, mode: str, language: str) -> tuple[Video, bool]:
    """Accepts a link; returns the video and whether there is now work to do.

    A video that this user already has is returned as it is, unless it has failed: then it starts again,
    with the mode and language of this call. The row is committed before the message is sent, and it
    is enough: a queue that is down delays the job and loses nothing.
    """
    wanted = {"mode": mode, "wanted_language": language}
    with transaction.atomic():
        video, started = Video.objects.get_or_create(
            user=user, youtube_id=youtube_id, defaults={"url": watch_url(youtube_id), **wanted}
        )
        if not started:
            started = video.retry(**wanted)
            video.refresh_from_db()
        if started:
            transaction.on_commit(lambda: send(video))
    return video, started


def retry_video(video: Video) -> bool:
    """Starts a failed video again; False where it has not failed."""
    with transaction.atomic():
        started = video.retry()
        if started:
            video.refresh_from_db()
            transaction.on_commit(lambda: send(video))
    return started


def send(video: Video, *, delay: float = 0) -> bool:
    """Sends the message for a committed row and stamps the row; False where SQS is down (the sweep will)."""
    try:
        queue.send(video, delay=delay)
    except queue.QueueUnavailable as error:
        log.warning("video %s stays unsent until the next sweep: %s", video.pk, error)
        return False
    video.sent()
    return True


def delete_video(video: Video) -> None:
    """Removes the row with its transcript at once; its files now if storage answers, else by the sweep."""
    with transaction.atomic():
        # Locked first, in the order in which a completing worker locks: video, then transcript.
        Video.objects.select_for_update().filter(pk=video.pk).first()
        removed, _ = Video.objects.filter(pk=video.pk).delete()
        if not removed:
            return
        deletion, _ = Deletion.objects.get_or_create(video_id=video.pk)
    _delete_files(deletion)


class Swept(NamedTuple):
    """What one sweep did, in rows."""

    sent: int
    taken_back: int
    given_up: int
    deletions: int


def sweep() -> Swept:
    """Puts right what an outage or a crash has left behind. Safe to repeat and to run twice at once."""
    given_up = Video.objects.give_up_abandoned()
    taken_back = Video.objects.take_back_abandoned()
    Video.objects.overdue(RESEND_AFTER_SECONDS).update(enqueued_at=None)
    return Swept(_send_unsent(), taken_back, given_up, _finish_deletions())


def _send_unsent() -> int:
    sent = 0
    for video in Video.objects.unsent().order_by("created_at")[:BATCH]:
        if not send(video):
            break  # the queue is down: the rest would only wait for it as well
        sent += 1
    return sent


def _finish_deletions() -> int:
    finished = 0
    for deletion in Deletion.objects.due().order_by("due_at")[:BATCH]:
        if not _delete_files(deletion):
            break  # the storage is down
        finished += 1
    return finished


def _delete_files(deletion: Deletion) -> bool:
    if gone := files.delete_below(deletion.files_prefix):
        deletion.files_deleted()
    return gone
