"""YouTube, asked through yt-dlp: what a video is, its captions, its audio.

One :func:`extract` per job (a watch page and two player requests; where YouTube's JavaScript has to be run, these once
more and its program), reused for captions (one request) and audio (one request per 10 MiB). Everything goes through
``YOUTUBE_PROXY_URL`` where that is set, and else the way the environment says. Every failure comes out as a class of
:mod:`transcripts.worker.errors`.
"""

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from yt_dlp.utils import DownloadError

from transcripts.segments import tidy
from transcripts.worker import errors, metadata, scratch, streams, youtube_client
from transcripts.worker.captions import CAPTION_FORMAT, Captions, Track, parse, ranked, tracks
from transcripts.worker.foreign import language_tag
from transcripts.worker.metadata import Metadata

__all__ = ["Captions", "Extraction", "Metadata", "extract", "reach"]

MAX_CAPTION_BYTES = 32 * 1024 * 1024  # ten hours of word-timed captions are about a third
SLOWEST_BYTES_A_SECOND = 30_000  # about twice what is heard in a second of YouTube's best audio
MAX_WAIT_SECONDS = 120  # for the advertisements that YouTube wants seen before it hands out audio
_VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_INSTEAD = re.compile(r'got player responses for video "([A-Za-z0-9_-]{11})" instead')
# What more formats may prove wrong: yt-dlp gets round some age gates by a player whose formats need the scripts.
_UNCERTAIN = (
    errors.VideoUnavailable,
    errors.VideoAgeRestricted,
    errors.VideoDrmProtected,
    errors.NoAudio,
    errors.SourceUnreadable,
)
_SUFFIXES = {"webm": ".webm", "m4a": ".m4a", "mp4": ".mp4", "3gp": ".3gp"}  # ours: no word of YouTube's is in a path


def extract(youtube_id: str, *, thorough: bool = False) -> "Extraction":
    """Ask what the video is and what there is to download. Takes about a second and downloads nothing.

    YouTube's JavaScript is not run at first: it takes two seconds of the processor, 300 MB and a program of 2.6 MB, and
    only adds formats to those that one of the players has without it. It is run where there are none then, before a
    refusal is believed that it could prove wrong, and where the caller wants to be ``thorough``.

    Refuses what cannot become a transcript: live and upcoming, longer than ``MAX_VIDEO_MINUTES``, or with
    neither sound nor captions. A video with captions alone is accepted; its :meth:`Extraction.audio` is
    what fails then. Raises subclasses of JobError only.
    """
    if not _VIDEO_ID.fullmatch(youtube_id):
        raise errors.VideoUnavailable
    if not thorough:
        with suppress(*_UNCERTAIN):
            extraction = _extract(youtube_id, scripts=False)
            if extraction.has_formats:
                return extraction
    return _extract(youtube_id, scripts=True)


def _extract(youtube_id: str, *, scripts: bool) -> "Extraction":
    log = youtube_client.Log()
    try:
        info = _ask(youtube_id, log, scripts=scripts)
    except errors.SourceRefused:
        # The last two bits of an id mean nothing, and YouTube may answer in its own spelling, which yt-dlp takes
        # for another video (https://github.com/ytdl-org/youtube-dl/pull/25063).
        instead = _INSTEAD.search("\n".join(log.warnings))
        if not instead or instead[1][:10] != youtube_id[:10]:
            raise
        info = _ask(instead[1], log, scripts=scripts)
    metadata.turn_away(info)
    return Extraction(info, log.warnings)


def reach() -> None:
    """Ask YouTube for nothing, by the way that everything else takes. Raises subclasses of JobError only."""
    with youtube_client.opened(youtube_client.Log()) as client:
        client.urlopen("https://www.youtube.com/generate_204")


def _ask(youtube_id: str, log: youtube_client.Log, *, scripts: bool) -> Mapping[str, Any]:
    with youtube_client.opened(log, scripts=scripts) as client:
        # Else it makes addresses of captions in seven formats, for each of 160 languages of translation: a third of the
        # processor time that a job with captions takes (benchmarks/worker.py).
        client.get_info_extractor("Youtube")._SUBTITLE_FORMATS = (CAPTION_FORMAT,)
        # process=False selects no format: a live stream still says that it is live, instead of
        # "No video formats found!".
        info = client.extract_info(f"https://www.youtube.com/watch?v={youtube_id}", download=False, process=False)
    return dict(info)


