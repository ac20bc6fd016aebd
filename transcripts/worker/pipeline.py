"""From a claimed video to a transcript: captions if there are any, else the sound and the speech engine."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DataError, transaction

from transcripts.models import Transcript, UTF8Encoder
from transcripts.segments import Segment, plain_text, tidy
from transcripts.worker import errors, speech, youtube
from transcripts.worker.claim import Claim
from videos import files
from videos.models import Video

MAX_STATEMENT_BYTES = 14_000_000  # MariaDB's max_allowed_packet is 16 MiB, MySQL's 64


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
    with _storable():
        claim.hold(video.describe(title=about.title, channel=about.channel, duration_ms=about.duration_ms))

    said = None
    if video.mode != Video.Mode.SPEECH:
        said = _read_captions(claim, extraction)
        if said is None and video.mode == Video.Mode.CAPTIONS:
            raise errors.NoCaptions
    if said is None:
        with tempfile.TemporaryDirectory(prefix="transcript-") as folder:
            audio = extraction.audio(Path(folder), lambda done: claim.step(Video.Stage.AUDIO, done))
            _keep_audio(claim, audio)
            said = _listen(claim, audio, about)

    claim.step(Video.Stage.STORING)
    _store(claim, about, said._replace(segments=tidy(said.segments, _end(about))))


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


def _keep_audio(claim: Claim, audio: Path) -> None:
    """Stores the audio before it is listened to."""
    with audio.open("rb") as content:
        path = _save(f"{claim.video.attempt_prefix}audio{audio.suffix}", File(content))
    claim.hold(claim.video.keep_audio(path))


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


def _store(claim: Claim, about: youtube.Metadata, said: _Said) -> None:
    """The file first, then the row: the database never names an object that is not there."""
    video = claim.video
    if _statement_bytes(said.segments) > MAX_STATEMENT_BYTES:
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
    with _storable(), transaction.atomic():
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


@contextmanager
def _storable() -> Iterator[None]:
    """What the database refuses for its content, it refuses every time."""
    try:
        yield
    except DataError as error:
        raise errors.NotStorable from error


def _statement_bytes(segments: Sequence[Segment]) -> int:
    """About how long the INSERT is: text, and timed text as JSON, with what MySQL's quoting adds."""
    stored = plain_text(segments) + json.dumps(segments, cls=UTF8Encoder)
    return len(stored.encode()) + sum(stored.count(quoted) for quoted in "'\"\\")


def _save(path: str, content: "File[bytes]") -> str:
    try:
        return default_storage.save(path, content)
    except files.errors() as error:
        raise errors.StorageUnavailable from error
