"""What YouTube may answer: recorded refusals, made ones in the same shape, and faults of its endpoints.

The recorded answers are those in the wheel of youtube-transcript-api (MIT), read from there when a test runs.
"""

import copy
import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from local.youtube import Site, Video
from local.youtube_answers import Json, media_url

RECORDED = files("youtube_transcript_api.test.assets")
RECORDED_ID = "GJLlxj_dtq8"
Fault = Callable[[Site], bool]


def recorded(name: str, video_id: str, media: Path | None = None) -> Video:
    """A video whose player answer was recorded; its links lead to the stand-in, for ``video_id``."""
    answer: Json = json.loads((RECORDED / f"{name}.innertube.json.static").read_text("utf-8"))
    answer.get("videoDetails", {})["videoId"] = video_id
    for stream in answer.get("streamingData", {}).get("adaptiveFormats", []):
        stream["url"] = media_url(video_id, stream["itag"])
        if media and stream["mimeType"].startswith("audio/"):
            stream["contentLength"] = str(media.stat().st_size)
    renderer = answer.get("captions", {}).get("playerCaptionsTracklistRenderer", {})
    for track in renderer.get("captionTracks", []):
        address = urlsplit(track["baseUrl"])
        asked = dict(parse_qsl(address.query)) | {"v": video_id}
        track["baseUrl"] = address._replace(query=urlencode(asked)).geturl()
    return Video(video_id, player=answer, media=media)


def watch_page() -> str:
    """A watch page as YouTube sent it on 2025-06-11, for ``RECORDED_ID``."""
    return (RECORDED / "youtube.html.static").read_text("utf-8")


def changed(video: Video, change: Callable[[Json], Any]) -> Video:
    """The video with a change to what its player answers."""
    video.player = copy.deepcopy(video.answer())
    change(video.player)
    return video


def refused(video_id: str, reason: str, subreason: str = "", *, status: str = "UNPLAYABLE", **screen: Any) -> Video:
    """A video that YouTube refuses to play, with the words it shows."""
    playability: Json = {"status": status, "reason": reason}
    if subreason:
        texts = {"reason": {"simpleText": reason}, "subreason": {"simpleText": subreason}}
        screen = {"playerErrorMessageRenderer": texts}
    if screen:
        playability["errorScreen"] = screen
    details = Video(video_id).answer()["videoDetails"]
    return Video(video_id, player={"playabilityStatus": playability, "videoDetails": details})


def needs_javascript(video: Video, *players: str) -> Video:
    """The formats of these players (by default: of all) are to be had only by who runs YouTube's program."""
    answer = copy.deepcopy(video.answer())
    for stream in answer["streamingData"]["adaptiveFormats"]:
        stream["url"] += "&n=abcdefghijklmnop"

    def fault(site: Site) -> bool:
        player = site.asked["context"]["client"]["clientName"]
        site._reply_json(answer if not players or player in players else video.answer())
        return True

    video.faults["player"] = fault
    return video


def answers(status: int, body: bytes = b"", **headers: str) -> Fault:
    """The endpoint answers that."""

    def fault(site: Site) -> bool:
        site.reply(status, body, **headers)
        return True

    return fault


def hangs_up(site: Site) -> bool:
    """The connection is reset before there is an answer."""
    site.hang_up()
    return True


def breaks_off(site: Site) -> bool:
    """The connection is cut when half of the audio has been sent."""
    assert site.video is not None
    assert site.video.media is not None
    whole = site.video.media.read_bytes()
    site.send_response(206)
    site.send_header("Content-Length", str(len(whole)))
    site.send_header("Content-Range", f"bytes 0-{len(whole) - 1}/{len(whole)}")
    site.end_headers()
    site.wfile.write(whole[: len(whole) // 2])
    site.wfile.flush()
    return hangs_up(site)


def once(fault: Fault) -> Fault:
    """The fault, the first time only."""
    pending = [fault]
    return lambda site: bool(pending) and pending.pop()(site)
