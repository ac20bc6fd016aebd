"""What was received too often and so was put aside by SQS: each is explained, and none needs anybody if it is ours.

A message gets here without having done any harm: the row decides whether there is work, and the sweep sends
for a row what is missing. So a dead letter of ours only has to be cleared away.
"""

import logging
from typing import NamedTuple

from videos import queue
from videos.models import Video

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


def settle() -> int:
    """Clears ten dead letters away at most; those that are not ours stay for somebody to look at.

    A video that still wants work gets a new message with the next sweep. Raises ``QueueUnavailable``.
    """
    settled = 0
    for message in queue.receive_dead():
        reason, is_ours = explain(message)
        log.warning("a dead letter: %s: %.200r", reason, message.body)
        if not is_ours or message.video_id is None:
            continue
        for video in Video.objects.filter(pk=message.video_id):
            video.unsent()
        queue.delete_dead(message)
        settled += 1
    return settled
