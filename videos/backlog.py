"""What there is to do: messages in the queue beside the rows that they are about."""

from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Count, Min, Q
from django.db.models.functions import Coalesce, Now

from videos import queue
from videos.models import Breaker, Deletion, Video


class Backlog(NamedTuple):
    """At one moment. Messages are None where the queue could not be asked; ``trouble`` then says why."""

    messages: queue.Depth | None
    dead: int | None  # None also where the queue has no redrive policy
    queued: int
    unsent: int  # of these: the next sweep sends them
    waiting_for_retry: int  # of these: not before their time
    oldest: datetime | None  # since when the one that waits longest of all that may begin could have begun
    processing: int
    abandoned: int  # of these: their worker was not heard of any more
    deletions: int  # due
    youtube_refuses_since: datetime | None
    trouble: str

    def document(self) -> dict[str, Any]:
        """For scripts."""
        messages = self.messages._asdict() if self.messages else None
        return self._asdict() | {"messages": messages}


def rows() -> dict[str, Any]:
    """What the rows say that are not at rest, by their index and no others. Raises what the database raises."""
    later = Q(status=Video.Status.QUEUED, retry_at__gt=Now())
    since = Coalesce("retry_at", "requested_at")
    return Video.objects.filter(status__in=[Video.Status.QUEUED, Video.Status.PROCESSING]).aggregate(
        queued=Count("pk", filter=Q(status=Video.Status.QUEUED)),
        waiting_for_retry=Count("pk", filter=later),
        oldest=Min(since, filter=Q(status=Video.Status.QUEUED) & ~later),
        processing=Count("pk", filter=Q(status=Video.Status.PROCESSING)),
        abandoned=Count("pk", filter=Q(status=Video.Status.PROCESSING, lease_expires_at__lt=Now())),
    )


def look() -> Backlog:
    """A few questions to the database, and at most four to the queue. Raises what the database raises."""
    messages = dead = None
    trouble = ""
    try:
        messages = queue.depth()
        if url := queue.dead_letter_url():
            dead = sum(queue.depth(url))
    except queue.QueueUnavailable as error:
        trouble = str(error)
    return Backlog(
        messages=messages,
        dead=dead,
        unsent=Video.objects.unsent(resend_after=settings.RESEND_AFTER_SECONDS).count(),
        deletions=Deletion.objects.due().count(),
        youtube_refuses_since=Breaker.objects.youtube().opened_at,
        trouble=trouble,
        **rows(),
    )
