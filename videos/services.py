"""What crosses the boundary between rows, messages and files: submit, retry, cancel, delete; end an attempt."""

import logging
import uuid
from collections.abc import Callable
from typing import NamedTuple

from django.db import Error as DatabaseFailed
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from accounts.prepared import Parameter, prepared
from videos import facts, files, idempotency, queue, quotas, traces
from videos.models import Deletion, IdempotencyKey, Reservation, Video
from videos.transactions import repeated
from videos.youtube_url import watch_url

log = logging.getLogger(__name__)

API_PATIENCE_SECONDS = 2  # for a database that fails in passing: a caller waits
# Longer than a lock is waited for (innodb_lock_wait_timeout): a hundred at once of one user stand in line.
SUBMIT_PATIENCE_SECONDS = 4


class Submission(NamedTuple):
    """What a user asks for. ``key`` is the request's ``Idempotency-Key``, or empty."""

    user: User
    youtube_id: str
    mode: str
    language: str
    key: str = ""

    @property
    def fingerprint(self) -> str:
        """The same for every way to ask for the same."""
        return idempotency.fingerprint(self.youtube_id, self.mode, self.language)


def submit_video(*, user: User, youtube_id: str, mode: str, language: str, key: str = "") -> tuple[Video, bool]:
    """Accepts a link; returns the video and whether there was work to do.

    A video that this user already has is returned as it is, unless it has failed: then it starts again,
    with the mode and language of this call. What has started is counted, in the same transaction. A request whose key
    has been here gets the first one's answer. The row is committed before the message is sent, and it
    is enough: a queue that is down delays the job and loses nothing.

    Raises ``QuotaExceeded``, ``KeyReused`` and ``VideoDeleted``; then nothing has changed.
    """
    wanted = Submission(user, youtube_id, mode, language, key)
    begun: set[tuple[uuid.UUID, int]] = set()  # tells our work from another call's, also if our commit's answer is lost

    def submit() -> tuple[Video, bool]:
        return _submit(wanted, begun)

    with traces.span("submit"):
        try:
            video, started = repeated(submit, seconds=SUBMIT_PATIENCE_SECONDS)
        except (Video.DoesNotExist, IntegrityError):  # somebody deleted the row while we were looking at it
            video, started = repeated(submit, seconds=API_PATIENCE_SECONDS)
        facts.learnt(video_id=str(video.pk))
        if _is_begun(video, begun):
            transaction.on_commit(lambda: send(video))
    return video, started


def _submit(wanted: Submission, begun: set[tuple[uuid.UUID, int]]) -> tuple[Video, bool]:
    user = wanted.user
    with transaction.atomic():
        now = quotas.lock(user.pk)
        earlier = IdempotencyKey.objects.of(user, wanted.key) if wanted.key else None
        if earlier:
            return _answered(earlier, wanted), earlier.started
        video = next(iter(_submitted(user=user.pk, youtube_id=wanted.youtube_id)), None)
        started = video is not None and _is_begun(video, begun)
        if video is None or video.status == Video.Status.FAILED:
            quotas.admit(user.pk, now, is_new=video is None, mode=wanted.mode)
            video, started = _started(wanted, video)
            if started:
                begun.add((video.pk, video.fence))
                quotas.count_submission(user.pk, now)
        if wanted.key:
            IdempotencyKey.objects.remember(
                user, wanted.key, body=wanted.fingerprint, video_id=video.pk, started=started
            )
    return video, started


_submitted = prepared(
    Video,
    lambda: Video.objects.filter(
        user=Parameter("user", User._meta.pk),
        youtube_id=Parameter("youtube_id", Video._meta.get_field("youtube_id")),
    ),
)


def _is_begun(video: Video, begun: set[tuple[uuid.UUID, int]]) -> bool:
    return video.status == Video.Status.QUEUED and (video.pk, video.fence) in begun


def _answered(earlier: IdempotencyKey, wanted: Submission) -> Video:
    """The video of an earlier request with the same key, as it is now."""
    if earlier.body_hash != wanted.fingerprint:
        raise idempotency.KeyReused
    video = Video.objects.filter(pk=earlier.video_id).first()
    if video is None:
        raise idempotency.VideoDeleted
    return video


def _started(wanted: Submission, video: Video | None) -> tuple[Video, bool]:
    what = {"mode": wanted.mode, "wanted_language": wanted.language}
    if video is None:
        link = {"youtube_id": wanted.youtube_id, "url": watch_url(wanted.youtube_id)}
        return Video.objects.create(user=wanted.user, **link, **what), True
    started = video.retry(**what)
    video.refresh_from_db()
    return video, started


def retry_video(video: Video) -> Video | None:
    """Starts a failed video again for its user, and returns it as it is then; None where it has not failed.

    It is counted as a submission. Raises ``QuotaExceeded``; then nothing has changed.
    """
    return _start_anew(video, [Video.Status.FAILED], counted=True)


def reprocess_video(
    video: Video, *, force: bool = False, mode: str | None = None, language: str | None = None
) -> Video | None:
    """Starts an ended video again, with ``force`` also one that waits or is in work; None where
    it is in no such state.

    An earlier transcript stays, with its files, until the next one takes its place. It is an operator who asks: the
    user's quotas neither stop it nor are charged.
    """
    states = list(Video.Status) if force else [Video.Status.COMPLETED, Video.Status.FAILED]
    return _start_anew(video, states, mode=mode, wanted_language=language)


