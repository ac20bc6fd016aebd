"""What is known about a video, column by column, and what the database itself forbids."""

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.fields import ExactCharField
from accounts.models import User
from videos.youtube_url import thumbnail_url


class VideoColumns(models.Model):
    """The row of a video. What may become of it stands in ``videos.models.Video``."""

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
    s3_path = models.CharField(
        max_length=255, blank=True, default="", help_text="The raw audio in storage; written with the transcript."
    )

    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    stage = models.CharField(max_length=10, blank=True, default="", choices=Stage.choices)
    progress = models.PositiveSmallIntegerField(default=0, help_text="Percent of the whole job.")
    attempt = models.PositiveSmallIntegerField(
        default=0, help_text="How often a worker has taken it; what was no fault of the video's does not count."
    )
    error_code = models.CharField(max_length=40, blank=True, default="")
    error_detail = models.CharField(max_length=500, blank=True, default="")
    error_retryable = models.BooleanField(default=False)

    requested_at = models.DateTimeField(db_default=Now(), help_text="When it was last asked for.")
    enqueued_at = models.DateTimeField(null=True, blank=True, help_text="When a message was sent; empty: not yet.")
    retry_at = models.DateTimeField(null=True, blank=True, help_text="Not before this time.")
    unmetered = models.BooleanField(db_default=False, help_text="An operator asked for it: its user pays nothing.")
    bytes_kept = models.PositiveBigIntegerField(db_default=0, help_text="Of its files: audio and transcript.")
    fence = models.PositiveBigIntegerField(default=0)
    lease_token = models.CharField(max_length=32, blank=True, default="")
    lease_expires_at = models.DateTimeField(null=True, blank=True)

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
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
            models.Index(fields=["user", "bytes_kept"], name="videos_kept"),  # quotas: how many, how large
            # admin: the newest of a kind, and which codes and languages there are
            models.Index(fields=["status", "-created_at"], name="videos_admin_status"),
            models.Index(fields=["error_code", "-created_at"], name="videos_admin_error"),
            models.Index(fields=["source", "-created_at"], name="videos_admin_source"),
            models.Index(fields=["language", "-created_at"], name="videos_admin_language"),
            models.Index(fields=["youtube_id"], name="videos_admin_youtube"),
        ]

    def __str__(self) -> str:
        return self.title or self.url

    @property
    def thumbnail_url(self) -> str:
        """YouTube's own picture; it need not exist."""
        return thumbnail_url(self.youtube_id)

    @property
    def listened_ms(self) -> int:
        """How much of it has been listened to, as far as its progress tells."""
        begin, end = PERCENT[self.Stage.SPEECH]
        done = min(max(self.progress - begin, 0), end - begin)
        return (self.duration_ms or 0) * done // (end - begin)

    @property
    def files_prefix(self) -> str:
        """All files of this video lie below it, so that deleting needs to know nothing else."""
        return f"videos/{self.pk}/"

    @property
    def attempt_prefix(self) -> str:
        """The files of this claim: two claims never share a key."""
        return f"{self.files_prefix}{self.fence}/"


# Where each stage begins and ends in the percentage of the whole job.
PERCENT = {
    VideoColumns.Stage.METADATA: (0, 5),
    VideoColumns.Stage.CAPTIONS: (5, 10),
    VideoColumns.Stage.AUDIO: (10, 30),
    VideoColumns.Stage.SPEECH: (30, 97),
    VideoColumns.Stage.STORING: (97, 99),
}
