"""What was submitted and where it stands: the state machine of a video, in one place."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.models import User
from accounts.prepared import Parameter, PreparedUpdate
from videos.attempts import Attempt
from videos.bookmarks import Bookmark
from videos.breaker import Breaker
from videos.clock import from_now
from videos.columns import VideoColumns
from videos.deletions import Deletion
from videos.figures import Hour, Snapshot
from videos.idempotency import IdempotencyKey
from videos.usage import QuotaLock, Reservation, Usage, UserQuota

__all__ = [
    "Attempt",
    "Bookmark",
    "Breaker",
    "Deletion",
    "Hour",
    "IdempotencyKey",
    "QuotaLock",
    "Reservation",
    "Snapshot",
    "Usage",
    "UserQuota",
    "Video",
    "VideoQuerySet",
]


class VideoQuerySet(models.QuerySet["Video"]):
    """The questions that are asked about videos, and the one way to take one into work."""

    def for_user(self, user: User) -> Self:
        """What this user may see."""
        return self.filter(user=user)

    def unsent(self, *, resend_after: float) -> Self:
        """Queued and due, but no message is under way, or none since so many seconds: the row is the outbox."""
        due = Q(retry_at=None) | Q(retry_at__lte=Now())
        never_or_long_ago = Q(enqueued_at=None) | Q(enqueued_at__lt=from_now(-resend_after))
        return self.filter(due, never_or_long_ago, status=Video.Status.QUEUED)

    def abandoned(self) -> Self:
        """In work, but the worker has stopped extending its lease."""
        return self.filter(status=Video.Status.PROCESSING, lease_expires_at__lt=Now())

    def reprocess(self, *, mode: str | None = None, wanted_language: str | None = None, unmetered: bool = False) -> int:
        """Once more from the start, all that are not in work. The caller has locked them, and knows their states."""
        at_rest = self.exclude(status=Video.Status.PROCESSING)
        return at_rest.update(**Video.anew(unmetered=unmetered, mode=mode, wanted_language=wanted_language))

    def sent(self, videos: Sequence["Video"]) -> int:
        """A message is under way for each of these, unless a worker was faster."""
        under: dict[int, list[uuid.UUID]] = {}
        for video in videos:
            under.setdefault(video.fence, []).append(video.pk)
        as_we_know_them = Q(*(Q(fence=fence, pk__in=ids) for fence, ids in under.items()), _connector=Q.OR)
        waiting = self.filter(as_we_know_them, status=Video.Status.QUEUED)
        return waiting.update(enqueued_at=Now()) if videos else 0

    def claim(self, video_id: uuid.UUID, *, token: str = "", worker: str = "") -> "Video | None":
        """Takes a queued video into work and returns it with the new fence, or None where that is not possible now.

        One conditional UPDATE decides among any number of workers. A token tells our claim from theirs; who
        repeats the call, because the answer to the commit was lost, gives the same one again.
        """
        token = token or uuid.uuid4().hex
        due = Q(retry_at=None) | Q(retry_at__lte=Now())
        with transaction.atomic():
            won = self.filter(due, pk=video_id, status=Video.Status.QUEUED).update(
                status=Video.Status.PROCESSING,
                fence=F("fence") + 1,
                attempt=F("attempt") + 1,
                lease_token=token,
                lease_expires_at=from_now(settings.LEASE_SECONDS),
                retry_at=None,
                stage=Video.Stage.METADATA,
                progress=0,
                error_code="",
                error_detail="",
                error_retryable=False,
                updated_at=Now(),
            )
            video = self.filter(pk=video_id, lease_token=token).first()
            if won and video:
                Attempt.objects.begin(video, worker=worker)
        return video


class Video(VideoColumns):
    """A link that a user submitted.

    ::

                    park                                          ┌────reprocess────┐
                    ┌──┐                                          v                 │
        submit ──> queued ──claim──> processing ──complete──> (queued)          completed
                    ^  ^                │ │ │
                    │  └──release───────┘ │ └──fail────────────> failed
                    │  └──abandon─────────┴────abandon─────────>   │ ^
                    │                                              │ │
                    └──────────────retry, reprocess────────────────┘ └── cancel, give_up

    ``abandon``: the lease has run out; back into the queue, or failed if the attempts are used up. ``park``: it
    waits until YouTube answers again. ``cancel`` ends also what is in work, as ``reprocess`` does if forced.

    Each transition is one conditional UPDATE that answers whether it happened, in one transaction with the
    record of the attempt; nobody else writes ``status``. ``fence`` rises with every change of ownership and
    never goes back: a worker's write names the fence of its claim, so a worker that lost the row
    (deleted, taken over, started anew) writes nothing.
    """

    objects: ClassVar[models.Manager["Video"]] = VideoQuerySet.as_manager()

    class Meta(VideoColumns.Meta):
        abstract = False
        db_table = "videos"

    # --- What a worker does with a video it has claimed. Each answers whether the claim still held.

    def extend(self) -> bool:
        """The worker is alive."""
        return self._write(lease_expires_at=from_now(settings.LEASE_SECONDS))

    def describe(self, *, title: str, channel: str, duration_ms: int | None) -> bool:
        """What YouTube says about the video."""
        self.title, self.channel, self.duration_ms = title, channel, duration_ms
        return self._write(title=title, channel=channel, duration_ms=duration_ms)

    def advance(self, stage: VideoColumns.Stage, progress: int) -> bool:
        """How far the work is."""
        self.stage = stage
        return self._write(stage=stage, progress=progress)

    def complete(
        self,
        *,
        source: VideoColumns.Source,
        language: str,
        s3_path: str = "",
        bytes_kept: int = 0,
        listened_ms: int = 0,
    ) -> bool:
        """The transcript is there, and its audio if it was listened to. Call it where the transcript is written.

        ``bytes_kept`` is the size of its files, ``listened_ms`` the speech that is charged to the user. True also where
        this very claim has completed it before: the answer to a commit may be lost.
        """
        ended = self._ended() | _NO_ERROR | {"status": self.Status.COMPLETED, "progress": 100, "completed_at": Now()}
        mine = Video.objects.select_for_update().filter(pk=self.pk, status=self.Status.COMPLETED, fence=self.fence)
        with transaction.atomic():
            said = {"source": source, "language": language, "s3_path": s3_path}
            kept = {"bytes_kept": bytes_kept}
            completed = self._end(Attempt.Outcome.COMPLETED, ended | said | kept, listened_ms=listened_ms)
            return completed or mine.first() is not None

    def fail(self, code: str, detail: str, *, retryable: bool, listened_ms: int = 0) -> bool:
        """There will be no transcript. What was listened to all the same is charged."""
        failed = self._failed(code, detail, retryable=retryable)
        return self._end(Attempt.Outcome.FAILED, failed, listened_ms=listened_ms)

    def release(self, code: str, detail: str, *, delay: float, counted: bool = True) -> bool:
        """Back into the queue after a passing error, not before ``delay`` seconds from now.

        ``counted``: whether it uses up one of the attempts. What is no fault of the video's does not.
        """
        why = _error(code, detail, retryable=True) | {"retry_at": from_now(delay)}
        if counted:
            return self._end(Attempt.Outcome.RELEASED, self._requeued() | why)
        return self._end(Attempt.Outcome.INTERRUPTED, self._requeued() | why | {"attempt": F("attempt") - 1})

    def tries(self, *, but: Sequence[str] = ()) -> "models.QuerySet[Attempt]":
        """Its attempts since it was last asked for, without those that ended with one of these codes."""
        return self.attempts.filter(started_at__gte=self.requested_at).exclude(error_code__in=but)

    def was_tried_for(self, hours: float, *, but: Sequence[str] = ()) -> bool:
        """Whether the first of these attempts began so many hours ago."""
        return self.tries(but=but).filter(started_at__lt=from_now(-hours * 3600)).exists()

    def _write(self, **changes: Any) -> bool:
        mine = Video.objects.filter(pk=self.pk, status=self.Status.PROCESSING, fence=self.fence)
        return mine.update(**({"updated_at": Now()} | changes)) == 1

    def _end(self, outcome: Attempt.Outcome, changes: dict[str, Any], *, listened_ms: int = 0) -> bool:
        with transaction.atomic():
            ended = self._write(**changes)
            if ended:
                self._record(outcome, changes, listened_ms)
        return ended

    # --- What anybody does

    def abandon(self) -> bool:
        """The worker is gone: back into the queue, or failed if that has happened too often.

        False where the lease lives, or somebody else has been here.
        """
        code, detail = "worker_lost", "The worker was lost while it was busy with this video."
        ended = self._requeued() | _error(code, detail, retryable=True)
        if self.attempt >= settings.MAX_ATTEMPTS:
            ended = self._failed(
                code, f"{detail} It is not tried again by itself; you may try once more.", retryable=True
            )
        return self._move(Video.objects.abandoned(), Attempt.Outcome.LOST, ended)

    def sent(self) -> bool:
        """A message is under way. False where a worker was faster, which is fine."""
        return _sent(id=self.pk, fence=self.fence) == 1

    def unsent(self) -> bool:
        """No message is under way any more, whatever the row says: the next sweep sends one."""
        return self._wait(enqueued_at=None)

    def park(self, code: str, detail: str, *, until: datetime) -> bool:
        """It waits in the queue for something that has nothing to do with it, and no attempt is made."""
        why = _error(code, detail, retryable=True)
        # With a higher fence, so that whoever is sending its last message does not stamp it as sent after all.
        return self._wait(**why, retry_at=until, enqueued_at=None, fence=F("fence") + 1, updated_at=Now())

    def give_up(self, code: str, detail: str) -> bool:
        """It has waited in the queue for too long."""
        return self._wait(**self._failed(code, detail, retryable=True), fence=F("fence") + 1)

    def retry(self, *, mode: str | None = None, wanted_language: str | None = None) -> bool:
        """Once more from the start, if it has failed; with another mode or language where given."""
        return self.reprocess(mode=mode, wanted_language=wanted_language, from_states=[self.Status.FAILED])

    def reprocess(
        self,
        *,
        mode: str | None = None,
        wanted_language: str | None = None,
        from_states: Sequence[VideoColumns.Status],
        unmetered: bool = False,
    ) -> bool:
        """Once more from the start, from one of these states. What there is stays until the next success.

        ``unmetered``: whatever it takes, it is not its user who asked for it.
        """
        rows = Video.objects.filter(status__in=from_states)
        changes = self.anew(unmetered=unmetered, mode=mode, wanted_language=wanted_language)
        return self._move(rows, Attempt.Outcome.SUPERSEDED, changes)

    def cancel(self) -> bool:
        """The user does not want it any more; a worker that is busy with it stops. False where it has ended.

        What was listened to until then is charged.
        """
        failed = self._failed("cancelled", "You have cancelled this video.", retryable=True)
        rows = Video.objects.filter(status__in=[self.Status.QUEUED, self.Status.PROCESSING])
        changes = failed | {"fence": F("fence") + 1}
        return self._move(rows, Attempt.Outcome.CANCELLED, changes, listened_ms=self.listened_ms)

    def forget_audio(self, *, bytes_left: int) -> bool:
        """The stored audio is not there any more. False where the row meanwhile names another."""
        named = Video.objects.filter(pk=self.pk, s3_path=self.s3_path)
        return named.update(s3_path="", bytes_kept=bytes_left, updated_at=Now()) == 1

    def _wait(self, **changes: Any) -> bool:
        return Video.objects.filter(pk=self.pk, status=self.Status.QUEUED, fence=self.fence).update(**changes) == 1

    def _move(
        self,
        rows: "models.QuerySet[Video]",
        outcome: Attempt.Outcome,
        changes: dict[str, Any],
        *,
        listened_ms: int = 0,
    ) -> bool:
        with transaction.atomic():
            moved = rows.filter(pk=self.pk, fence=self.fence).update(**changes) == 1
            if moved:
                self._record(outcome, changes, listened_ms)
        return moved

    def _record(self, outcome: Attempt.Outcome, changes: dict[str, Any], listened_ms: int) -> None:
        """Whatever ends an attempt comes by here: what was set aside for it is charged or given back."""
        Reservation.objects.end(self, listened_ms=listened_ms)
        Attempt.objects.end(self, outcome, code=changes.get("error_code", ""), detail=changes.get("error_detail", ""))

    # --- The columns of a transition

    @staticmethod
    def _ended() -> dict[str, Any]:
        """Nobody is working on it any more."""
        return {"lease_token": "", "lease_expires_at": None, "retry_at": None, "stage": "", "updated_at": Now()}

    @classmethod
    def _requeued(cls) -> dict[str, Any]:
        """To be sent to a worker again."""
        again = {"status": cls.Status.QUEUED, "fence": F("fence") + 1, "enqueued_at": None, "progress": 0}
        return cls._ended() | again

    @classmethod
    def anew(cls, *, unmetered: bool = False, **wanted: str | None) -> dict[str, Any]:
        """Asked for once more, with another mode or language where one is given."""
        asked = {"unmetered": unmetered} | {name: value for name, value in wanted.items() if value is not None}
        return cls._requeued() | _NO_ERROR | {"attempt": 0, "requested_at": Now(), "completed_at": None} | asked

    @classmethod
    def _failed(cls, code: str, detail: str, *, retryable: bool) -> dict[str, Any]:
        return cls._ended() | _error(code, detail, retryable=retryable) | {"status": cls.Status.FAILED}


def _error(code: str, detail: str, *, retryable: bool) -> dict[str, Any]:
    return {"error_code": code, "error_detail": detail[:500], "error_retryable": retryable}


_NO_ERROR = _error("", "", retryable=False)

_sent = PreparedUpdate(
    lambda: Video.objects.filter(
        pk=Parameter("id", Video._meta.pk),
        status=Video.Status.QUEUED,
        fence=Parameter("fence", Video._meta.get_field("fence")),
    ),
    enqueued_at=Now(),
)
