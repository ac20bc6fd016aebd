"""The file of a transcript in storage, and whether what lies there is what the rows name."""

import json
import logging
import re
import time
import uuid
from collections.abc import Iterable

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from transcripts.models import Transcript
from videos import files
from videos.deadline import Deadline
from videos.models import Bookmark, Video

log = logging.getLogger(__name__)

FILES_A_RUN = 1000  # as many as S3 lists at once
ROWS_A_RUN = 50  # each is a question to S3
TRIAL_SECONDS = 3600  # after which nobody is at it any more who tries storage out

_KEY = re.compile(r"(videos/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/[0-9]+/)(answers/)?.+")
_TRIAL = re.compile(r"videos/doctor/([0-9]{1,12})-.+")


def document(transcript: Transcript) -> bytes:
    """The transcript with all that is known about its video, as JSON in UTF-8."""
    video = transcript.video
    found = {
        "video_id": str(video.pk),
        "url": video.url,
        "title": video.title,
        "channel": video.channel,
        "duration_ms": video.duration_ms,
        "language": transcript.language,
        "source": transcript.source,
        "engine": transcript.engine,
        "model": transcript.model,
        "segments": [segment._asdict() for segment in transcript.segments],
    }
    return json.dumps(found, ensure_ascii=False, indent=1).encode()


def prefix(path: str) -> str:
    """Below it lie the files of the attempt that has written ``path``."""
    return path.rpartition("/")[0] + "/"


def answer(transcript: Transcript, name: str, body: bytes, media_type: str) -> str:
    """Puts a rendered transcript beside the stored one, and returns a signed address that lives for minutes.

    It goes when the video or this version of its transcript goes. Raises ``files.errors()``.
    """
    path = f"{prefix(transcript.s3_path)}answers/{settings.VERSION}/{name}"  # another version may write another text
    if not default_storage.exists(path):
        file = ContentFile(body)
        file.content_type = media_type  # type: ignore[attr-defined] # S3 serves it as this
        path = default_storage.save(path, file)
    return default_storage.url(path)


def trial_path() -> str:
    """Where storage may be tried out: below videos/, where the roles may write. It goes by itself after an hour."""
    return f"videos/doctor/{time.time():.0f}-{uuid.uuid4()}"


def reconcile(deadline: Deadline) -> tuple[int, int]:
    """Deletes files that no row names, and mends rows whose files are gone; returns how many of each.

    A part at a time: the next call goes on where this one stopped, and begins anew after the last. Safe to
    run twice at once. Storage that fails ends it early. Raises what the database raises.
    """
    try:
        return _delete_unnamed(deadline), _restore_missing(deadline)
    except files.errors() as error:
        log.warning("files and rows could not be compared: %s", error)
        return 0, 0


def outlook() -> dict[str, int]:
    """What the next part of the comparison would find. Changes nothing; nothing where storage fails."""
    try:
        unnamed = len(_unnamed(files.listed(after=Bookmark.of("files").position, limit=FILES_A_RUN)))
        missing = sum(_is_missing(transcript) for transcript in _next_transcripts(Bookmark.of("transcripts")))
    except files.errors() as error:
        log.warning("files and rows could not be compared: %s", error)
        unnamed = missing = 0
    return {"files without rows": unnamed, "rows without files": missing}


def _is_missing(transcript: Transcript) -> bool:
    paths = filter(None, (transcript.video.s3_path, transcript.s3_path))
    return not all(default_storage.exists(path) for path in paths)


def _delete_unnamed(deadline: Deadline) -> int:
    bookmark = Bookmark.of("files")
    keys = files.listed(after=bookmark.position, limit=FILES_A_RUN)
    deleted = 0
    # The rows are read after the files: a file was written by a claim that the row knew by then.
    for key in _unnamed(keys):
        if deadline.passed():
            return deleted  # and the next run looks at the same ones
        log.warning("a file that no row names is deleted: %s", key)
        default_storage.delete(key)
        deleted += 1
    bookmark.move(keys[-1] if len(keys) == FILES_A_RUN else "")
    return deleted


def _unnamed(keys: Iterable[str]) -> list[str]:
    """Those that belong to no video, to no claim that lives, to no transcript, and to no trial that is under way."""
    keys = list(keys)
    ours = {key: match for key in keys if (match := _KEY.fullmatch(key))}
    ids = {uuid.UUID(match[2]) for match in ours.values()}
    named = set()
    working = set()
    for video in Video.objects.filter(pk__in=ids).only("s3_path", "status", "fence"):
        named.add(video.s3_path)
        if video.status == Video.Status.PROCESSING:
            working.add(video.attempt_prefix)
    current = set()  # where the files of transcripts lie that are read now
    for path in Transcript.objects.filter(video__in=ids).values_list("s3_path", flat=True):
        named.add(path)
        current.add(prefix(path))
    trials = [key for key in keys if (trial := _TRIAL.fullmatch(key)) and _is_over(int(trial[1]))]
    return trials + [
        key
        for key, match in ours.items()
        if key not in named and match[1] not in working and not (match[3] and match[1] in current)
    ]


def _is_over(began: int) -> bool:
    return time.time() - began > TRIAL_SECONDS


def _restore_missing(deadline: Deadline) -> int:
    bookmark = Bookmark.of("transcripts")
    restored = 0
    found = _next_transcripts(bookmark)
    for transcript in found:
        if deadline.passed():
            return restored
        restored += _restore(transcript)
        _measure(transcript)
        bookmark.move(str(transcript.pk))
    if len(found) < ROWS_A_RUN:
        bookmark.move("")
    return restored


def _next_transcripts(bookmark: Bookmark) -> list[Transcript]:
    rows = Transcript.objects.order_by("pk").select_related("video")
    if bookmark.position:
        rows = rows.filter(pk__gt=bookmark.position)
    return list(rows.without_text()[:ROWS_A_RUN])


def _restore(transcript: Transcript) -> bool:
    """Writes the transcript's file anew if it is gone; a lost audio file is forgotten, so that nobody is sent there."""
    video, path = transcript.video, transcript.s3_path
    restored = False
    if video.s3_path and not default_storage.exists(video.s3_path):
        log.error("the audio of video %s is lost: %s", video.pk, video.s3_path)
        restored = video.forget_audio(bytes_left=len(document(transcript)))
    if path and not default_storage.exists(path) and _still_names(transcript, path):
        log.error("the transcript file of video %s was lost and is written anew: %s", video.pk, path)
        saved = default_storage.save(path, ContentFile(document(transcript)))
        if saved != path or not _still_names(transcript, path):  # written by another sweep, deleted, or replaced
            default_storage.delete(saved)
        restored = True
    return restored


def _measure(transcript: Transcript) -> None:
    """Code that knew no quotas has kept no sizes: such a row learns what its files take."""
    video, path = transcript.video, transcript.s3_path
    if video.bytes_kept or video.status != Video.Status.COMPLETED:
        return
    sizes: dict[str, int] = {}
    for folder in {prefix(name) for name in (path, video.s3_path) if name.startswith(video.files_prefix)}:
        sizes |= files.sized(folder)
    if kept := sum(sizes.get(name, 0) for name in (path, video.s3_path)):
        rows = Video.objects.filter(pk=video.pk, status=video.status, fence=video.fence, s3_path=video.s3_path)
        rows.filter(bytes_kept=0).update(bytes_kept=kept)


def _still_names(transcript: Transcript, path: str) -> bool:
    return Transcript.objects.filter(pk=transcript.pk, s3_path=path).exists()
