"""A video whose worker was lost is tried alone: if it is what workers die of, the next one dies of it alone.

Else those that are done beside it would be lost with it each time, and be given up with it. It holds for a while only:
where a worker always has something in hand that takes long, it is tried beside that in the end.
"""

import logging
import uuid
from datetime import timedelta

from django.db import Error as DatabaseFailed
from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from videos import queue, services
from videos.clock import from_now
from videos.models import Attempt, Video

log = logging.getLogger(__name__)

WHILE_SECONDS = 900  # since it was lost
PATIENCE_SECONDS = 30  # for the jobs in hand to end
LATER_SECONDS = 60

_LOST = Q(status=Video.Status.QUEUED, error_code="worker_lost")


def is_wanted(video_id: uuid.UUID) -> bool:
    """Whether the video's last worker was lost a short time ago. One query."""
    long_ago = from_now(-WHILE_SECONDS)
    taken_back = _LOST & Q(attempts__outcome=Attempt.Outcome.LOST, attempts__ended_at__gt=long_ago)
    not_yet = Q(status=Video.Status.PROCESSING, lease_expires_at__lt=Now(), lease_expires_at__gt=long_ago)
    try:
        return Video.objects.filter(taken_back | not_yet, pk=video_id).exists()
    except DatabaseFailed as error:  # which whoever claims it is told again
        log.warning("it is not known whether a worker was lost: %s", error)
        connection.close()
        return False


def later(message: queue.Message, video_id: uuid.UUID) -> None:
    """It cannot be alone now, and comes back; or its message does, which does no harm."""
    try:
        video = Video.objects.filter(_LOST, pk=video_id).first()
        until = timezone.now() + timedelta(seconds=LATER_SECONDS)
        if video and video.park(video.error_code, video.error_detail, until=until):
            services.send_when_due(video)
            queue.delete(message)
    except (DatabaseFailed, queue.QueueUnavailable) as error:
        log.warning("a message stays in the queue, which does no harm: %s", error)
        connection.close()