class Extraction:
    """What YouTube answered about one video, good for as long as its signed addresses are: about six hours."""

    def __init__(self, info: Mapping[str, Any], warnings: list[str]) -> None:
        self._info = info
        self._warnings = warnings
        self._formats: list[streams.Format] = info.get("formats") or []
        self._tracks = tracks(info.get("subtitles"), info.get("automatic_captions"))
        if not self._tracks and not streams.original(self._formats):
            raise streams.why_silent(self._formats, warnings)
        heard = {track.language for track in self._tracks if track.automatic}
        spoken = streams.language(self._formats) or (heard.pop() if len(heard) == 1 else None)
        self.metadata = metadata.describe(info, spoken)

    @property
    def has_formats(self) -> bool:
        """Whether there is anything to be seen or heard, so that what is missing is missing in the video."""
        return bool(streams.moving(self._formats))

    def captions(self, wanted: str | None) -> Captions | None:
        """The best captions: a human's in the wanted language (BCP 47), else in the spoken one, else what was heard.

        Never a machine translation: None where there are none of these. A track without words counts as
        none. Raises CaptionsWithheld where YouTube lists captions but
        does not hand them out, which says nothing about whether there are any.
        """
        wanted, spoken = language_tag(wanted), self.metadata.language
        withheld = any("PO token was not provided" in warning for warning in self._warnings)
        if withheld and not (wanted or spoken):
            raise errors.CaptionsWithheld  # the tracks that are left may all be translations
        for track in ranked(self._tracks, spoken=spoken, wanted=wanted):
            if segments := tidy(parse(self._caption_file(track))):
                return Captions(track.language, track.automatic, segments)
        if withheld:
            raise errors.CaptionsWithheld
        return None

    def audio(self, folder: Path, on_progress: Callable[[float], None]) -> Path:
        """Download the best audio as YouTube has it (nearly always Opus in WebM) into ``folder``.

        One whole file: of the size that was announced, at most ``MAX_AUDIO_MEGABYTES`` (of a million bytes); or
        an error and no file. ``on_progress`` gets the fraction that is there, from 0 to 1, a few times
        a second at most; what it raises stops the download and comes out as it is.
        """
        try:
            return self._download_audio(folder, on_progress)
        except _Stopped as stopped:
            reason = stopped.reason
        raise reason

    def offers(self) -> dict[str, list[dict[str, Any]]]:
        """What there is to download: caption tracks, and formats of the original sound."""
        sound = ("format_id", "ext", "acodec", "filesize", "language")
        return {
            "captions": [{"language": track.language, "automatic": track.automatic} for track in self._tracks],
            "audio": [{name: f.get(name) for name in sound} for f in streams.original(self._formats)],
        }

    def audio_seconds(self) -> float:
        """How long the download of the audio may take: at ``SLOWEST_BYTES_A_SECOND``, waiting for its turn included."""
        sizes = [f.get("filesize") or 0 for f in streams.original(self._formats)]
        size = min(max(sizes, default=0), settings.MAX_AUDIO_MEGABYTES * 1_000_000)
        return MAX_WAIT_SECONDS + size / SLOWEST_BYTES_A_SECOND

    def _caption_file(self, track: Track) -> bytes:
        with scratch.folder() as folder, youtube_client.opened(youtube_client.Log()) as client:
            path = folder / "captions.json3"

            def watch(status: Mapping[str, Any]) -> None:
                if (status.get("downloaded_bytes") or 0) > MAX_CAPTION_BYTES:
                    raise errors.SourceUnreadable

            try:
                youtube_client.save(client, track.source, path, watch)
            except DownloadError as error:
                # 200 with an empty body is how YouTube withholds captions from what has no proof of origin
                # (https://github.com/yt-dlp/yt-dlp/wiki/PO-Token-Guide).
                if "Did not get any data blocks" in str(error):
                    raise errors.CaptionsWithheld from error
                raise
            return path.read_bytes()

    def _download_audio(self, folder: Path, on_progress: Callable[[float], None]) -> Path:
        formats = streams.original(self._formats)
        if not formats:
            raise streams.why_silent(self._formats, self._warnings)
        limit = settings.MAX_AUDIO_MEGABYTES * 1_000_000
        size = 0

        def report(fraction: float) -> None:
            try:
                on_progress(fraction)
            except Exception as error:
                raise _Stopped(error) from error

        def watch(status: Mapping[str, Any]) -> None:
            received = status.get("downloaded_bytes") or 0
            if received > limit:  # what was announced may be missing, or a lie
                raise errors.AudioTooLarge
            report(1.0 if status["status"] == "finished" else min(1.0, received / size) if size > 0 else 0.0)

        # No muxing, so no ffmpeg: one stream as it is. A few old videos have sound only together with pictures.
        wanted = "bestaudio[protocol^=http]/worst*[acodec!=none][protocol^=http]"
        with youtube_client.opened(youtube_client.Log(), format=wanted) as client:
            info = dict(self._info) | {"formats": [*map(dict, formats)], "subtitles": {}, "automatic_captions": {}}
            chosen = client.process_ie_result(info, download=False)
            size = chosen.get("filesize") or 0
            if size > limit:
                raise errors.AudioTooLarge
            _wait_until(min(chosen.get("available_at") or 0, time.time() + MAX_WAIT_SECONDS), report)
            path = folder / f"audio{_SUFFIXES.get(chosen.get('ext'), '.bin')}"
            youtube_client.save(client, chosen | {"available_at": None}, path, watch)
        received = path.stat().st_size if path.exists() else 0
        if not received or received != (size or received):
            path.unlink(missing_ok=True)
            raise errors.AudioIncomplete
        return path


class _Stopped(BaseException):
    """Carries what ``on_progress`` raised past yt-dlp; no Exception, so that nobody takes it for a fault."""

    def __init__(self, reason: Exception) -> None:
        self.reason = reason


def _wait_until(moment: float, report: Callable[[float], None]) -> None:
    """Wait here instead of in yt-dlp, which would sleep in one piece that nothing can stop."""
    while (remaining := moment - time.time()) > 0:
        report(0.0)
        time.sleep(min(1.0, remaining))
