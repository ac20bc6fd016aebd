"""Files that must go although their video is gone."""

from datetime import timedelta
from typing import ClassVar, Self

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone


class DeletionQuerySet(models.QuerySet["Deletion"]):
    """The one question that is asked about deletions."""

    def due(self) -> Self:
        """What the sweep has to look at now."""
        return self.filter(due_at__lte=Now())


class Deletion(models.Model):
    """Files that must go: written in the transaction that removes a video's row, and kept until they are gone.

    It outlives the first success by ``GRACE``, because a worker that was busy with the video may still
    be writing a file, and may die before it has removed it.
    """

    GRACE = timedelta(hours=1)  # longer than a worker that has lost its lease can go on writing

    video_id = models.UUIDField(primary_key=True)
    requested_at = models.DateTimeField(auto_now_add=True)
    due_at = models.DateTimeField(default=timezone.now, help_text="When the sweep looks at it next.")

    objects: ClassVar[models.Manager["Deletion"]] = DeletionQuerySet.as_manager()

    class Meta:
        db_table = "deletions"
        indexes = [models.Index(fields=["due_at"], name="deletions_due")]  # sweep: due

    def __str__(self) -> str:
        return self.files_prefix

    @property
    def files_prefix(self) -> str:
        """Where the video's files lie."""
        return f"videos/{self.video_id}/"

    def files_deleted(self) -> None:
        """Nothing is left below the prefix: look once more after the grace time, then forget it."""
        last_look = self.requested_at + self.GRACE
        if self.due_at >= last_look:
            self.delete()
        else:
            Deletion.objects.filter(pk=self.pk).update(due_at=last_look)
