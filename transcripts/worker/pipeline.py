"""From a claimed video to a transcript: captions if there are any, else the sound and the speech engine."""

import errno
import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DataError, OperationalError, transaction

from transcripts import stored
from transcripts.models import Transcript, UTF8Encoder
from transcripts.segments import Segment, plain_text, tidy
from transcripts.worker import alarm, circuit, errors, scratch, speech, turn, youtube
from transcripts.worker.claim import Claim
from videos import files, quotas, traces
from videos.models import Deletion, Video

# https://dev.mysql.com/doc/refman/8.4/en/packet-too-large.html
PACKET_TOO_LARGE = 1153
MAX_STATEMENT_BYTES = 14_000_000  # MariaDB's max_allowed_packet is 16 MiB, MySQL's 64


class _Said(NamedTuple):
    """A transcript before it is stored."""

    source: Video.Source
    engine: str
    model: str
    language: str
    segments: Sequence[Segment]
    listened_ms: int = 0


def process(claim: Claim) -> None:
    """Does the whole job. Raises ``JobError`` for what the user should know, and ``ClaimLost``."""
    try:
        _process(claim)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise errors.NoSpaceLeft from error
        raise


def _process(claim: Claim) -> None:
    with scratch.folder() as folder:
        with circuit.watched(claim.probe):
            about, found = _fetch(claim, folder)
        audio_path, audio_bytes = "", 0
        if isinstance(found, Path):
            audio_bytes = claim.job.downloaded_bytes = found.stat().st_size
            with found.open("rb") as content:
                audio_path = _save(claim, f"audio{found.suffix}", File(content))
            said = _listen(claim, found, about)
            turn.give_back()
        else:
            said = found

    claim.step(Video.Stage.STORING)
    _store(claim, said._replace(segments=tidy(said.segments, _end(about))), audio_path, audio_bytes)


def _fetch(claim: Claim, folder: Path) -> tuple[youtube.Metadata, _Said | Path]:
    """All that is asked of YouTube: what the video is, and what its captions say, else its sound as a file."""
    video = claim.video
    claim.step(Video.Stage.METADATA)
    with _in_time():
        extraction = youtube.extract(video.youtube_id, thorough=video.attempt > 1 or bool(claim.probe))
    about = extraction.metadata
    with _storable():
        claim.write(lambda: video.describe(title=about.title, channel=about.channel, duration_ms=about.duration_ms))

    if video.mode != Video.Mode.SPEECH:
        said = _read_captions(claim, extraction)
        if said is None and video.mode == Video.Mode.CAPTIONS:
            raise errors.NoCaptions
        if said:
            return about, said
    if not turn.take(claim.left):
        raise errors.EngineBusy
    claim.step(Video.Stage.AUDIO)
    _reserve(claim, about)
    with _in_time(extraction.audio_seconds()):
        return about, extraction.audio(folder, lambda done: claim.step(Video.Stage.AUDIO, done))


def _reserve(claim: Claim, about: youtube.Metadata) -> None:
    """Sets aside what listening will cost the user, before anything is downloaded."""
    try:
        claim.write(lambda: quotas.reserve(claim.video, about.duration_ms))
    except quotas.QuotaExceeded as error:
        kind = errors.SpeechQuotaExceeded if error.allowance.name == "speech" else errors.StorageQuotaExceeded
        raise kind(str(error)) from None


def _in_time(seconds: float = 0) -> AbstractContextManager[None]:
    """A far side that sends a byte now and then would keep a worker for ever."""
    return alarm.limited(settings.YOUTUBE_PATIENCE_SECONDS + seconds, errors.SourceTooSlow())


def _end(about: youtube.Metadata) -> int | None:
    """Where the video ends at the latest, in milliseconds: YouTube names its length in whole seconds."""
    return about.duration_ms + 1000 if about.duration_ms else None


def _read_captions(claim: Claim, extraction: youtube.Extraction) -> _Said | None:
    video = claim.video
    claim.step(Video.Stage.CAPTIONS)
    try:
        with _in_time():
            captions = extraction.captions(video.wanted_language or None)
    except errors.CaptionsWithheld:
        if video.mode == Video.Mode.AUTO and video.attempt >= settings.MAX_ATTEMPTS:
            return None  # they are there, but YouTube will not hand them out: listen, rather than fail
        raise
    if captions is None:
        return None
    model = "automatic" if captions.automatic else "human"
    return _Said(Video.Source.CAPTIONS, "youtube", model, captions.language, captions.segments)


def _listen(claim: Claim, audio: Path, about: youtube.Metadata) -> _Said:
    engine = speech.engine()

    def reached(done: float) -> None:
        claim.job.speech_ms = int(done * (about.duration_ms or 0))
        claim.step(Video.Stage.SPEECH, done)

    heard = engine.transcribe(
        audio,
        language=about.language or claim.video.wanted_language or None,
        duration_ms=about.duration_ms,
        on_progress=reached,
    )
    claim.job.speech_ms = heard.length_ms
    if not heard.segments:
        raise errors.NoSpeech(listened_ms=heard.length_ms)
    return _Said(Video.Source.SPEECH, engine.name, engine.model, heard.language, heard.segments, heard.length_ms)


def _store(claim: Claim, said: _Said, audio_path: str, audio_bytes: int = 0) -> None:
    """The file first, then the row: the database never names an object that is not there.

    An earlier transcript's files go when this one has taken its place.
    """
    video = claim.video
    if _statement_bytes(said.segments) > MAX_STATEMENT_BYTES:
        raise errors.TranscriptTooLarge
    transcript = Transcript(
        video=video,
        user_id=video.user_id,
        language=said.language,
        source=said.source,
        engine=said.engine,
        model=said.model,
        content=plain_text(said.segments),
        segment_rows=said.segments,
    )
    document = stored.document(transcript)
    transcript.s3_path = _save(claim, "transcript.json", ContentFile(document))
    claim.job.source, claim.job.stored_bytes = said.source, audio_bytes + len(document)

    def write() -> bool:
        with transaction.atomic():
            completed = video.complete(
                source=said.source,
                language=said.language,
                s3_path=audio_path,
                bytes_kept=audio_bytes + len(document),
                listened_ms=said.listened_ms,
            )
            if not completed:
                return False
            replaced = Transcript.objects.store(transcript)
            if replaced and replaced != transcript.s3_path:
                Deletion.objects.get_or_create(prefix=stored.prefix(replaced))
        return True

    with _storable(), traces.span("commit"):
        claim.write(write)


@contextmanager
def _storable() -> Iterator[None]:
    """What the database refuses for its content or its size, it refuses every time."""
    try:
        yield
    except DataError as error:
        raise errors.NotStorable from error
    except OperationalError as error:
        if error.args[0] == PACKET_TOO_LARGE:
            raise errors.TranscriptTooLarge from error
        raise


def _statement_bytes(segments: Sequence[Segment]) -> int:
    """About how long the INSERT is: text, and timed text as JSON, with what MySQL's quoting adds."""
    stored = plain_text(segments) + json.dumps(segments, cls=UTF8Encoder)
    return len(stored.encode()) + sum(stored.count(quoted) for quoted in "'\"\\")


def _save(claim: Claim, name: str, content: "File[bytes]") -> str:
    def save() -> str:
        content.seek(0)
        return default_storage.save(claim.video.attempt_prefix + name, content)

    try:
        return claim.upload(save)
    except files.errors() as error:
        raise errors.StorageUnavailable from error
