"""What crosses the boundary between rows, messages and files: submit, retry, delete, sweep."""

import logging
import uuid
from collections.abc import Callable
from typing import NamedTuple

from django.conf import settings
from django.db import IntegrityError, transaction

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
    try:
        return _submit(user, youtube_id, mode, language)
    except (Video.DoesNotExist, IntegrityError):  # somebody deleted the row while we were looking at it
        return _submit(user, youtube_id, mode, language)


def _submit(user: User, youtube_id: str, mode: str, language: str) -> tuple[Video, bool]:
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


def claim_video(video_id: uuid.UUID) -> Video | None:
    """Takes a video into work, also one whose worker is gone; None where that is not possible now."""
    for video in Video.objects.abandoned().filter(pk=video_id):
        end_attempt(video, video.abandon)
    return Video.objects.claim(video_id)


def end_attempt(video: Video, transition: Callable[[], bool]) -> bool:
    """Ends an attempt that came to nothing, by one of the video's transitions; its files go, now or by the sweep.

    False where the transition did not happen: the claim was not ours any more.
    """
    prefix = video.attempt_prefix
    with transaction.atomic():
        if not transition():
            return False
        deletion, _ = Deletion.objects.get_or_create(prefix=prefix)
    _delete_files(deletion)
    return True


def delete_video(video: Video) -> None:
    """Removes the row with its transcript at once; its files now if storage answers, else by the sweep."""
    with transaction.atomic():
        # Locked first, in the order in which a completing worker locks: video, then transcript.
        Video.objects.select_for_update().filter(pk=video.pk).first()
        removed, _ = Video.objects.filter(pk=video.pk).delete()
        if not removed:
            return
        deletion, _ = Deletion.objects.get_or_create(prefix=video.files_prefix)
    _delete_files(deletion)


class Swept(NamedTuple):
    """What one sweep did, in rows."""

    sent: int
    taken_back: int
    given_up: int
    deletions: int


def sweep() -> Swept:
    """Puts right what an outage or a crash has left behind. Safe to repeat and to run twice at once."""
    taken_back, given_up = _end_abandoned()
    return Swept(_send_unsent(), taken_back, given_up, _finish_deletions())


def _end_abandoned() -> tuple[int, int]:
    taken_back = given_up = 0
    for video in Video.objects.abandoned().order_by("lease_expires_at")[:BATCH]:
        last = video.attempt >= settings.MAX_ATTEMPTS
        if end_attempt(video, video.abandon):
            taken_back += not last
            given_up += last
    return taken_back, given_up


def _send_unsent() -> int:
    sent = 0
    for video in Video.objects.unsent(resend_after=RESEND_AFTER_SECONDS).order_by("created_at")[:BATCH]:
        if not send(video):
            break  # the queue is down: the rest would only wait for it as well
        sent += 1
    return sent


def _finish_deletions() -> int:
    finished = failures = 0
    for deletion in Deletion.objects.due().order_by("due_at")[:BATCH]:
        if _delete_files(deletion):
            finished += 1
            failures = 0
        elif (failures := failures + 1) == 3:
            break  # it is not these files, it is the storage
    return finished


def _delete_files(deletion: Deletion) -> bool:
    gone = files.delete_below(deletion.prefix)
    if gone:
        deletion.succeeded()
    else:
        deletion.failed()
    return gone
