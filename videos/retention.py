"""How long things are kept: audio, and videos with all that belongs to them.

Who runs it twice, or stops it, loses nothing: each video is one transaction of its own, and a file that could not be
deleted then is deleted by the sweep, because no row names it any more.
"""

import logging
import uuid
from collections.abc import Iterator

from django.core.files.storage import default_storage
from django.db.models import Q, QuerySet

from videos import files, reprocessing, services
from videos.clock import from_now
from videos.models import Video
from videos.transactions import repeated

log = logging.getLogger(__name__)

_DAY_SECONDS = 86_400


def with_old_audio(days: float) -> "QuerySet[Video]":
    """Completed longer ago, and their audio is still there."""
    return Video.objects.filter(completed_at__lt=from_now(-days * _DAY_SECONDS)).exclude(s3_path="")


def ended_before(days: float) -> "QuerySet[Video]":
    """Completed longer ago; or failed, and nothing has changed since."""
    long_ago = from_now(-days * _DAY_SECONDS)
    completed = Q(status=Video.Status.COMPLETED, completed_at__lt=long_ago)
    return Video.objects.filter(completed | Q(status=Video.Status.FAILED, updated_at__lt=long_ago))


def each(rows: "QuerySet[Video]") -> Iterator[uuid.UUID]:
    """The ids, in bounded questions."""
    for ids in reprocessing.slices(rows):
        yield from ids


def forget_audio(pk: uuid.UUID, rows: "QuerySet[Video]") -> bool:
    """Deletes the audio of a video that is still among these; first from the row, so that nobody is sent there."""
    video = repeated(lambda: rows.filter(pk=pk).first(), seconds=reprocessing.PATIENCE_SECONDS)
    if video is None:
        return False
    try:
        left = max(0, video.bytes_kept - default_storage.size(video.s3_path))
    except files.errors() as error:  # one that is lost is forgotten by the sweep
        log.warning("the audio of video %s stays until storage tells its size: %s", pk, error)
        return False
    if not repeated(lambda: video.forget_audio(bytes_left=left), seconds=reprocessing.PATIENCE_SECONDS):
        return False
    try:
        default_storage.delete(video.s3_path)
    except files.errors() as error:
        log.warning("the audio of video %s is left to the sweep: %s", pk, error)
    return True


def delete(pk: uuid.UUID, rows: "QuerySet[Video]") -> bool:
    """Deletes a video that is still among these, as its user would."""
    video = repeated(lambda: rows.filter(pk=pk).first(), seconds=reprocessing.PATIENCE_SECONDS)
    if video is None:
        return False
    services.delete_video(video)
    return True
