"""What is still to be done, in rows: unlike SQS, they also know what waits for a time or for YouTube."""

from typing import NamedTuple

from django.db.models import Count, Min, Q
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from videos.models import Video


class Backlog(NamedTuple):
    """Numbers of videos, and for how many seconds the oldest that is due has waited."""

    waiting: int
    parked: int
    working: int
    oldest_seconds: float


def backlog() -> Backlog:
    """Reads the rows that are queued or in work by their index, and no others."""
    status = Video.Status
    due = Q(status=status.QUEUED) & (Q(retry_at=None) | Q(retry_at__lte=Now()))
    found = Video.objects.filter(status__in=[status.QUEUED, status.PROCESSING]).aggregate(
        queued=Count("pk", filter=Q(status=status.QUEUED)),
        waiting=Count("pk", filter=due),
        working=Count("pk", filter=Q(status=status.PROCESSING)),
        since=Min(Coalesce("retry_at", "requested_at"), filter=due),
    )
    oldest = (timezone.now() - found["since"]).total_seconds() if found["since"] else 0
    return Backlog(found["waiting"], found["queued"] - found["waiting"], found["working"], max(0.0, oldest))