def _start_anew(
    video: Video, states: list[Video.Status], *, counted: bool = False, **wanted: str | None
) -> Video | None:
    """One, with its user's quota where it is counted. ``reprocessing._start_anew`` starts ten at once, uncounted."""

    def start(row: Video) -> bool:
        return row.reprocess(from_states=states, unmetered=not counted, **wanted)

    started = _transfer(video, start, into=Video.Status.QUEUED, counted=counted)
    if started:
        transaction.on_commit(lambda: send(started))
    return started


def cancel_video(video: Video) -> bool:
    """Ends a video that waits or is in work; False where it has ended already."""
    return _transfer(video, Video.cancel, into=Video.Status.FAILED) is not None


def release_stuck(video: Video) -> bool:
    """Takes a video back whose worker is gone, and sends one that is due once more; False where nothing is stuck.

    A message too many does no harm. What waits for its time goes on waiting, unless ``reprocess_video`` forces it.
    """
    for row in Video.objects.abandoned().filter(pk=video.pk):
        if not end_attempt(row, row.abandon):
            return False
        for again in Video.objects.filter(pk=video.pk, status=Video.Status.QUEUED):
            send(again)
        return True
    due = Video.objects.unsent(resend_after=0).filter(pk=video.pk).first()
    return due is not None and send(due)


def _transfer(
    video: Video, transition: Callable[[Video], bool], *, into: Video.Status, counted: bool = False
) -> Video | None:
    """A transition from whatever state the row is in; the files of a worker that loses it thereby are to go.

    ``counted``: as a submission of its user. Returns the row as it is then, or None where it is gone or in no state
    for that.
    """
    tried: list[int] = []  # under which fence

    def transfer() -> Video | None:
        with transaction.atomic():
            now = quotas.lock(video.user_id) if counted else None  # before the video
            row = Video.objects.select_for_update().filter(pk=video.pk).first()
            if row is None:
                return None
            if tried and (row.fence, row.status) == (tried[0] + 1, into):
                return row  # it was done, and only the answer was lost
            tried[:] = [row.fence]
            if not transition(row):
                return None
            if now:
                quotas.admit(row.user_id, now, is_new=False, mode=row.mode)
                quotas.count_submission(row.user_id, now)
            if row.status == Video.Status.PROCESSING:  # as it was before
                Deletion.objects.get_or_create(prefix=row.attempt_prefix)
            return Video.objects.get(pk=row.pk)

    return repeated(transfer, seconds=API_PATIENCE_SECONDS)


def send(video: Video, *, delay: float = 0) -> bool:
    """Sends the message for a committed row and stamps the row; False where the queue is down (the sweep will)."""
    try:
        queue.send(video, delay=delay)
    except queue.QueueUnavailable as error:
        log.warning("video %s stays unsent until the next sweep: %s", video.pk, error)
        return False
    try:
        video.sent()
    except DatabaseFailed as error:
        log.warning("video %s was sent, and is sent once more by the next sweep: %s", video.pk, error)
    return True


def send_when_due(video: Video) -> None:
    """Sends a video that its worker has released; the sweep does, if it has to wait for longer than a message can."""
    released = Video.objects.filter(pk=video.pk, status=Video.Status.QUEUED, retry_at__isnull=False).first()
    if released is None or released.retry_at is None:
        return
    delay = max(0.0, (released.retry_at - timezone.now()).total_seconds())
    if delay < queue.MAX_DELAY_SECONDS:
        send(released, delay=delay + 1 if delay else 0)


def claim_video(video_id: uuid.UUID, *, worker: str = "") -> Video | None:
    """Takes a video into work, also one whose worker is gone; None where that is not possible now."""
    token = uuid.uuid4().hex

    def claim() -> Video | None:
        for video in Video.objects.abandoned().filter(pk=video_id):
            end_attempt(video, video.abandon)
        return Video.objects.claim(video_id, token=token, worker=worker)

    return repeated(claim, seconds=API_PATIENCE_SECONDS)


def end_attempt(video: Video, transition: Callable[[], bool]) -> bool:
    """Ends an attempt that came to nothing, by one of the video's transitions; the sweep deletes its files.

    False where the transition did not happen: the claim was not ours any more.
    """
    with transaction.atomic():
        if not transition():
            return False
        Deletion.objects.get_or_create(prefix=video.attempt_prefix)
    return True


def delete_video(video: Video) -> None:
    """Removes the row with its transcript at once; its files now if storage answers, else by the sweep."""
    deletion = repeated(lambda: _delete_row(video), seconds=API_PATIENCE_SECONDS)
    if deletion:
        delete_files(deletion)


def _delete_row(video: Video) -> Deletion | None:
    with transaction.atomic():
        # Locked first, in the order in which a completing worker locks: video, then transcript.
        row = Video.objects.select_for_update().filter(pk=video.pk).first()
        if row:  # a worker may have listened to a part of it
            Reservation.objects.end(row, listened_ms=row.listened_ms)
        removed, _ = Video.objects.filter(pk=video.pk).delete()
        if not removed:
            return None
        return Deletion.objects.get_or_create(prefix=video.files_prefix)[0]


def delete_files(deletion: Deletion) -> bool:
    """Does what was written down, as far as storage answers; False where it does not."""
    try:
        gone = files.delete_below(deletion.prefix)
        if gone:
            deletion.succeeded()
        else:
            deletion.failed()
    except DatabaseFailed:
        log.warning("the deletion of %s is looked at once more", deletion.prefix, exc_info=True)
        return False
    return gone
