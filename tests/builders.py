"""Rows in the states that tests begin with; each goes through the model's own transitions."""

import itertools

from accounts.models import User
from tests.tokens import ALICE
from transcripts.models import Transcript
from transcripts.segments import Segment, plain_text
from videos.models import Video
from videos.youtube_url import watch_url

SEGMENTS = [Segment(0, 1500, "Hello <world> & all"), Segment(1500, 3_723_004, "日本語 🙂")]

_numbers = itertools.count()


def user(sub: str = ALICE) -> User:
    return User.objects.seen(sub, f"{sub[:5]}@example.com")


def queued(sub: str = ALICE, **columns) -> Video:
    youtube_id = columns.pop("youtube_id", f"{next(_numbers):011}")
    return Video.objects.create(user=user(sub), youtube_id=youtube_id, url=watch_url(youtube_id), **columns)


def processing(sub: str = ALICE, **columns) -> Video:
    claimed = Video.objects.claim(queued(sub, **columns).pk)
    assert claimed is not None
    return claimed


def failed(sub: str = ALICE, code: str = "video_private", *, retryable: bool = False, **columns) -> Video:
    video = processing(sub, **columns)
    assert video.fail(code, "This video is private.", retryable=retryable)
    video.refresh_from_db()
    return video


def completed(sub: str = ALICE, *, segments: list[Segment] = SEGMENTS, s3_path: str = "", **columns) -> Video:
    video = processing(sub, **columns)
    assert video.complete(source=Video.Source.CAPTIONS, language="en", s3_path=s3_path)
    Transcript.objects.store(transcript(video, segments))
    video.refresh_from_db()
    return video


def transcript(video: Video, segments: list[Segment] = SEGMENTS, *, s3_path: str = "") -> Transcript:
    """Not stored yet."""
    return Transcript(
        video=video,
        user_id=video.user_id,
        language="en",
        source=Video.Source.CAPTIONS,
        engine="youtube",
        model="human",
        content=plain_text(segments),
        segment_rows=segments,
        s3_path=s3_path,
    )
