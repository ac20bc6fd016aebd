"""The endpoints."""

import base64
import json
import uuid
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request, Response
from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from src.api.auth import current_user
from src.api.schemas import AnalyzeRequest, VideoOut, VideoPage
from src.database.database import get_db
from src.database.models import User, Video, VideoStatus
from src.services.sqs_service import send_job

router = APIRouter()


@router.post("/analyze", response_model=VideoOut, status_code=202)
def analyze(
    body: AnalyzeRequest,
    response: Response,
    user: User = Depends(current_user),
    db: Session = Depends(get_db),
) -> VideoOut:
    """Make a row and send a message."""
    video = db.scalar(select(Video).where(Video.user_id == user.id, Video.youtube_id == body.youtube_id))
    if video is not None and video.status != VideoStatus.failed:
        response.status_code = 200
        return VideoOut.of(video)
    if video is None:
        url = f"https://www.youtube.com/watch?v={body.youtube_id}"
        video = Video(
            user_id=user.id, youtube_id=body.youtube_id, url=url, mode=body.mode, wanted_language=body.language
        )
        db.add(video)
    else:
        video.status, video.error_code, video.error_detail = VideoStatus.queued, "", ""
    db.commit()
    send_job(video)
    now = datetime.now(UTC).replace(tzinfo=None)
    db.execute(
        update(Video).where(Video.id == video.id).values(enqueued_at=now, updated_at=video.updated_at),
        execution_options={"synchronize_session": False},
    )
    db.commit()
    response.headers["Location"] = f"/videos/{video.id}"
    response.headers["Retry-After"] = "2"
    return VideoOut.of(video)


@router.get("/videos", response_model=VideoPage)
def list_videos(
    request: Request,
    status: VideoStatus | None = None,
    cursor: str | None = None,
    page_size: Annotated[int, Query(ge=1, le=100)] = 20,
    user: User = Depends(current_user),
    db: Session = Depends(get_db),
) -> VideoPage:
    """The caller's videos, newest first."""
    query = select(Video).where(Video.user_id == user.id)
    if status:
        query = query.where(Video.status == status)
    if cursor:
        created, last = _position(cursor)
        older = or_(Video.created_at < created, and_(Video.created_at == created, Video.id < last))
        query = query.where(Video.created_at <= created, older)
    rows = db.scalars(query.order_by(Video.created_at.desc(), Video.id.desc()).limit(page_size + 1)).all()
    page = rows[:page_size]
    following = None
    if len(rows) > page_size:
        position = ["-created_at", page[-1].created_at.replace(tzinfo=UTC).isoformat(), str(page[-1].id), False]
        token = base64.urlsafe_b64encode(json.dumps(position).encode()).rstrip(b"=").decode()
        following = str(request.url.include_query_params(cursor=token))
    return VideoPage(next=following, previous=None, results=[VideoOut.of(video) for video in page])


def _position(cursor: str) -> tuple[datetime, uuid.UUID]:
    try:
        _, value, last, _ = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None), uuid.UUID(last)
    except (ValueError, TypeError) as error:
        raise HTTPException(status_code=400, detail="Bad cursor") from error


@router.get("/videos/{video_id}", response_model=VideoOut)
def read_video(
    video_id: uuid.UUID,
    response: Response,
    if_none_match: Annotated[str | None, Header()] = None,
    user: User = Depends(current_user),
    db: Session = Depends(get_db),
) -> VideoOut | Response:
    """One video; 304 where the caller has it as it is."""
    video = db.get(Video, video_id)
    if video is None or video.user_id != user.id:
        raise HTTPException(status_code=404, detail="Video not found")
    etag = f'"{video.updated_at.timestamp()}"'
    if if_none_match == etag:
        return Response(status_code=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return VideoOut.of(video)
