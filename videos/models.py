"""What was submitted and where it stands: the state machine of a video, in one place."""

import uuid
from datetime import timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from accounts.fields import ExactCharField
from accounts.models import User
from videos.deletions import Deletion
from videos.youtube_url import thumbnail_url

__all__ = ["Deletion", "Video", "VideoQuerySet"]


def _from_now(seconds: float) -> "models.ExpressionWrapper[CombinedExpression]":
    """A moment by the database's clock: workers' clocks differ, and a lease must not."""
    return models.ExpressionWrapper(Now() + timedelta(seconds=seconds), output_field=models.DateTimeField())


class VideoQuerySet(models.QuerySet["Video"]):
    """The questions that are asked about videos, and the one way to take one into work."""

    def for_user(self, user: User) -> Self:
        """What this user may see."""
        return self.filter(user=user)

    def unsent(self, *, resend_after: float) -> Self:
        """Queued and due, but no message is under way, or none since so many seconds: the row is the outbox."""
        due = Q(retry_at=None) | Q(retry_at__lte=Now())
        never_or_long_ago = Q(enqueued_at=None) | Q(enqueued_at__lt=_from_now(-resend_after))
        return self.filter(due, never_or_long_ago, status=Video.Status.QUEUED)

    def abandoned(self) -> Self:
        """In work, but the worker has stopped extending its lease."""
        return self.filter(status=Video.Status.PROCESSING, lease_expires_at__lt=Now())

    def claim(self, video_id: uuid.UUID) -> "Video | None":
        """Takes a queued video into work and returns it with the new fence, or None where that is not possible now.

        One conditional UPDATE decides among any number of workers; the token tells our claim from theirs.
        """
        token = uuid.uuid4().hex
        self.filter(Q(retry_at=None) | Q(retry_at__lte=Now()), pk=video_id, status=Video.Status.QUEUED).update(
            status=Video.Status.PROCESSING,
            fence=F("fence") + 1,
            attempt=F("attempt") + 1,
            lease_token=token,
            lease_expires_at=_from_now(settings.LEASE_SECONDS),
            retry_at=None,
            stage=Video.Stage.METADATA,
            progress=0,
            error_code="",
            error_detail="",
            error_retryable=False,
            updated_at=Now(),
        )
        return self.filter(pk=video_id, lease_token=token).first()


