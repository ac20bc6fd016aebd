"""A video as the API shows it, from the columns that this takes and no others."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from videos.youtube_url import thumbnail_url

if TYPE_CHECKING:
    from videos.models import Video


class ShownColumns(NamedTuple):
    """Of a video's row, what its caller is told."""

    id: uuid.UUID
    url: str
    youtube_id: str
    title: str
    channel: str
    duration_ms: int | None
    language: str
    wanted_language: str
    mode: str
    source: str
    status: str
    stage: str
    progress: int
    attempt: int
    retry_at: datetime | None
    error_code: str
    error_detail: str
    error_retryable: bool
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    email: str = ""
    """The caller's, as it is stored."""


COLUMNS: Sequence[str] = ShownColumns._fields[:-1]


def shown(video: "ShownColumns | Video") -> dict[str, Any]:
    """Ready for JSON, but for ids and times. Storage keys, leases and fences stay inside.

    ``VideoSerializer`` describes it for the OpenAPI document. By hand, because Django REST framework's fields take
    a hundred times as long, which was most of what a list cost.
    """
    error = None
    if video.error_code:
        error = {"code": video.error_code, "detail": video.error_detail, "retryable": video.error_retryable}
    return {
        "id": video.id,
        "url": video.url,
        "youtube_id": video.youtube_id,
        "title": video.title or None,
        "channel": video.channel or None,
        "duration_ms": video.duration_ms,
        "thumbnail_url": thumbnail_url(video.youtube_id),
        "language": video.language or video.wanted_language or None,
        "mode": video.mode,
        "source": video.source or None,
        "status": video.status,
        "stage": video.stage or None,
        "progress": video.progress,
        "attempt": video.attempt,
        "retry_at": video.retry_at,
        "error": error,
        "created_at": video.created_at,
        "updated_at": video.updated_at,
        "completed_at": video.completed_at,
    }
