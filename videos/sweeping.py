"""What an outage or a crash has left behind in rows, messages and files, put right by ``manage.py sweep``."""

import functools
import logging
import time
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

from django.conf import settings
from django.db.models import QuerySet

from videos import dead_letters, queue, services
from videos.models import Deletion, Video
from videos.transactions import repeated

log = logging.getLogger(__name__)

SECONDS = 45  # one sweep at most, so that the next one can begin a minute after this one did
BATCH = 500  # rows of each kind at most; the next sweep goes on
PATIENCE_SECONDS = 5  # for a database that fails in passing

Row = TypeVar("Row", Video, Deletion)


class Swept(NamedTuple):
    """What one sweep did, in rows, messages and files."""

    sent: int
    taken_back: int
    given_up: int
    deletions: int
    dead_letters: int


class Deadline:
    """So many seconds from now on."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._end = time.monotonic() + seconds

    def passed(self) -> bool:
        """Whether it is time to stop, and to leave the rest to the next sweep."""
        return time.monotonic() > self._end


def sweep(deadline: Deadline | None = None) -> Swept:
    """Safe to repeat and to run twice at once. Stops at the deadline, give or take one row.

    First what needs the database alone, then what needs the queue, then what needs storage, so that an outage
    of the one never keeps the others waiting. Raises what the database raises.
    """
    deadline = deadline or Deadline()
    taken_back, given_up = _end_abandoned(deadline)
    sent = _send_unsent(deadline)
    return Swept(sent, taken_back, given_up, _finish_deletions(deadline), _settle_dead_letters())


def _end_abandoned(deadline: Deadline) -> tuple[int, int]:
    taken_back = given_up = 0
    for video in _until(deadline, Video.objects.abandoned().order_by("lease_expires_at")):
        last = video.attempt >= settings.MAX_ATTEMPTS
        if repeated(functools.partial(services.end_attempt, video, video.abandon), seconds=PATIENCE_SECONDS):
            taken_back += not last
            given_up += last
    return taken_back, given_up


def _send_unsent(deadline: Deadline) -> int:
    sent = 0
    unsent = Video.objects.unsent(resend_after=settings.RESEND_AFTER_SECONDS)
    for video in _until(deadline, unsent.order_by("created_at")):
        if not services.send(video):
            break  # the queue is down: the rest would only wait for it as well
        sent += 1
    return sent


def _finish_deletions(deadline: Deadline) -> int:
    finished = failures = 0
    for deletion in _until(deadline, Deletion.objects.due().order_by("due_at")):
        if services.delete_files(deletion):
            finished += 1
            failures = 0
        elif (failures := failures + 1) == 3:
            break  # it is not these files, it is the storage
    return finished


def _settle_dead_letters() -> int:
    try:
        return dead_letters.settle()
    except queue.QueueUnavailable as error:
        log.warning("the dead letters could not be looked at: %s", error)
        return 0


def _until(deadline: Deadline, rows: "QuerySet[Row]") -> Iterator[Row]:
    for row in repeated(lambda: list(rows[:BATCH]), seconds=PATIENCE_SECONDS):
        if deadline.passed():
            return
        yield row