class Video(models.Model):
    """A link that a user submitted.

    ::

        submit ──> queued ──claim──> processing ──complete──> completed
                    ^  ^              │   │  │
                    │  └──release─────┘   │  └──fail───> failed
                    │  └──abandon─────────┴──abandon───>   │
                    └───────────────retry──────────────────┘

    (``abandon``: the lease has run out; back into the queue, or failed if the attempts are used up.)

    Each transition is one conditional UPDATE that answers whether it happened; nobody else writes
    ``status``. ``fence`` rises with every change of ownership and never goes back: a worker's write
    names the fence of its claim, so a worker that lost the row (deleted, taken over) writes nothing.
    """

    class Status(models.TextChoices):
        QUEUED = "queued"
        PROCESSING = "processing"
        COMPLETED = "completed"
        FAILED = "failed"

    class Stage(models.TextChoices):
        """What a worker is doing, in this order."""

        METADATA = "metadata"
        CAPTIONS = "captions"
        AUDIO = "audio"
        SPEECH = "speech"
        STORING = "storing"

    class Mode(models.TextChoices):
        """Where the user wants the text from."""

        AUTO = "auto", "captions, else speech"
        CAPTIONS = "captions", "captions only"
        SPEECH = "speech", "speech only"

    class Source(models.TextChoices):
        """Where the text came from."""

        CAPTIONS = "captions"
        SPEECH = "speech"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, db_index=False, related_name="videos")
    youtube_id = ExactCharField(max_length=11)
    url = models.URLField(max_length=100, help_text="Rebuilt from the YouTube id, never what was pasted.")
    mode = models.CharField(max_length=10, choices=Mode.choices, default=Mode.AUTO)
    wanted_language = models.CharField(max_length=35, blank=True, default="", help_text="BCP 47, or empty.")

    title = models.CharField(max_length=500, blank=True, default="")
    channel = models.CharField(max_length=200, blank=True, default="")
    duration_ms = models.BigIntegerField(null=True, blank=True)
    language = models.CharField(max_length=35, blank=True, default="", help_text="The transcript's, BCP 47.")
    source = models.CharField(max_length=10, blank=True, default="", choices=Source.choices)
    s3_path = models.CharField(max_length=255, blank=True, default="", help_text="The raw audio in storage.")

    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    stage = models.CharField(max_length=10, blank=True, default="", choices=Stage.choices)
    progress = models.PositiveSmallIntegerField(default=0, help_text="Percent of the whole job.")
    attempt = models.PositiveSmallIntegerField(default=0, help_text="How often a worker has taken it.")
    error_code = models.CharField(max_length=40, blank=True, default="")
    error_detail = models.CharField(max_length=500, blank=True, default="")
    error_retryable = models.BooleanField(default=False)

    enqueued_at = models.DateTimeField(null=True, blank=True, help_text="When a message was sent; empty: not yet.")
    retry_at = models.DateTimeField(null=True, blank=True, help_text="Not before this time.")
    fence = models.PositiveBigIntegerField(default=0)
    lease_token = models.CharField(max_length=32, blank=True, default="")
    lease_expires_at = models.DateTimeField(null=True, blank=True)

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager["Video"]] = VideoQuerySet.as_manager()

    class Meta:
        db_table = "videos"
        constraints = [
            models.UniqueConstraint(fields=["user", "youtube_id"], name="videos_one_per_user"),
            models.CheckConstraint(
                condition=Q(status__in=["queued", "processing", "completed", "failed"]), name="videos_status"
            ),
            models.CheckConstraint(condition=~Q(status="failed") | ~Q(error_code=""), name="videos_failed_has_error"),
            models.CheckConstraint(
                condition=Q(status="processing", lease_expires_at__isnull=False)
                | (~Q(status="processing") & Q(lease_expires_at__isnull=True)),
                name="videos_processing_has_lease",
            ),
            models.CheckConstraint(
                condition=~Q(status="completed") | Q(completed_at__isnull=False, error_code=""),
                name="videos_completed_has_time",
            ),
            models.CheckConstraint(condition=Q(progress__lte=100), name="videos_progress_percent"),
            models.CheckConstraint(condition=Q(mode__in=["auto", "captions", "speech"]), name="videos_mode"),
            models.CheckConstraint(condition=Q(source__in=["", "captions", "speech"]), name="videos_source"),
        ]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="videos_newest"),  # GET /videos
            models.Index(
                fields=["user", "status", "-created_at", "-id"], name="videos_by_status"
            ),  # GET /videos?status=
            models.Index(fields=["user", "title", "id"], name="videos_by_title"),  # GET /videos?ordering=title
            models.Index(fields=["status", "enqueued_at"], name="videos_outbox"),  # sweep: unsent, overdue
            models.Index(fields=["status", "lease_expires_at"], name="videos_leases"),  # sweep: abandoned
            models.Index(fields=["-created_at"], name="videos_admin"),  # admin: the newest of all users
        ]

    def __str__(self) -> str:
        return self.title or self.url

    @property
    def thumbnail_url(self) -> str:
        """YouTube's own picture; it need not exist."""
        return thumbnail_url(self.youtube_id)

    @property
    def files_prefix(self) -> str:
        """All files of this video lie below it, so that deleting needs to know nothing else."""
        return f"videos/{self.pk}/"

    @property
    def attempt_prefix(self) -> str:
        """The files of this claim: two claims never share a key."""
        return f"{self.files_prefix}{self.fence}/"

    # --- What a worker does with a video it has claimed. Each answers whether the claim still held.

    def extend(self) -> bool:
        """The worker is alive."""
        return self._write(lease_expires_at=_from_now(settings.LEASE_SECONDS))

    def describe(self, *, title: str, channel: str, duration_ms: int | None) -> bool:
        """What YouTube says about the video."""
        return self._write(title=title, channel=channel, duration_ms=duration_ms)

    def advance(self, stage: Stage, progress: int) -> bool:
        """How far the work is."""
        return self._write(stage=stage, progress=progress)

    def keep_audio(self, s3_path: str) -> bool:
        """The raw audio is in storage."""
        return self._write(s3_path=s3_path)

    def complete(self, *, source: Source, language: str) -> bool:
        """The transcript is there. Call it in the transaction that writes the transcript."""
        return self._write(
            **self._ended(),
            status=self.Status.COMPLETED,
            source=source,
            language=language,
            progress=100,
            completed_at=Now(),
            error_code="",
            error_detail="",
            error_retryable=False,
        )

    def fail(self, code: str, detail: str, *, retryable: bool) -> bool:
        """There will be no transcript."""
        return self._write(**self._failed(code, detail, retryable=retryable))

    def release(self, code: str, detail: str, *, delay: float) -> bool:
        """Back into the queue after a passing error, not before ``delay`` seconds from now."""
        why = {"error_code": code, "error_detail": detail[:500], "error_retryable": True}
        released = self._write(**self._requeued() | why | {"retry_at": _from_now(delay)})
        self.fence += released  # as the row's has
        return released

    def _write(self, **changes: Any) -> bool:
        mine = Video.objects.filter(pk=self.pk, status=self.Status.PROCESSING, fence=self.fence)
        return mine.update(**({"updated_at": Now()} | changes)) == 1

    # --- What anybody does

    def abandon(self) -> bool:
        """The worker is gone: back into the queue, or failed if that has happened too often.

        False where the lease lives, or somebody else has been here.
        """
        ended = self._requeued()
        if self.attempt >= settings.MAX_ATTEMPTS:
            ended = self._failed(
                "worker_lost", "The worker was lost each time that it was busy with this video.", retryable=True
            )
        return Video.objects.abandoned().filter(pk=self.pk, fence=self.fence).update(**ended) == 1

    def sent(self) -> bool:
        """A message is under way. False where a worker was faster, which is fine."""
        mine = Video.objects.filter(pk=self.pk, status=self.Status.QUEUED, fence=self.fence)
        return mine.update(enqueued_at=Now()) == 1

    def retry(self, *, mode: str | None = None, wanted_language: str | None = None) -> bool:
        """Once more from the start, if it has failed; with another mode or language where given."""
        changes = {"mode": mode, "wanted_language": wanted_language}
        return (
            Video.objects.filter(pk=self.pk, status=self.Status.FAILED).update(
                **self._requeued(),
                **{name: value for name, value in changes.items() if value is not None},
                attempt=0,
                error_code="",
                error_detail="",
                error_retryable=False,
            )
            == 1
        )

    # --- The columns of a transition

    @staticmethod
    def _ended() -> dict[str, Any]:
        """Nobody is working on it any more."""
        return {
            "lease_token": "",
            "lease_expires_at": None,
            "retry_at": None,
            "stage": "",
            "updated_at": Now(),
        }

    @classmethod
    def _requeued(cls) -> dict[str, Any]:
        """To be sent to a worker again. The files of an attempt that came to nothing go."""
        return cls._ended() | {
            "s3_path": "",
            "status": cls.Status.QUEUED,
            "fence": F("fence") + 1,
            "enqueued_at": None,
            "progress": 0,
        }

    @classmethod
    def _failed(cls, code: str, detail: str, *, retryable: bool) -> dict[str, Any]:
        """Ended without a transcript, and so without files."""
        return cls._ended() | {
            "s3_path": "",
            "status": cls.Status.FAILED,
            "error_code": code,
            "error_detail": detail[:500],
            "error_retryable": retryable,
        }
