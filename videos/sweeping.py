"""What an outage or a crash has left behind in rows, messages and files, put right by ``manage.py sweep``."""

import logging
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

from django.conf import settings
from django.db import OperationalError, connection
from django.db.models import QuerySet
from django.db.models.functions import Coalesce

from videos import dead_letters, queue, services
from videos.deadline import Deadline
from videos.models import Deletion, IdempotencyKey, Reservation, Video
from videos.transactions import is_passing, repeated

log = logging.getLogger(__name__)

BATCH = 500  # rows of each kind at most; the next sweep goes on
PATIENCE_SECONDS = 5  # for a database that fails in passing

Row = TypeVar("Row", Video, Deletion, Reservation)


class Swept(NamedTuple):
    """What one sweep did, in rows, messages and files."""

    sent: int
    taken_back: int
    given_up: int
    deletions: int
    dead_letters: int


def sweep(deadline: Deadline | None = None) -> Swept:
    """Safe to repeat and to run twice at once. Stops at the deadline, give or take one row.

    First what users wait for: what needs the database alone, then what needs the queue; then tidying, and what needs
    storage, so that an outage of the one never keeps the others waiting. Raises what the database raises.
    """
    deadline = deadline or Deadline()
    taken_back, given_up = _end_abandoned(deadline)
    sent = _send_unsent(deadline)
    _forget(deadline)
    return Swept(sent, taken_back, given_up, _finish_deletions(deadline), _settle_dead_letters(deadline))


def outlook() -> dict[str, int]:
    """What there is for a sweep to do. Changes nothing; dead letters are counted, ours or not."""
    abandoned = Video.objects.abandoned()
    given_up = abandoned.filter(attempt__gte=settings.MAX_ATTEMPTS).count()
    try:
        url = queue.dead_letter_url()
        letters = sum(queue.depth(url)) if url else 0
    except queue.QueueUnavailable as error:
        log.warning("the dead letters could not be counted: %s", error)
        letters = 0
    unsent = Video.objects.unsent(resend_after=settings.RESEND_AFTER_SECONDS).count()
    due = Deletion.objects.due().count()
    return Swept(unsent, abandoned.count() - given_up, given_up, due, letters)._asdict()


def _end_abandoned(deadline: Deadline) -> tuple[int, int]:
    taken_back = given_up = 0
    for video in _until(deadline, Video.objects.abandoned().order_by("lease_expires_at")):
        last = video.attempt >= settings.MAX_ATTEMPTS
        try:
            ended = services.end_attempt(video, video.abandon)
        except OperationalError as error:
            if not is_passing(error):
                raise
            log.warning("video %s is taken back by the next sweep: %s", video.pk, error)  # somebody has locked the row
            connection.close()
            continue
        taken_back += ended and not last
        given_up += ended and last
    return taken_back, given_up


def _forget(deadline: Deadline) -> None:
    """Rows that mean nothing any more: keys of yesterday, and what was set aside for claims that have ended.

    It can wait: a database that fails in passing is left to the next sweep.
    """
    for forget in (_forget_keys, _forget_reservations):
        if deadline.passed():
            return
        try:
            forget(deadline)
        except OperationalError as error:
            if not is_passing(error):
                raise
            log.warning("the next sweep goes on tidying: %s", error)
            connection.close()


def _forget_keys(deadline: Deadline) -> None:
    outdated = list(IdempotencyKey.objects.outdated().values_list("pk", flat=True)[:BATCH])
    if outdated:
        IdempotencyKey.objects.filter(pk__in=outdated).delete()


def _forget_reservations(deadline: Deadline) -> None:
    for reservation in _until(deadline, Reservation.objects.orphaned()):
        log.warning("speech was set aside for a claim that has ended, and is given back: %s", reservation)
        Reservation.objects.filter(pk=reservation.pk, fence=reservation.fence).delete()


def _send_unsent(deadline: Deadline) -> int:
    sent = 0
    unsent = Video.objects.unsent(resend_after=settings.RESEND_AFTER_SECONDS)
    for video in _until(deadline, unsent.order_by(Coalesce("retry_at", "created_at"))):
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


def _settle_dead_letters(deadline: Deadline) -> int:
    try:
        return dead_letters.settle(deadline)
    except queue.QueueUnavailable as error:
        log.warning("the dead letters could not be looked at: %s", error)
        return 0


def _until(deadline: Deadline, rows: "QuerySet[Row]") -> Iterator[Row]:
    for row in repeated(lambda: list(rows[:BATCH]), seconds=PATIENCE_SECONDS):
        if deadline.passed():
            return
        yield row
