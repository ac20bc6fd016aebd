"""What became of each time that a worker took a video into work."""

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from videos.columns import VideoColumns


class AttemptQuerySet(models.QuerySet["Attempt"]):
    """Written in the transactions of the video's transitions, and nowhere else."""

    def begin(self, video: VideoColumns, *, worker: str) -> None:
        """A worker has claimed the video."""
        claimed = {"fence": video.fence, "number": video.attempt, "requested_at": video.requested_at}
        self.create(video_id=video.pk, worker=worker[:100], started_at=Now(), **claimed)

    def end(self, video: VideoColumns, outcome: str, *, code: str = "", detail: str = "") -> None:
        """The video's running attempt, if there is one, is over."""
        self.filter(video_id=video.pk, outcome=Attempt.Outcome.RUNNING).update(
            outcome=outcome, ended_at=Now(), stage=video.stage, error_code=code, error_detail=detail[:500]
        )


class Attempt(models.Model):
    """One claim of a video by a worker: the record that users and staff read."""

    class Outcome(models.TextChoices):
        """How it ended, or that it has not."""

        RUNNING = "running"
        COMPLETED = "completed"
        FAILED = "failed", "failed for good"
        RELEASED = "released", "failed for now: it is tried again"
        INTERRUPTED = "interrupted", "given back through no fault of the video: not counted"
        LOST = "lost", "the worker was not heard of any more"
        CANCELLED = "cancelled", "the user did not want it any more"
        SUPERSEDED = "superseded", "the video was started anew"

    video = models.ForeignKey("videos.Video", on_delete=models.CASCADE, db_index=False, related_name="attempts")
    fence = models.PositiveBigIntegerField(help_text="The claim's; its files lie below it.")
    number = models.PositiveSmallIntegerField(
        help_text="Counted from 1 since the video was asked for; one that was not counted is followed by its like."
    )
    worker = models.CharField(max_length=100, blank=True, default="", help_text="Host and process.")
    requested_at = models.DateTimeField(null=True, blank=True, help_text="When the video had been asked for.")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    stage = models.CharField(max_length=10, blank=True, default="", help_text="How far it came.")
    outcome = models.CharField(max_length=12, choices=Outcome.choices, default=Outcome.RUNNING)
    error_code = models.CharField(max_length=40, blank=True, default="")
    error_detail = models.CharField(max_length=500, blank=True, default="")

    objects: ClassVar[models.Manager["Attempt"]] = AttemptQuerySet.as_manager()

    class Meta:
        db_table = "attempts"
        constraints = [models.UniqueConstraint(fields=["video", "fence"], name="attempts_one_per_claim")]
        indexes = [models.Index(fields=["ended_at"], name="attempts_ended")]  # figures: what happened in an hour

    def __str__(self) -> str:
        return f"{self.number}: {self.outcome}"


def taken_at(video: VideoColumns) -> datetime | None:
    """When a worker last took it since it was last asked for; None while it waits for the next one.

    A worker may be faster than the stamp ``enqueued_at``, which then stays empty though the message was sent.
    """
    if video.status == VideoColumns.Status.QUEUED:
        return None
    since_asked_for = Attempt.objects.filter(video_id=video.pk, requested_at=video.requested_at)
    return since_asked_for.order_by("-fence").values_list("started_at", flat=True).first()
