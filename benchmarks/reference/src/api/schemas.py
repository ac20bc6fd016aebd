"""What is sent and answered."""

import re
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from src.database.models import Video

_YOUTUBE = re.compile(
    r"https?://(?:www\.|m\.)?(?:youtube\.com/(?:watch\?(?:.*&)?v=|shorts/|embed/)|youtu\.be/)([\w-]{11})(?:[?&#].*)?"
)
Time = Annotated[datetime, AfterValidator(lambda time: time.replace(tzinfo=UTC))]


class AnalyzeRequest(BaseModel):
    """The body of POST /analyze."""

    url: str = Field(max_length=2048)
    language: str = Field("", max_length=35)
    mode: str = Field("auto", pattern="^(auto|captions|speech)$")

    @field_validator("url")
    @classmethod
    def is_youtubes(cls, value: str) -> str:
        """A link to one video."""
        if not _YOUTUBE.fullmatch(value.strip()):
            raise ValueError("This is no link to a YouTube video.")
        return value.strip()

    @property
    def youtube_id(self) -> str:
        """The 11 characters."""
        found = _YOUTUBE.fullmatch(self.url)
        assert found
        return found[1]


class ErrorOut(BaseModel):
    """Why there is no transcript."""

    code: str
    detail: str
    retryable: bool


class VideoOut(BaseModel):
    """A video."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    url: str
    youtube_id: str
    title: str | None
    channel: str | None
    duration_ms: int | None
    thumbnail_url: str
    language: str | None
    mode: str
    source: str | None
    status: str
    stage: str | None
    progress: int
    attempt: int
    retry_at: Time | None
    error: ErrorOut | None
    created_at: Time
    updated_at: Time
    completed_at: Time | None

    @classmethod
    def of(cls, video: Video) -> Self:
        """The row as it is shown."""
        error: dict[str, Any] | None = None
        if video.error_code:
            error = {"code": video.error_code, "detail": video.error_detail, "retryable": video.error_retryable}
        return cls(
            id=video.id,
            url=video.url,
            youtube_id=video.youtube_id,
            title=video.title or None,
            channel=video.channel or None,
            duration_ms=video.duration_ms,
            thumbnail_url=f"https://i.ytimg.com/vi/{video.youtube_id}/hqdefault.jpg",
            language=video.language or video.wanted_language or None,
            mode=video.mode,
            source=video.source or None,
            status=video.status.value,
            stage=video.stage or None,
            progress=video.progress,
            attempt=video.attempt,
            retry_at=video.retry_at,
            error=error,
            created_at=video.created_at,
            updated_at=video.updated_at,
            completed_at=video.completed_at,
        )


class VideoPage(BaseModel):
    """A page of videos."""

    next: str | None
    previous: str | None
    results: list[VideoOut]
