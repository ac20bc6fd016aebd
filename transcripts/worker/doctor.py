"""Whether a worker's machine has what its work takes: the way to YouTube, yt-dlp, a speech model, room on the disk."""

import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from transcripts.worker import errors, speech, youtube
from videos.finding import Finding, doubtful, ill, well

OLD_DAYS, TOO_OLD_DAYS = 21, 60  # of yt-dlp: YouTube changes faster than that
ROOM_BYTES = 2 * 1024**3  # a job needs up to two gigabytes


def youtube_is_reachable() -> Iterator[Finding]:
    """By the same way as the worker's own requests: the proxy, its password, TLS."""
    way = "through the proxy" if settings.YOUTUBE_PROXY_URL else "without a proxy"
    try:
        youtube.reach()
    except errors.JobError as error:
        cause = str(error.__cause__ or error).splitlines()[0][:200]
        yield ill(
            "way to YouTube",
            f"{way}: {error} ({error.code}: {cause})",
            "Look at YOUTUBE_PROXY_URL: is the proxy up, is its password right, does this machine's firewall let it "
            "out? Videos wait meanwhile.",
        )
    else:
        yield well("way to YouTube", f"{way}; whether it hands out videos: `manage.py check_youtube ID`")


def yt_dlp() -> Iterator[Finding]:
    """How old it is: by its version, which is a date."""
    version = metadata.version("yt-dlp")
    year, month, day = map(int, version.split(".")[:3])
    days = (datetime.now(UTC) - datetime(year, month, day, tzinfo=UTC)).days
    detail = f"{version}, {days} days old"
    advice = "Change its pin in requirements-worker.txt, pack, and `deploy_worker.sh update`. Renew it weekly."
    if days > TOO_OLD_DAYS:
        yield ill("yt-dlp", detail, advice)
    elif days > OLD_DAYS:
        yield doubtful("yt-dlp", detail, advice)
    else:
        yield well("yt-dlp", detail)


def speech_model() -> Iterator[Finding]:
    """Whether it is on this machine. Loads nothing."""
    try:
        speech.check()
        place = speech.place(settings.SPEECH_MODEL)
    except ImproperlyConfigured as error:
        yield ill("speech model", str(error), "Set SPEECH_MODEL and SPEECH_ENGINE; videos without captions fail.")
        return
    if place is None:
        yield doubtful(
            "speech model",
            f"{settings.SPEECH_MODEL} is not on this machine yet",
            "It is fetched from the Hugging Face hub when the worker first needs it; where the hub cannot be reached, "
            "set SPEECH_MODEL to a folder.",
        )
    else:
        yield well("speech model", f"{settings.SPEECH_MODEL} in {place}")


def disk() -> Iterator[Finding]:
    """Where audio lies while it is listened to."""
    folder = Path(tempfile.gettempdir())
    free = shutil.disk_usage(folder).free
    detail = f"{free / 1024**3:.1f} GB free in {folder}"
    if free < ROOM_BYTES:
        yield ill("disk", detail, "Make room, or set TMPDIR to a larger disk: a job needs up to 2 GB.")
    else:
        yield well("disk", detail)


EXAMINATIONS = (youtube_is_reachable, yt_dlp, speech_model, disk)
