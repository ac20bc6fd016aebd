"""What the stand-in of YouTube answers: pages and documents of our own making, in YouTube's shapes.

The shapes are those that yt-dlp reads (yt_dlp/extractor/youtube/_video.py and _base.py);
what it does not read is not here.
"""

import html
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

Json = dict[str, Any]
MEDIA_HOST = "rr1---sn-sample.googlevideo.com"
SAMPLE = Path(__file__).parent / "sample"

_WATCH_PAGE = """<!DOCTYPE html><html><head><title>{title} - YouTube</title><script>ytcfg.set({config});</script>
</head><body><script>var ytInitialPlayerResponse = {player};</script>
<script>var ytInitialData = {data};</script></body></html>"""
_CONFIG = {
    "INNERTUBE_API_KEY": "sample",
    "INNERTUBE_CLIENT_VERSION": "2.20260708.00.00",
    "INNERTUBE_CONTEXT": {"client": {"hl": "en", "gl": "US", "clientName": "WEB", "clientVersion": "2.20260708.00.00"}},
    "INNERTUBE_CONTEXT_CLIENT_NAME": 1,
    "PLAYER_JS_URL": "/s/player/00000000/player_ias.vflset/en_US/base.js",
    "STS": 20472,
    "VISITOR_DATA": "Cgtsb2NhbHNhbXBsZQ%3D%3D",
}


@dataclass(frozen=True)
class Track:
    """Captions in one language; a cue is ``(start_ms, end_ms, text)``."""

    language: str
    cues: Sequence[tuple[int, int, str]]
    automatic: bool = False
    name: str = ""

    def json3(self) -> Json:
        """The track as YouTube sends it: an event that places the window first, then one for each cue."""
        window = {"tStartMs": 0, "dDurationMs": max((end for _, end, _ in self.cues), default=0), "id": 1}
        spoken = [
            {"tStartMs": start, "dDurationMs": end - start, "segs": [{"utf8": text}]} for start, end, text in self.cues
        ]
        return {
            "wireMagic": "pb3",
            "pens": [{}],
            "wsWinStyles": [{}],
            "wpWinPositions": [{}],
            "events": [window, *spoken],
        }


@dataclass
class Video:
    """One video of the stand-in. ``faults`` answer in place of an endpoint: watch, player, timedtext or media."""

    id: str
    title: str = "A sample"
    channel: str = "A channel"
    duration_ms: int = 10_000
    language: str | None = None  # of the sound; None: YouTube does not say
    tracks: Sequence[Track] = ()
    media: Path | None = None  # Opus in WebM; None: a video without sound
    player: Json | None = None  # sent as it is, in place of an answer made from the above
    watch_page: str | None = None  # likewise
    faults: dict[str, Callable[[Any], bool]] = field(default_factory=dict)

    def answer(self) -> Json:
        """What ``/youtubei/v1/player`` says about this video, to whichever client."""
        return self.player or {
            "playabilityStatus": {"status": "OK", "playableInEmbed": True},
            "videoDetails": {
                "videoId": self.id,
                "title": self.title,
                "author": self.channel,
                "channelId": "UC" + "sample".ljust(22, "0"),
                "lengthSeconds": str(self.duration_ms // 1000),
                "isLiveContent": False,
                "isPrivate": False,
            },
            "streamingData": {"expiresInSeconds": "21540", "adaptiveFormats": self._formats()},
            "captions": {"playerCaptionsTracklistRenderer": self._captions()} if self.tracks else {},
        }

    def page(self) -> str:
        """The page at ``/watch?v=…``, as far as yt-dlp reads it."""
        if self.watch_page:
            return self.watch_page
        shown = ("playabilityStatus", "videoDetails", "microformat")
        return _WATCH_PAGE.format(
            title=html.escape(self.title),
            config=json.dumps(_CONFIG),
            player=json.dumps({k: v for k, v in self.answer().items() if k in shown}),
            data=json.dumps(self.page_data()),
        )

    def page_data(self) -> Json:
        """What ``/youtubei/v1/next`` says, which the page holds as well: whose video it is."""
        owner = {"videoOwnerRenderer": {"title": {"simpleText": self.channel}}}
        contents = [{"videoPrimaryInfoRenderer": {}}, {"videoSecondaryInfoRenderer": {"owner": owner}}]
        return {"contents": {"twoColumnWatchNextResults": {"results": {"results": {"contents": contents}}}}}

    def _formats(self) -> list[Json]:
        pictures = {"mimeType": 'video/webm; codecs="vp9"', "width": 640, "height": 360, "qualityLabel": "360p"}
        formats = [{"itag": 243, "url": media_url(self.id, 243), "bitrate": 300_000, "quality": "medium"} | pictures]
        if self.media:
            sound = {
                "itag": 251,
                "url": media_url(self.id, 251),
                "mimeType": 'audio/webm; codecs="opus"',
                "bitrate": 64_000,
                "contentLength": str(self.media.stat().st_size),
                "approxDurationMs": str(self.duration_ms),
                "audioQuality": "AUDIO_QUALITY_MEDIUM",
                "audioSampleRate": "48000",
                "audioChannels": 1,
            }
            if self.language:
                track = {"id": f"{self.language}.4", "displayName": f"{self.language} original", "audioIsDefault": True}
                sound["audioTrack"] = track
            formats.append(sound)
        return formats

    def _captions(self) -> Json:
        return {
            "captionTracks": [
                {
                    "baseUrl": caption_url(self.id, track),
                    "name": {"simpleText": track.name or track.language},
                    "vssId": f"a.{track.language}" if track.automatic else f".{track.language}{track.name and '.x'}",
                    "languageCode": track.language,
                    "isTranslatable": True,
                }
                | ({"kind": "asr"} if track.automatic else {})
                for track in self.tracks
            ],
            # into which YouTube offers to translate each of them by machine
            "translationLanguages": [
                {"languageCode": code, "languageName": {"simpleText": code}} for code in ("de", "en", "es", "fr", "pt")
            ],
        }


def media_url(video_id: str, itag: int) -> str:
    """Where a format of a video is downloaded from."""
    return f"https://{MEDIA_HOST}/videoplayback?{urlencode({'id': f'o-{video_id}', 'itag': itag})}"


def caption_url(video_id: str, track: Track) -> str:
    """Where a caption track is downloaded from; yt-dlp adds ``fmt``, and ``tlang`` for a machine translation."""
    asked = {"v": video_id, "lang": track.language}
    if track.automatic:
        asked["kind"] = "asr"
    if track.name:
        asked["name"] = track.name
    return f"https://www.youtube.com/api/timedtext?{urlencode(asked)}"


def sample_videos(folder: Path = SAMPLE) -> list[Video]:
    """The two videos of our own, from ``talk.webm`` and ``talk.json``: the same talk with captions and without."""
    talk = json.loads((folder / "talk.json").read_text("utf-8"))
    cues = [(start, end, text) for start, end, text in talk["segments"]]

    def video(video_id: str, *tracks: Track) -> Video:
        return Video(
            video_id,
            talk["title"],
            talk["channel"],
            talk["duration_ms"],
            talk["language"],
            tracks,
            folder / "talk.webm",
        )

    return [video("SampleCapt1", Track(talk["language"], cues)), video("SampleVoice")]
