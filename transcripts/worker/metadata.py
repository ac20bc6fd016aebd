"""What a video is, from what yt-dlp found out, and whether it can become a transcript at all. Asks nobody."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from transcripts.worker import errors
from transcripts.worker.foreign import milliseconds, one_line


@dataclass(frozen=True)
class Metadata:
    """What a video is. ``youtube_id`` is YouTube's own spelling, which may differ from the one asked for."""

    youtube_id: str
    title: str  # at most 500 characters, one line, maybe empty
    channel: str  # at most 200 characters, one line, maybe empty
    duration_ms: int | None
    language: str | None  # BCP 47: the one spoken, if YouTube says so


def describe(info: Mapping[str, Any], spoken: str | None) -> Metadata:
    """Take what is safe to store from yt-dlp's ``info``; a length that is none (negative, infinite) is left out."""
    return Metadata(
        youtube_id=info["id"],
        title=one_line(info.get("title"), 500),
        channel=one_line(info.get("channel"), 200),
        duration_ms=milliseconds(info.get("duration"), 1000) or None,
        language=spoken,
    )


def turn_away(info: Mapping[str, Any]) -> None:
    """Raise for what is not (yet) a whole video, or is longer than ``MAX_VIDEO_MINUTES``."""
    if info.get("_type", "video") != "video":
        raise errors.VideoPaid  # yt-dlp points to the trailer of what has to be bought
    match info.get("live_status"):
        case "is_live" | "post_live":  # ended, but the recording is not there yet
            raise errors.VideoLive
        case "is_upcoming":
            raise errors.VideoUpcoming
    if (info.get("duration") or 0) > settings.MAX_VIDEO_MINUTES * 60:
        raise errors.VideoTooLong(
            f"This video is longer than this service accepts ({settings.MAX_VIDEO_MINUTES} minutes at most)."
        )
