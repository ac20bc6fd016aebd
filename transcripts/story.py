"""A video's story, from the rows and the files: what operators and scripts are told.

``videos.admin_story`` tells it to a browser: with links that live for minutes, notes and buttons, which a script has no
use for. It cannot ask here, because ``videos`` knows nothing of ``transcripts``.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from django.core.files.storage import default_storage

from transcripts.models import Transcript
from videos import files, queue
from videos.attempts import taken_at
from videos.models import Deletion, Video
from videos.youtube_url import InvalidYouTubeURL, video_id


def matches(text: str, *, limit: int = 50) -> list[Video]:
    """The videos that an operator may mean: by our id, by YouTube's id or by a link; newest first."""
    try:
        return list(Video.objects.filter(pk=uuid.UUID(text)))
    except ValueError:
        pass
    try:
        found = video_id(text if "/" in text else f"https://youtu.be/{text}")
    except InvalidYouTubeURL:
        return []
    return list(Video.objects.filter(youtube_id=found).select_related("user").order_by("-created_at")[:limit])


def tell(video: Video) -> dict[str, Any]:
    """Everything but the text itself. Files are None where storage does not answer. Raises what the database raises."""
    transcript = Transcript.objects.without_text().filter(video=video).first()
    return {
        "id": video.pk,
        "url": video.url,
        "title": video.title,
        "channel": video.channel,
        "duration_ms": video.duration_ms,
        "user": {"id": video.user_id, "email": video.user.email},
        "mode": video.mode,
        "wanted_language": video.wanted_language,
        "status": video.status,
        "stage": video.stage,
        "progress": video.progress,
        "attempt": video.attempt,
        "error": _error(video),
        "created_at": video.created_at,
        "requested_at": video.requested_at,
        "unmetered": video.unmetered,
        "updated_at": video.updated_at,
        "completed_at": video.completed_at,
        "retry_at": video.retry_at,
        "fence": video.fence,
        "lease_expires_at": video.lease_expires_at,
        "message": {"body": queue.body(video), "sent_at": video.enqueued_at, "taken_at": taken_at(video)},
        "attempts": [_attempt(row) for row in video.attempts.order_by("fence").values()],
        "transcript": transcript
        and {
            "id": transcript.pk,
            "language": transcript.language,
            "source": transcript.source,
            "engine": transcript.engine,
            "model": transcript.model,
            "created_at": transcript.created_at,
        },
        "files": _files(video),
        "deletions": list(Deletion.objects.filter(prefix__startswith=video.files_prefix).values("prefix", "due_at")),
    }


def first_words(video: Video, *, segments: int) -> list[tuple[int, str]]:
    """The head of the transcript: where each segment begins, in milliseconds, and what is said."""
    transcript = Transcript.objects.filter(video=video).first()
    return [(segment.start_ms, segment.text) for segment in transcript.segments[:segments]] if transcript else []


def _error(video: Video) -> dict[str, Any] | None:
    if not video.error_code:
        return None
    return {"code": video.error_code, "detail": video.error_detail, "retryable": video.error_retryable}


def _attempt(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("id", "video_id")}


def _files(video: Video) -> list[dict[str, Any]] | None:
    named = {video.s3_path: "audio"}
    named |= dict.fromkeys(Transcript.objects.filter(video=video).values_list("s3_path", flat=True), "transcript")
    try:
        found = [(path, default_storage.size(path)) for path in files.below(video.files_prefix)]
    except files.errors():
        return None
    rows = [{"path": path, "bytes": size, "is": named.pop(path, "")} for path, size in sorted(found)]
    return rows + [{"path": path, "bytes": None, "is": what} for path, what in named.items() if path]
