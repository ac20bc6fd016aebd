"""What was received too often and so was put aside by SQS: each is explained, and none needs anybody if it is ours.

A message gets here without having done any harm: the row decides whether there is work, and the sweep sends
for a row what is missing. So a dead letter of ours only has to be cleared away.
"""

import logging
import uuid
from collections.abc import Iterator
from typing import NamedTuple

from videos import queue, services
from videos.deadline import Deadline
from videos.models import Video

NOBODY = uuid.UUID(int=0)
BATCHES = 10  # of ten letters, in one sweep

log = logging.getLogger(__name__)


class Explained(NamedTuple):
    """Why a message is here, and whether it can be cleared away."""

    reason: str
    is_ours: bool


def explain(message: queue.Message) -> Explained:
    """What a dead letter is about. Writes nothing."""
    if message.video_id is None:
        return Explained("the body is not ours", is_ours=False)
    video = Video.objects.filter(pk=message.video_id).first()
    if video is None:
        return Explained("its video is unknown: deleted, or never ours", is_ours=True)
    if video.status in (Video.Status.COMPLETED, Video.Status.FAILED):
        return Explained(f"its video is {video.status}: there is nothing left to do", is_ours=True)
    return Explained(f"it was received too often while its video was {video.status}", is_ours=True)


class Letter(NamedTuple):
    """A dead letter that somebody looks at."""

    message: queue.Message
    reason: str
    is_ours: bool


def look(url: str, *, limit: int) -> list[Letter]:
    """Up to so many letters, each explained. They are hidden from others until settled or released."""
    found: list[queue.Message] = []
    while len(found) < limit and (more := queue.receive_dead(url)):
        found += more
    for message in found[limit:]:
        queue.release_dead(url, message)
    return [Letter(message, *explain(message)) for message in found[:limit]]


def send_again(url: str, letter: Letter) -> str:
    """Clears a letter of ours away; a video that waits gets a new message. Returns what became of it.

    A video in work is left to its worker, and what has ended stays so.
    """
    queued = Video.objects.filter(pk=letter.message.video_id or NOBODY, status=Video.Status.QUEUED).first()
    if queued:
        queued.unsent()  # first, so that the sweep sends it where we cannot
        if not services.send(queued):
            raise queue.QueueUnavailable("The message could not be sent.")
    queue.delete_dead(url, letter.message)
    return "sent" if queued else "cleared"


def drop(url: str, letter: Letter) -> str:
    """The letter is gone; a video of ours that waits is sent by the next sweep all the same."""
    for video in Video.objects.filter(pk=letter.message.video_id or NOBODY):
        video.unsent()
    queue.delete_dead(url, letter.message)
    return "dropped"


def settle(deadline: Deadline) -> int:
    """Clears dead letters away, and returns how many; those that are not ours stay for somebody to look at.

    A video that still wants work gets a new message with the next sweep. Raises ``QueueUnavailable``.
    """
    url = "" if deadline.passed() else queue.dead_letter_url()
    settled = foreign = 0
    for message in _letters(url, deadline):
        reason, is_ours = explain(message)
        if not is_ours:
            foreign += 1
            continue
        log.warning("a dead letter: %s: %s", reason, message.body)
        for video in Video.objects.filter(pk=message.video_id or ""):
            video.unsent()
        queue.delete_dead(url, message)
        settled += 1
    if foreign:
        log.warning("%d dead letters are not ours. They stay in %s for somebody to look at.", foreign, url)
    return settled


def _letters(url: str, deadline: Deadline) -> Iterator[queue.Message]:
    for _ in range(BATCHES):
        letters = queue.receive_dead(url) if url and not deadline.passed() else []
        if not letters:
            return
        yield from letters
