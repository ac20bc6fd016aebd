"""The tables, as they are in the database that all stacks share."""

import enum
import uuid
from datetime import UTC, datetime

from sqlalchemy import BigInteger, Boolean, DateTime, Enum, ForeignKey, String, Uuid
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


class Base(DeclarativeBase):
    """Of all tables."""

    type_annotation_map = {datetime: DateTime().with_variant(DATETIME(fsp=6), "mysql")}


class VideoStatus(enum.StrEnum):
    """Where a video stands."""

    queued = "queued"
    processing = "processing"
    completed = "completed"
    failed = "failed"


class User(Base):
    """A caller."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    email: Mapped[str] = mapped_column(String(254), default="")
    password: Mapped[str] = mapped_column(String(128), default="!")
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)
    is_staff: Mapped[bool] = mapped_column(Boolean, default=False)
    is_superuser: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime] = mapped_column(default=_now)

    videos: Mapped[list["Video"]] = relationship(back_populates="user")

    @classmethod
    def new(cls, sub: str, email: str) -> "User":
        """A row for a first call."""
        return cls(id=sub, email=email)


class Video(Base):
    """A link that a user submitted."""

    __tablename__ = "videos"

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid.uuid4)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    youtube_id: Mapped[str] = mapped_column(String(11))
    url: Mapped[str] = mapped_column(String(100))
    mode: Mapped[str] = mapped_column(String(10), default="auto")
    wanted_language: Mapped[str] = mapped_column(String(35), default="")
    title: Mapped[str] = mapped_column(String(500), default="")
    channel: Mapped[str] = mapped_column(String(200), default="")
    duration_ms: Mapped[int | None] = mapped_column(BigInteger)
    language: Mapped[str] = mapped_column(String(35), default="")
    source: Mapped[str] = mapped_column(String(10), default="")
    s3_path: Mapped[str] = mapped_column(String(255), default="")
    status: Mapped[VideoStatus] = mapped_column(
        Enum(VideoStatus, native_enum=False, length=10), default=VideoStatus.queued
    )
    stage: Mapped[str] = mapped_column(String(10), default="")
    progress: Mapped[int] = mapped_column(default=0)
    attempt: Mapped[int] = mapped_column(default=0)
    error_code: Mapped[str] = mapped_column(String(40), default="")
    error_detail: Mapped[str] = mapped_column(String(500), default="")
    error_retryable: Mapped[bool] = mapped_column(default=False)
    fence: Mapped[int] = mapped_column(BigInteger, default=0)
    lease_token: Mapped[str] = mapped_column(String(32), default="")
    enqueued_at: Mapped[datetime | None] = mapped_column()
    retry_at: Mapped[datetime | None] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(default=_now)
    updated_at: Mapped[datetime] = mapped_column(default=_now, onupdate=_now)
    completed_at: Mapped[datetime | None] = mapped_column()

    user: Mapped[User] = relationship(back_populates="videos")
