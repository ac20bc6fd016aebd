"""Files that must go although no row names them any more."""

from datetime import datetime, timedelta
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
    """Everything below ``prefix`` must go: a deleted video's files, or those of an attempt that came to nothing.

    Written in the transaction that lets go of the files, and kept until they are gone. It outlives the
    first success by ``GRACE``, because a worker that was busy may still be writing a file there, and
    may die before it has removed it.
    """

    GRACE = timedelta(hours=1)  # longer than a worker that has lost its claim can go on writing
    RETRY = timedelta(minutes=1)  # the first wait after a failure; it grows with the age

    prefix = models.CharField(primary_key=True, max_length=100, help_text="Ends with a slash.")
    requested_at = models.DateTimeField(auto_now_add=True)
    due_at = models.DateTimeField(default=timezone.now, help_text="When the sweep looks at it next.")

    objects: ClassVar[models.Manager["Deletion"]] = DeletionQuerySet.as_manager()

    class Meta:
        db_table = "deletions"
        indexes = [models.Index(fields=["due_at"], name="deletions_due")]  # sweep: due

    def __str__(self) -> str:
        return self.prefix

    def succeeded(self) -> None:
        """Nothing is left below the prefix: look once more after the grace time, then forget it."""
        last_look = self.requested_at + self.GRACE
        if self.due_at >= last_look:
            self.delete()
        else:
            self._postpone(last_look)

    def failed(self) -> None:
        """Storage did not answer: look again later, and let others have their turn."""
        now = timezone.now()
        self._postpone(now + max(self.RETRY, min(self.GRACE, now - self.requested_at)))

    def _postpone(self, moment: datetime) -> None:
        Deletion.objects.filter(pk=self.pk).update(due_at=moment)
