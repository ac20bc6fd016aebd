"""A video's page: what was asked for, what became of it, attempt by attempt, and what there is now.

``transcripts.story`` tells the same as data, to ``manage.py video``; it lies above this app, which may not import it.
"""

import logging
from collections.abc import Iterable
from typing import Any, NamedTuple

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.files.storage import default_storage
from django.http import HttpRequest

from videos import admin_actions, files, queue
from videos.attempts import taken_at
from videos.models import Video
from videos.youtube_url import watch_url

log = logging.getLogger(__name__)

ATTEMPTS_SHOWN = 50
SEGMENTS_SHOWN = 1000
NOTES_SHOWN = 20


class StoredFile(NamedTuple):
    """A file with a signed address that lives for minutes."""

    name: str
    size: int
    url: str


def of(request: HttpRequest, video: Video) -> dict[str, Any]:
    """Everything that the page tells; four questions to the database, and one to storage."""
    transcript = getattr(video, "transcript", None)
    segments = transcript.segments if transcript else []
    stored, trouble = _files(video)
    return {
        "video": video,
        "address": watch_url(video.youtube_id),  # no row can make it another kind of link
        "facts": list(_facts(video)),
        "attempts": _attempts(video),
        "message": queue.body(video),
        "taken_at": None if video.enqueued_at else taken_at(video),
        "files": stored,
        "files_trouble": trouble,
        "transcript": transcript,
        "segments": [(_clock(s.start_ms), s.start_ms // 1000, s.text) for s in segments[:SEGMENTS_SHOWN]],
        "more_segments": max(0, len(segments) - SEGMENTS_SHOWN),
        "deeds": [deed for deed in admin_actions.DEEDS.values() if deed.allowed(request)],
        "notes": _notes(video),
    }


def _attempts(video: Video) -> list[tuple[str, Any, str]]:
    """The latest first: its number, the attempt, how long it took. Each time that it was asked for is a run."""
    attempts = list(video.attempts.order_by("-fence")[:ATTEMPTS_SHOWN])
    runs = list(dict.fromkeys(attempt.requested_at for attempt in reversed(attempts)))
    if len(attempts) == ATTEMPTS_SHOWN:  # there may be earlier ones
        runs = list(video.attempts.order_by("requested_at").values_list("requested_at", flat=True).distinct())
    return [(_number(attempt, runs), attempt, _lasted(attempt)) for attempt in attempts]


def _number(attempt: Any, runs: list[Any]) -> str:
    """Attempts are counted from 1 in each run: where there are several, the run is told too."""
    return f"run {runs.index(attempt.requested_at) + 1}, no. {attempt.number}" if len(runs) > 1 else str(attempt.number)


def _facts(video: Video) -> Iterable[tuple[str, Any]]:
    """What else the row says, in words."""
    yield "id", video.pk
    yield "mode", video.get_mode_display()
    yield "wanted language", video.wanted_language
    yield "language", video.language
    yield "source", video.source
    yield "channel", video.channel
    yield "length", _clock(video.duration_ms) if video.duration_ms else ""
    yield "submitted", video.created_at
    yield "last asked for", video.requested_at
    yield "tried again at", video.retry_at
    yield "lease until", video.lease_expires_at
    yield "completed", video.completed_at
    yield "last change", video.updated_at
    yield "attempts counted", video.attempt
    yield "fence", video.fence


def _files(video: Video) -> tuple[list[StoredFile], str]:
    try:
        found = files.sized(video.files_prefix)
        return [StoredFile(path, size, default_storage.url(path)) for path, size in found], ""
    except files.errors() as error:
        log.warning("the files of video %s could not be listed: %s", video.pk, error)
        return [], "Storage does not answer. Load this page again; manage.py sweep mends what is missing."


def _notes(video: Video) -> list[LogEntry]:
    """What staff did to it, the latest first."""
    kind = ContentType.objects.get_for_model(Video)
    mine = LogEntry.objects.filter(content_type=kind, object_id=str(video.pk)).select_related("user")
    return list(mine.order_by("-action_time")[:NOTES_SHOWN])


def _lasted(attempt: Any) -> str:
    if attempt.ended_at is None:
        return ""
    seconds = (attempt.ended_at - attempt.started_at).total_seconds()
    return f"{seconds:.1f} s" if seconds < 120 else _clock(round(seconds * 1000))


def _clock(milliseconds: int) -> str:
    """As a player shows it."""
    minutes, seconds = divmod(milliseconds // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
