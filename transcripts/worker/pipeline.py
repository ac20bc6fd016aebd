"""From a claimed video to a transcript: captions if there are any, else the sound and the speech engine."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction

from transcripts.models import Transcript
from transcripts.segments import Segment, plain_text, tidy
from transcripts.worker import errors, speech, youtube
from transcripts.worker.claim import Claim
from videos import files
from videos.models import Video

MAX_TRANSCRIPT_BYTES = 6_000_000  # with its times it must fit MySQL's smallest usual max_allowed_packet, 16 MB


class _Said(NamedTuple):
    """A transcript before it is stored."""

    source: Video.Source
    engine: str
    model: str
    language: str
    segments: Sequence[Segment]


def process(claim: Claim) -> None:
    """Does the whole job. Raises ``JobError`` for what the user should know, and ``ClaimLost``."""
    video = claim.video
    claim.step(Video.Stage.METADATA)
    extraction = youtube.extract(video.youtube_id)
    about = extraction.metadata
    claim.hold(video.describe(title=about.title, channel=about.channel, duration_ms=about.duration_ms))

    said = None
    if video.mode != Video.Mode.SPEECH:
        said = _read_captions(claim, extraction)
        if said is None and video.mode == Video.Mode.CAPTIONS:
            raise errors.NoCaptions
    audio_path = ""
    if said is None:
        with tempfile.TemporaryDirectory(prefix="transcript-") as folder:
            audio = extraction.audio(Path(folder), lambda done: claim.step(Video.Stage.AUDIO, done))
            audio_path = _keep_audio(claim, audio)
            said = _listen(claim, audio, about)

    claim.step(Video.Stage.STORING)
    _store(claim, about, said._replace(segments=tidy(said.segments, _end(about))), audio_path)


def _end(about: youtube.Metadata) -> int | None:
    """Where the video ends at the latest, in milliseconds: YouTube names its length in whole seconds."""
    return about.duration_ms + 1000 if about.duration_ms else None


def _read_captions(claim: Claim, extraction: youtube.Extraction) -> _Said | None:
    video = claim.video
    claim.step(Video.Stage.CAPTIONS)
    try:
        captions = extraction.captions(video.wanted_language or None)
    except errors.CaptionsWithheld:
        if video.mode == Video.Mode.AUTO and video.attempt >= settings.MAX_ATTEMPTS:
            return None  # they are there, but YouTube will not hand them out: listen, rather than fail
        raise
    if captions is None:
        return None
    model = "automatic" if captions.automatic else "human"
    return _Said(Video.Source.CAPTIONS, "youtube", model, captions.language, captions.segments)


def _keep_audio(claim: Claim, audio: Path) -> str:
    """Stores the audio before it is listened to; returns its path in storage."""
    with audio.open("rb") as content:
        path = _save(f"{claim.video.attempt_prefix}audio{audio.suffix}", File(content))
    claim.hold(claim.video.keep_audio(path))
    return path


def _listen(claim: Claim, audio: Path, about: youtube.Metadata) -> _Said:
    engine = speech.engine()
    heard = engine.transcribe(
        audio,
        language=about.language or claim.video.wanted_language or None,
        duration_ms=about.duration_ms,
        on_progress=lambda done: claim.step(Video.Stage.SPEECH, done),
    )
    if not heard.segments:
        raise errors.NoSpeech
    return _Said(Video.Source.SPEECH, engine.name, engine.model, heard.language, heard.segments)


def _store(claim: Claim, about: youtube.Metadata, said: _Said, audio_path: str) -> None:
    """The file first, then the row: the database never names an object that is not there."""
    video = claim.video
    if len(plain_text(said.segments).encode()) > MAX_TRANSCRIPT_BYTES:
        raise errors.TranscriptTooLarge
    document = {
        "video_id": str(video.pk),
        "url": video.url,
        "title": about.title,
        "channel": about.channel,
        "duration_ms": about.duration_ms,
        "language": said.language,
        "source": said.source,
        "engine": said.engine,
        "model": said.model,
        "segments": [segment._asdict() for segment in said.segments],
    }
    content = ContentFile(json.dumps(document, ensure_ascii=False, indent=1).encode())
    path = _save(f"{video.attempt_prefix}transcript.json", content)
    with transaction.atomic():
        claim.hold(video.complete(source=said.source, language=said.language))
        Transcript.objects.store(
            video,
            said.segments,
            language=said.language,
            source=said.source,
            engine=said.engine,
            model=said.model,
            s3_path=path,
        )
    # What earlier attempts left behind.
    files.delete_below(video.files_prefix, keep={path, audio_path} - {""})


def _save(path: str, content: "File[bytes]") -> str:
    try:
        return default_storage.save(path, content)
    except files.errors() as error:
        raise errors.StorageUnavailable from error
